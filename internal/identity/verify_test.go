package identity_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"partnerpulse/internal/identity"
	"partnerpulse/internal/secret"
)

const (
	first  = "first-secret-of-32-bytes-or-more!"
	second = "second-secret-of-32-bytes-or-more"
)

var now = time.Date(2026, 11, 3, 9, 15, 0, 0, time.UTC)

func public(t testing.TB, key crypto.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// signers makes a private key of each algorithm and the configuration that verifies it.
func signers(t testing.TB) (map[string]any, []identity.JWTKey) {
	t.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pub, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"HS256": []byte(first), "RS256": r, "ES256": e, "EdDSA": ed}, []identity.JWTKey{
		{ID: "h", Algorithm: "HS256", Secret: first},
		{ID: "r", Algorithm: "RS256", PublicKey: public(t, &r.PublicKey)},
		{ID: "e", Algorithm: "ES256", PublicKey: public(t, &e.PublicKey)},
		{ID: "d", Algorithm: "EdDSA", PublicKey: public(t, pub)},
	}
}

func signed(t testing.TB, alg string, key any, kid string, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.GetSigningMethod(alg), claims)
	if kid != "" {
		token.Header["kid"] = kid
	}
	if alg == "none" {
		key = jwt.UnsafeAllowNoneSignatureType
	}
	s, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func usual() jwt.MapClaims {
	return jwt.MapClaims{"sub": "u-1", "partner_id": "p-1", "exp": now.Add(time.Hour).Unix()}
}

func verifier(t testing.TB, c identity.Config) *identity.Verifier {
	t.Helper()
	v, err := identity.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func compact(t testing.TB, id, key string, change func(*identity.Claims)) string {
	t.Helper()
	c := identity.Claims{User: "u-1", Partner: "p-1", Expires: now.Add(time.Hour)}
	if change != nil {
		change(&c)
	}
	token, err := identity.Sign(identity.Secret{ID: id, Secret: secret.Text(key)}, c, now)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestCompactTokens(t *testing.T) {
	v := verifier(t, identity.Config{Secrets: []identity.Secret{{ID: "a", Secret: first}, {ID: "b", Secret: second}}})
	enc := base64.RawURLEncoding.EncodeToString
	good := compact(t, "a", first, nil)
	payload, mac, _ := strings.Cut(good, ".")
	for name, c := range map[string]struct {
		token string
		at    time.Time
		err   error
	}{
		"good":                 {good, now, nil},
		"the other secret":     {compact(t, "b", second, nil), now, nil},
		"no kid":               {compact(t, "", second, nil), now, nil},
		"kid of the other":     {compact(t, "a", second, nil), now, identity.ErrSignature},
		"unknown secret":       {compact(t, "a", strings.Repeat("x", 32), nil), now, identity.ErrSignature},
		"changed payload":      {enc([]byte(`{"user":"u-1","partner":"p-2","exp":9999999999}`)) + "." + mac, now, identity.ErrSignature},
		"changed signature":    {payload + "." + enc(make([]byte, 32)), now, identity.ErrSignature},
		"short signature":      {payload + "." + mac[:20], now, identity.ErrSignature},
		"empty signature":      {payload + ".", now, identity.ErrSignature},
		"padded":               {payload + "." + mac + "=", now, identity.ErrMalformed},
		"not base64":           {"$$$." + mac, now, identity.ErrMalformed},
		"one part":             {payload, now, identity.ErrMalformed},
		"empty":                {"", now, identity.ErrMalformed},
		"too long":             {strings.Repeat("a", identity.TokenBytesMax) + "." + mac, now, identity.ErrMalformed},
		"a moment late":        {good, now.Add(time.Hour + identity.Skew - time.Second), nil},
		"expired":              {good, now.Add(time.Hour + identity.Skew), identity.ErrExpired},
		"issued just now":      {good, now.Add(-identity.Skew), nil},
		"issued in the future": {good, now.Add(-identity.Skew - time.Second), identity.ErrNotYet},
		"no user":              {compact(t, "a", first, func(c *identity.Claims) { c.User = "" }), now, identity.ErrMalformed},
		"no partner":           {compact(t, "a", first, func(c *identity.Claims) { c.Partner = "" }), now, identity.ErrMalformed},
		"reserved partner":     {compact(t, "a", first, func(c *identity.Claims) { c.Partner = "-" }), now, identity.ErrMalformed},
		"control character":    {compact(t, "a", first, func(c *identity.Claims) { c.Partner = "p\n1" }), now, identity.ErrMalformed},
		"long user":            {compact(t, "a", first, func(c *identity.Claims) { c.User = strings.Repeat("u", 201) }), now, identity.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := v.Verify(c.token, c.at)
			if !errors.Is(err, c.err) {
				t.Fatalf("got %v, want %v", err, c.err)
			}
			if c.err == nil && (got.User != "u-1" || got.Partner != "p-1" || !got.Expires.Equal(now.Add(time.Hour))) {
				t.Errorf("claims %+v", got)
			}
		})
	}
}

func TestJSONWebTokens(t *testing.T) {
	private, keys := signers(t)
	v := verifier(t, identity.Config{JWT: keys})
	for _, k := range keys {
		for _, kid := range []string{"", k.ID} {
			got, err := v.Verify(signed(t, k.Algorithm, private[k.Algorithm], kid, usual()), now)
			if err != nil || got.User != "u-1" || got.Partner != "p-1" {
				t.Errorf("%s, kid %q: %+v, %v", k.Algorithm, kid, got, err)
			}
		}
		if _, err := v.Verify(signed(t, k.Algorithm, private[k.Algorithm], "other", usual()), now); !errors.Is(err, identity.ErrSignature) {
			t.Errorf("%s with an unknown kid: %v", k.Algorithm, err)
		}
		expired := usual()
		expired["exp"] = now.Add(-time.Minute).Unix()
		if _, err := v.Verify(signed(t, k.Algorithm, private[k.Algorithm], "", expired), now); !errors.Is(err, identity.ErrExpired) {
			t.Errorf("%s expired: %v", k.Algorithm, err)
		}
	}
	with := func(name string, value any) jwt.MapClaims {
		c := usual()
		c[name] = value
		if value == nil {
			delete(c, name)
		}
		return c
	}
	for name, c := range map[string]struct {
		claims jwt.MapClaims
		err    error
	}{
		"no exp":        {with("exp", nil), identity.ErrMalformed},
		"exp as text":   {with("exp", "tomorrow"), identity.ErrMalformed},
		"no sub":        {with("sub", nil), identity.ErrMalformed},
		"sub a number":  {with("sub", 7), identity.ErrMalformed},
		"no partner":    {with("partner_id", nil), identity.ErrMalformed},
		"not before":    {with("nbf", now.Add(time.Hour).Unix()), identity.ErrNotYet},
		"begun":         {with("nbf", now.Unix()), nil},
		"of the future": {with("iat", now.Add(time.Hour).Unix()), identity.ErrNotYet},
	} {
		if _, err := v.Verify(signed(t, "HS256", []byte(first), "h", c.claims), now); !errors.Is(err, c.err) {
			t.Errorf("%s: got %v, want %v", name, err, c.err)
		}
	}
}

// TestAlgorithmIsNeverTheTokensChoice: the classic attacks on JWT verifiers.
func TestAlgorithmIsNeverTheTokensChoice(t *testing.T) {
	private, keys := signers(t)
	rsaOnly := verifier(t, identity.Config{JWT: keys[1:2]})
	for name, token := range map[string]string{
		"none":                         signed(t, "none", nil, "", usual()),
		"public key as secret":         signed(t, "HS256", []byte(keys[1].PublicKey), "", usual()),
		"public key as secret, kid":    signed(t, "HS256", []byte(keys[1].PublicKey), "r", usual()),
		"another algorithm of the key": signed(t, "RS512", private["RS256"], "r", usual()),
		"another key":                  signed(t, "ES256", private["ES256"], "r", usual()),
		"compact with the public key":  compact(t, "r", keys[1].PublicKey, nil),
	} {
		if _, err := rsaOnly.Verify(token, now); !errors.Is(err, identity.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := signed(t, "RS256", private["RS256"], "r", usual())
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"not base64": "$." + parts[1] + "." + parts[2], "no JSON": "e30." + parts[1] + "." + parts[2], "empty parts": "..",
	} {
		if _, err := rsaOnly.Verify(token, now); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestIssuerAudienceAndClaimNames(t *testing.T) {
	v := verifier(t, identity.Config{JWT: []identity.JWTKey{{
		ID: "h", Algorithm: "HS256", Secret: first, Issuer: "https://id.example", Audience: "partnerpulse",
		UserClaim: "email", PartnerClaim: "https://portal.example/partner",
	}}})
	claims := func() jwt.MapClaims {
		return jwt.MapClaims{
			"iss": "https://id.example", "aud": []string{"portal", "partnerpulse"}, "exp": now.Add(time.Hour).Unix(),
			"email": "a@example.org", "https://portal.example/partner": "p-7", "sub": "x",
		}
	}
	got, err := v.Verify(signed(t, "HS256", []byte(first), "", claims()), now)
	if err != nil || got.User != "a@example.org" || got.Partner != "p-7" {
		t.Fatalf("%+v, %v", got, err)
	}
	for name, value := range map[string]any{"iss": "https://other.example", "aud": "portal"} {
		c := claims()
		c[name] = value
		if _, err := v.Verify(signed(t, "HS256", []byte(first), "", c), now); !errors.Is(err, identity.ErrSignature) {
			t.Errorf("another %s: %v", name, err)
		}
		delete(c, name)
		if _, err := v.Verify(signed(t, "HS256", []byte(first), "", c), now); !errors.Is(err, identity.ErrSignature) {
			t.Errorf("no %s: %v", name, err)
		}
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	// Go may refuse to make a key as small as this. Nobody has its other half.
	small := &rsa.PublicKey{N: new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 1023), big.NewInt(1)), E: 65537}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	many := make([]identity.Secret, 17)
	for i := range many {
		many[i] = identity.Secret{ID: strings.Repeat("i", i+1), Secret: first}
	}
	for name, c := range map[string]struct {
		config identity.Config
		says   string
	}{
		"nothing":          {identity.Config{Required: true}, "nothing could be verified"},
		"short secret":     {identity.Config{Secrets: []identity.Secret{{ID: "a", Secret: "short"}}}, "at least 32 bytes"},
		"no id":            {identity.Config{Secrets: []identity.Secret{{Secret: first}}}, "id"},
		"same id":          {identity.Config{Secrets: []identity.Secret{{ID: "a", Secret: first}, {ID: "a", Secret: second}}}, "twice"},
		"too many":         {identity.Config{Secrets: many}, "at most 16"},
		"unknown alg":      {identity.Config{JWT: []identity.JWTKey{{ID: "a", Algorithm: "none"}}}, "is none of"},
		"HS256 and public": {identity.Config{JWT: []identity.JWTKey{{ID: "a", Algorithm: "HS256", PublicKey: "x"}}}, "needs a secret"},
		"RS256 and secret": {identity.Config{JWT: []identity.JWTKey{{ID: "a", Algorithm: "RS256", Secret: first}}}, "needs a public_key"},
		"not PEM":          {identity.Config{JWT: []identity.JWTKey{{ID: "a", Algorithm: "ES256", PublicKey: "x"}}}, "reading public_key"},
		"small RSA":        {identity.Config{JWT: []identity.JWTKey{{ID: "a", Algorithm: "RS256", PublicKey: public(t, small)}}}, "1024 bits"},
		"wrong curve":      {identity.Config{JWT: []identity.JWTKey{{ID: "a", Algorithm: "ES256", PublicKey: public(t, &p384.PublicKey)}}}, "P-256"},
		"wrong kind":       {identity.Config{JWT: []identity.JWTKey{{ID: "a", Algorithm: "EdDSA", PublicKey: public(t, &p384.PublicKey)}}}, "reading public_key"},
	} {
		if err := c.config.Validate(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %q", name, err, c.says)
		}
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	b, err := yaml.Marshal(identity.Config{
		Secrets: []identity.Secret{{ID: "a", Secret: first}}, JWT: []identity.JWTKey{{ID: "b", Algorithm: "HS256", Secret: second}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), first) || strings.Contains(string(b), second) || strings.Count(string(b), "********") != 2 {
		t.Errorf("shown: %s", b)
	}
}

// TestOnlyTheSignersBytesAreBelieved: whatever single byte of a token is changed, it
// is not believed any more.
func TestOnlyTheSignersBytesAreBelieved(t *testing.T) {
	private, keys := signers(t)
	v := verifier(t, identity.Config{Secrets: []identity.Secret{{ID: "a", Secret: first}}, JWT: keys})
	tokens := []string{compact(t, "a", first, nil)}
	for _, k := range keys {
		tokens = append(tokens, signed(t, k.Algorithm, private[k.Algorithm], k.ID, usual()))
	}
	rapid.Check(t, func(t *rapid.T) {
		token := []byte(rapid.SampledFrom(tokens).Draw(t, "token"))
		i := rapid.IntRange(0, len(token)-1).Draw(t, "place")
		b := rapid.Byte().Draw(t, "byte")
		if token[i] == b {
			return
		}
		token[i] = b
		if got, err := v.Verify(string(token), now); err == nil {
			t.Fatalf("believed %+v after byte %d was changed: %s", got, i, token)
		}
	})
}

func FuzzVerify(f *testing.F) {
	private, keys := signers(f)
	v := verifier(f, identity.Config{Secrets: []identity.Secret{{ID: "a", Secret: first}}, JWT: keys})
	good := map[string]bool{compact(f, "a", first, nil): true}
	for _, k := range keys {
		good[signed(f, k.Algorithm, private[k.Algorithm], k.ID, usual())] = true
	}
	for token := range good {
		f.Add(token)
	}
	for _, seed := range []string{"", ".", "..", "...", "e30.e30.", "a.b.c", "\x00.\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if got, err := v.Verify(token, now); err == nil && !good[token] {
			t.Fatalf("%q is believed: %+v", token, got)
		}
	})
}
