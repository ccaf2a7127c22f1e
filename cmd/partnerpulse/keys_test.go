package main

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"partnerpulse/internal/identity"
	"partnerpulse/internal/keys"
	"partnerpulse/internal/secret"
)

var instant = time.Date(2026, 11, 3, 9, 15, 0, 0, time.UTC)

// TestGeneratedKeysWorkAsPrinted: what stands under the heading is a file of keys, in
// which the printed key is found.
func TestGeneratedKeysWorkAsPrinted(t *testing.T) {
	for _, cmd := range []keysGenerateCmd{
		{Kind: "server", Tenant: "acme", Portal: "main", Scopes: []string{"write", "directory"}},
		{Kind: "browser", Tenant: "acme", Portal: "main", Origins: []string{"https://portal.example"}},
		{Kind: "browser", Tenant: "acme", ID: "mine"},
	} {
		var out bytes.Buffer
		if err := cmd.write(&out, instant); err != nil {
			t.Fatal(err)
		}
		printed := regexp.MustCompile(`(?m)^key: +(\S+)$`).FindStringSubmatch(out.String())
		hash := regexp.MustCompile(`(?m)^hash: +(\S+)$`).FindStringSubmatch(out.String())
		_, file, found := strings.Cut(out.String(), "collector.keys_file:\n")
		if printed == nil || hash == nil || !found || hash[1] != keys.Hash(printed[1]) {
			t.Fatalf("printed %s", out.String())
		}
		ks, err := keys.Parse([]byte(file))
		if err != nil {
			t.Fatal(err)
		}
		ring, err := keys.NewRing(ks)
		if err != nil {
			t.Fatal(err)
		}
		k, ok := ring.Lookup(printed[1])
		if !ok || string(k.Kind) != cmd.Kind || k.Tenant != "acme" || cmd.ID == "" && k.ID != cmd.Kind+"-2026-11-03" {
			t.Errorf("found %v: %+v", ok, k)
		}
		if cmd.Kind == "server" && (strings.Contains(file, printed[1]) || !k.Has(keys.Directory)) {
			t.Errorf("the file holds the secret, or lacks a scope:\n%s", file)
		}
	}
}

func TestWrongWishesForKeysAreMistakesOfUsage(t *testing.T) {
	var usage usageError
	for name, cmd := range map[string]keysGenerateCmd{
		"scope of a browser key": {Kind: "browser", Tenant: "acme", Scopes: []string{"directory"}},
		"origin with a path":     {Kind: "browser", Tenant: "acme", Origins: []string{"https://x.example/path"}},
		"no tenant":              {Kind: "server"},
	} {
		var out bytes.Buffer
		if err := cmd.write(&out, instant); !errors.As(err, &usage) || out.Len() > 0 {
			t.Errorf("%s: %v, printed %q", name, err, out.String())
		}
	}
	for name, cmd := range map[string]keysSignCmd{
		"short secret": {User: "u", Partner: "p", Secret: "short", TTL: time.Hour},
		"no time":      {User: "u", Partner: "p", Secret: strings.Repeat("s", 32), TTL: -time.Hour},
		"no user":      {Partner: "p", Secret: strings.Repeat("s", 32), TTL: time.Hour},
	} {
		var out bytes.Buffer
		if err := cmd.write(&out, instant); !errors.As(err, &usage) || out.Len() > 0 {
			t.Errorf("%s: %v, printed %q", name, err, out.String())
		}
	}
}

func TestSignedIdentityIsBelieved(t *testing.T) {
	var out bytes.Buffer
	if err := (&keysGenerateCmd{Kind: "identity", ID: "one"}).write(&out, instant); err != nil {
		t.Fatal(err)
	}
	made := regexp.MustCompile(`(?m)^secret: (\S+)$`).FindStringSubmatch(out.String())
	if made == nil || strings.Count(out.String(), made[1]) != 2 {
		t.Fatalf("printed %s", out.String())
	}
	out.Reset()
	if err := (&keysSignCmd{User: "u-1", Partner: "p-1", Secret: made[1], KeyID: "one", TTL: time.Hour}).write(&out, instant); err != nil {
		t.Fatal(err)
	}
	v, err := identity.New(identity.Config{Secrets: []identity.Secret{{ID: "one", Secret: secret.Text(made[1])}}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.Verify(strings.TrimSpace(out.String()), instant); err != nil || got.User != "u-1" || got.Partner != "p-1" {
		t.Errorf("%+v, %v", got, err)
	}
}
