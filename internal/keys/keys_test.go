package keys

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const (
	serverSecret = "pp_srv_one"
	newSecret    = "pp_srv_two"
	webValue     = "pp_web_public"
)

func testKeys() []Key {
	return []Key{
		{ID: "srv-1", Tenant: "acme", Portal: "main", Kind: Server, Hash: Hash(serverSecret), Scopes: []Scope{Write, Backfill}},
		{ID: "srv-2", Tenant: "acme", Portal: "main", Kind: Server, Hash: strings.ToUpper(Hash(newSecret))},
		{ID: "web-1", Tenant: "acme", Portal: "main", Kind: Browser, Value: webValue, Origins: []string{"https://portal.example", "https://*.acme.example"}},
	}
}

func basic(user string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"))
}

func TestAuthenticate(t *testing.T) {
	ring, err := NewRing(testKeys())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		header, query string
		id            string
		err           error
	}{
		"bearer":                        {header: "Bearer " + serverSecret, id: "srv-1"},
		"bearer lower case":             {header: "bearer " + serverSecret, id: "srv-1"},
		"second key of the same portal": {header: "Bearer " + newSecret, id: "srv-2"},
		"basic":                         {header: basic(serverSecret), id: "srv-1"},
		"basic browser":                 {header: basic(webValue), id: "web-1"},
		"query browser":                 {query: "?key=" + webValue, id: "web-1"},
		"header wins":                   {header: "Bearer " + serverSecret, query: "?key=" + webValue, id: "srv-1"},
		"server key in URL":             {query: "?key=" + serverSecret, err: ErrServerKeyInURL},
		"revoked server key in URL":     {query: "?key=pp_srv_revoked", err: ErrServerKeyInURL},
		"unknown":                       {header: "Bearer nope", err: ErrUnknownKey},
		"unknown in URL":                {query: "?key=nope", err: ErrUnknownKey},
		"none":                          {err: ErrNoKey},
		"empty query":                   {query: "?key=", err: ErrNoKey},
		"empty basic user":              {header: basic(""), err: ErrNoKey},
		"bad base64":                    {header: "Basic %%%", err: ErrMalformedAuthorization},
		"other scheme":                  {header: "Digest x", err: ErrMalformedAuthorization},
		"bearer without key":            {header: "Bearer ", err: ErrMalformedAuthorization},
		"the hash is not the key":       {header: "Bearer " + Hash(serverSecret), err: ErrUnknownKey},
		"over-long":                     {header: "Bearer " + strings.Repeat("x", lengthMax+1), err: ErrUnknownKey},
	} {
		t.Run(name, func(t *testing.T) {
			req := httptest.NewRequest(http.MethodPost, "/v1/events"+c.query, nil)
			if c.header != "" {
				req.Header.Set("Authorization", c.header)
			}
			k, err := ring.Authenticate(req)
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if err == nil && k.ID != c.id {
				t.Fatalf("key %s, want %s", k.ID, c.id)
			}
		})
	}
}

func TestRotationAndReplace(t *testing.T) {
	ring, err := NewRing(testKeys())
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Replace(testKeys()[1:]); err != nil {
		t.Fatal(err)
	}
	if _, ok := ring.Lookup(serverSecret); ok {
		t.Error("a removed key is still valid")
	}
	if _, ok := ring.Lookup(newSecret); !ok {
		t.Error("the kept key is no longer valid")
	}
	bad := testKeys()
	bad[0].Hash = "short"
	if err := ring.Replace(bad); err == nil {
		t.Fatal("a bad set was taken")
	}
	if _, ok := ring.Lookup(newSecret); !ok {
		t.Error("a refused set replaced the old one")
	}
	var empty Ring
	if _, ok := empty.Lookup(newSecret); ok || empty.AllowsOrigin("https://portal.example") {
		t.Error("an empty ring knows a key")
	}
}

func TestOrigins(t *testing.T) {
	ring, err := NewRing(testKeys())
	if err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]bool{
		"https://portal.example":      true,
		"HTTPS://Portal.Example":      true,
		"http://portal.example":       false,
		"https://portal.example:8443": false,
		"https://a.acme.example":      true,
		"https://a.b.acme.example":    true,
		"https://acme.example":        false,
		"https://evilacme.example":    false,
		"https://.acme.example":       false,
		"https://portal.example.evil": false,
		"null":                        false,
		"":                            false,
		"https://a.acme.example.evil": false,
		"http://a.acme.example":       false,
	} {
		if got := ring.AllowsOrigin(origin); got != want {
			t.Errorf("origin %q: %v, want %v", origin, got, want)
		}
	}
	anyone := Key{Kind: Browser, Origins: []string{"*"}}
	if !anyone.AllowsOrigin("https://x") || !anyone.AnyOrigin() {
		t.Error("* does not allow every origin")
	}
}

func TestValidate(t *testing.T) {
	for name, breakIt := range map[string]func(k *Key){
		"no id":                    func(k *Key) { k.ID = "" },
		"no tenant":                func(k *Key) { k.Tenant = "" },
		"tenant with slash":        func(k *Key) { k.Tenant = "a/b" },
		"no kind":                  func(k *Key) { k.Kind = "" },
		"browser without value":    func(k *Key) { k.Value = "" },
		"browser with hash":        func(k *Key) { k.Hash = Hash("x") },
		"browser without origins":  func(k *Key) { k.Origins = nil },
		"browser with backfill":    func(k *Key) { k.Scopes = []Scope{Write, Backfill} },
		"browser with directory":   func(k *Key) { k.Scopes = []Scope{Directory} },
		"unknown scope":            func(k *Key) { k.Scopes = []Scope{"all"} },
		"origin with path":         func(k *Key) { k.Origins = []string{"https://x/"} },
		"origin without scheme":    func(k *Key) { k.Origins = []string{"portal.example"} },
		"star inside":              func(k *Key) { k.Origins = []string{"https://a.*.example"} },
		"server with value":        func(k *Key) { k.Kind, k.Origins = Server, nil },
		"server with origins":      func(k *Key) { k.Kind, k.Value, k.Hash = Server, "", Hash("x") },
		"server without hash":      func(k *Key) { k.Kind, k.Value, k.Origins = Server, "", nil },
		"server with a short hash": func(k *Key) { k.Kind, k.Value, k.Origins, k.Hash = Server, "", nil, "abcd" },
	} {
		k := testKeys()[2]
		breakIt(&k)
		if k.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for _, dup := range [][]Key{append(testKeys(), testKeys()[0]), append(testKeys(), Key{ID: "other", Tenant: "b", Kind: Server, Hash: Hash(serverSecret)})} {
		if _, err := NewRing(dup); err == nil {
			t.Error("a duplicate was accepted")
		}
	}
}

func TestScopes(t *testing.T) {
	ks := testKeys()
	if !ks[0].Has(Backfill) || ks[0].Has(Directory) || !ks[1].Has(Write) || ks[1].Has(Backfill) {
		t.Error("scopes are not what was configured (none means write)")
	}
}

func TestGenerate(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		for kind, prefix := range map[Kind]string{Server: ServerPrefix, Browser: BrowserPrefix} {
			k := Generate(kind)
			if !strings.HasPrefix(k, prefix) || len(k) != len(prefix)+43 || seen[k] {
				t.Fatalf("generated %q", k)
			}
			seen[k] = true
		}
	}
}

func TestYAML(t *testing.T) {
	const doc = `
- id: web-1
  tenant: demo
  portal: main
  kind: browser
  value: pp_web_x
  scopes: [write]
  origins: ["*"]
`
	var ks []Key
	if err := yaml.Unmarshal([]byte(doc), &ks); err != nil {
		t.Fatal(err)
	}
	if _, err := NewRing(ks); err != nil || ks[0].Value != "pp_web_x" || !ks[0].AnyOrigin() {
		t.Fatalf("read %+v: %v", ks, err)
	}
}
