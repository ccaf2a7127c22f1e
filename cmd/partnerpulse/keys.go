package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"partnerpulse/internal/identity"
	"partnerpulse/internal/keys"
	"partnerpulse/internal/secret"
)

type keysCmd struct {
	Generate     keysGenerateCmd `cmd:"" help:"Make a new key and print it with what belongs into the configuration. Nothing is kept."`
	SignIdentity keysSignCmd     `cmd:"" help:"Sign who is signed in, as a portal's back end does; to try an installation."`
}

type keysGenerateCmd struct {
	Kind    string   `enum:"browser,server,identity" default:"server" help:"server (secret, for back ends), browser (public, for pages) or identity (the secret that signs who is signed in)."`
	ID      string   `placeholder:"ID" help:"Name of the key in events, logs and metrics (default: the kind and today's date)."`
	Tenant  string   `default:"demo" help:"Tenant of the key."`
	Portal  string   `default:"main" help:"Portal of the key."`
	Scopes  []string `placeholder:"SCOPE" help:"Of a server key: write, backfill, directory (default: write)."`
	Origins []string `placeholder:"ORIGIN" help:"Of a browser key: the pages that may use it, such as https://portal.example (default: any)."`
}

// Run prints a new key.
func (g *keysGenerateCmd) Run() error { return g.write(os.Stdout, time.Now()) }

func (g *keysGenerateCmd) write(w io.Writer, now time.Time) error {
	id := g.ID
	if id == "" {
		id = g.Kind + "-" + now.UTC().Format("2006-01-02")
	}
	if g.Kind == "identity" {
		return g.writeIdentity(w, id)
	}
	k := keys.Key{ID: id, Tenant: g.Tenant, Portal: g.Portal, Kind: keys.Kind(g.Kind), Origins: g.Origins}
	for _, s := range g.Scopes {
		k.Scopes = append(k.Scopes, keys.Scope(s))
	}
	text := keys.Generate(k.Kind)
	if k.Kind == keys.Browser {
		k.Value = text
		if len(k.Origins) == 0 {
			k.Origins = []string{"*"}
		}
	} else {
		k.Hash = keys.Hash(text)
	}
	if err := k.Validate(); err != nil {
		return usageError{err}
	}
	snippet, err := yaml.Marshal([]keys.Key{k})
	if err != nil {
		return fmt.Errorf("encoding the key: %w", err)
	}
	note := "# The secret is shown this once; the configuration holds its hash only."
	if k.Kind == keys.Browser {
		note = "# A browser key is public: it stands in the page."
	}
	_, err = fmt.Fprintf(w, "key:  %s\nhash: %s\n\n%s\n# Under keys:, or in the file of collector.keys_file:\n%s", text, keys.Hash(text), note, snippet)
	return err
}

func (g *keysGenerateCmd) writeIdentity(w io.Writer, id string) error {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	text := base64.RawURLEncoding.EncodeToString(b[:])
	_, err := fmt.Fprintf(w, `secret: %s

# For the portal's back end and for the browser key; never for a page.
# Under the browser key:
identity:
    required: true
    secrets:
        - id: %s
          secret: %s
`, text, id, text)
	return err
}

type keysSignCmd struct {
	User    string        `required:"" help:"Who is signed in."`
	Partner string        `required:"" help:"The partner that the user belongs to."`
	Secret  string        `required:"" env:"PARTNERPULSE_IDENTITY_SECRET" help:"The secret, best given by environment, where no list of processes shows it."`
	KeyID   string        `name:"kid" placeholder:"ID" help:"The id of the secret; without it all are tried."`
	TTL     time.Duration `default:"1h" help:"How long the token is valid."`
}

// Run prints a token.
func (s *keysSignCmd) Run() error { return s.write(os.Stdout, time.Now()) }

func (s *keysSignCmd) write(w io.Writer, now time.Time) error {
	key := identity.Secret{ID: s.KeyID, Secret: secret.Text(s.Secret)}
	token, err := identity.Sign(key, identity.Claims{User: s.User, Partner: s.Partner, Expires: now.Add(s.TTL)}, now)
	if err != nil {
		return err
	}
	// Verified as a collector does, so that what is wrong is told here.
	if key.ID == "" {
		key.ID = "given"
	}
	v, err := identity.New(identity.Config{Secrets: []identity.Secret{key}})
	if err == nil {
		_, err = v.Verify(token, now)
	}
	switch {
	case errors.Is(err, identity.ErrExpired):
		return usageError{errors.New("--ttl must be positive")}
	case err != nil:
		return usageError{err}
	}
	_, err = fmt.Fprintln(w, strings.TrimSpace(token))
	return err
}
