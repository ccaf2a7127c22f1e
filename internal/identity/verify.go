package identity

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"partnerpulse/internal/event"
)

// TokenBytesMax bounds a token; longer ones are not looked at.
const TokenBytesMax = 4096

// Skew is how far the clocks of signer and collector may differ.
const Skew = 30 * time.Second

// algorithms are the JWT algorithms that a key may have.
var algorithms = []string{"HS256", "RS256", "ES256", "EdDSA"}

// Why a token is not believed.
var (
	// ErrMalformed says that the token cannot be read or lacks a claim.
	ErrMalformed = errors.New("the signed identity cannot be read")
	// ErrSignature says that no configured key made the signature.
	ErrSignature = errors.New("the signed identity's signature is not that of a key configured here")
	// ErrExpired says that the token's time is over.
	ErrExpired = errors.New("the signed identity has expired: let the portal's back end sign a new one")
	// ErrNotYet says that the token's time has not begun.
	ErrNotYet = errors.New("the signed identity is not valid yet: check the signer's clock")
)

// Claims is what a valid token says.
type Claims struct {
	User    string
	Partner string
	Expires time.Time
}

// Verifier verifies tokens. It is safe for concurrent use.
type Verifier struct {
	secrets []Secret
	keys    []verifying
	parser  *jwt.Parser
}

// verifying is a JWT key, decoded.
type verifying struct {
	JWTKey
	key any
}

// New checks c and makes a verifier of it.
func New(c Config) (*Verifier, error) {
	if err := checkSecrets(c.Secrets); err != nil {
		return nil, err
	}
	v := &Verifier{secrets: c.Secrets}
	seen := map[string]bool{}
	for _, k := range c.JWT {
		if k.ID == "" || seen[k.ID] {
			return nil, fmt.Errorf("identity.jwt: id %q is missing or used twice", k.ID)
		}
		seen[k.ID] = true
		key, err := k.verificationKey()
		if err != nil {
			return nil, fmt.Errorf("identity.jwt %s: %w", k.ID, err)
		}
		k.UserClaim, k.PartnerClaim = cmp.Or(k.UserClaim, "sub"), cmp.Or(k.PartnerClaim, "partner_id")
		v.keys = append(v.keys, verifying{k, key})
	}
	switch n := len(v.secrets) + len(v.keys); {
	case n == 0:
		return nil, errors.New("identity needs secrets or jwt: nothing could be verified")
	case n > keysMax:
		return nil, fmt.Errorf("identity has %d secrets and keys, at most %d are taken", n, keysMax)
	}
	// Times are checked here, for both forms alike.
	v.parser = jwt.NewParser(jwt.WithValidMethods(algorithms), jwt.WithoutClaimsValidation(), jwt.WithStrictDecoding())
	return v, nil
}

// Verify checks a token of either form at the given time. Its errors wrap the Err
// values of this package.
func (v *Verifier) Verify(token string, now time.Time) (Claims, error) {
	if len(token) > TokenBytesMax {
		return Claims{}, fmt.Errorf("%w: it has %d bytes, at most %d are taken", ErrMalformed, len(token), TokenBytesMax)
	}
	switch strings.Count(token, ".") {
	case 1:
		return v.verifyCompact(token, now)
	case 2:
		return v.verifyJWT(token, now)
	}
	return Claims{}, fmt.Errorf("%w: it is neither payload.signature nor a JSON Web Token", ErrMalformed)
}

// payload is the compact form's JSON.
type payload struct {
	User    string `json:"user"`
	Partner string `json:"partner"`
	Expires *int64 `json:"exp"`
	Issued  *int64 `json:"iat,omitempty"`
	Begins  *int64 `json:"nbf,omitempty"`
	KeyID   string `json:"kid,omitempty"`
}

func (v *Verifier) verifyCompact(token string, now time.Time) (Claims, error) {
	signed, signature, _ := strings.Cut(token, ".")
	mac, err := base64.RawURLEncoding.Strict().DecodeString(signature)
	if err != nil {
		return Claims{}, fmt.Errorf("%w: the signature is not base64url without padding", ErrMalformed)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(signed)
	if err != nil {
		return Claims{}, fmt.Errorf("%w: the payload is not base64url without padding", ErrMalformed)
	}
	// All secrets are tried before the payload is decoded: only what a secret's owner
	// wrote reaches the JSON decoder.
	id, ok := v.signer(signed, mac)
	if !ok {
		return Claims{}, ErrSignature
	}
	var p payload
	d := json.NewDecoder(bytes.NewReader(raw))
	if err := d.Decode(&p); err != nil {
		return Claims{}, fmt.Errorf("%w: the payload is not the expected JSON object", ErrMalformed)
	}
	if p.KeyID != "" && p.KeyID != id {
		return Claims{}, ErrSignature
	}
	return claims(p.User, p.Partner, [2]string{"user", "partner"}, times{seconds(p.Expires), seconds(p.Issued), seconds(p.Begins)}, now)
}

// signer finds the secret that made the signature.
func (v *Verifier) signer(signed string, mac []byte) (id string, ok bool) {
	for _, s := range v.secrets {
		if hmac.Equal(mac, sum(s.Secret.Reveal(), signed)) {
			return s.ID, true
		}
	}
	return "", false
}

func sum(secret, signed string) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(signed))
	return h.Sum(nil)
}

func (v *Verifier) verifyJWT(token string, now time.Time) (Claims, error) {
	set := jwt.MapClaims{}
	var used *verifying
	for i := range v.keys {
		k := &v.keys[i]
		got := jwt.MapClaims{}
		_, err := v.parser.ParseWithClaims(token, got, func(t *jwt.Token) (any, error) {
			// Without this a public key could be taken for an HMAC secret.
			if t.Method.Alg() != k.Algorithm {
				return nil, ErrSignature
			}
			if id, named := t.Header["kid"]; named && id != k.ID {
				return nil, ErrSignature
			}
			return k.key, nil
		})
		switch {
		case err == nil:
			set, used = got, k
		case errors.Is(err, jwt.ErrTokenMalformed):
			return Claims{}, fmt.Errorf("%w: it is not a JSON Web Token", ErrMalformed)
		}
		if used != nil {
			break
		}
	}
	if used == nil {
		return Claims{}, ErrSignature
	}
	return used.claims(set, now)
}

// claims reads the claims of a token whose signature is right.
func (k *verifying) claims(set jwt.MapClaims, now time.Time) (Claims, error) {
	if issuer, err := set.GetIssuer(); k.Issuer != "" && (err != nil || issuer != k.Issuer) {
		return Claims{}, fmt.Errorf("%w: its issuer is not %q", ErrSignature, k.Issuer)
	}
	if k.Audience != "" {
		audience, err := set.GetAudience()
		found := err == nil
		if found {
			found = false
			for _, a := range audience {
				found = found || a == k.Audience
			}
		}
		if !found {
			return Claims{}, fmt.Errorf("%w: its audience is not %q", ErrSignature, k.Audience)
		}
	}
	var t times
	for _, c := range []struct {
		into *time.Time
		get  func() (*jwt.NumericDate, error)
	}{{&t.expires, set.GetExpirationTime}, {&t.issued, set.GetIssuedAt}, {&t.begins, set.GetNotBefore}} {
		at, err := c.get()
		if err != nil {
			return Claims{}, fmt.Errorf("%w: exp, iat and nbf must be numbers", ErrMalformed)
		}
		if at != nil {
			*c.into = at.Time
		}
	}
	user, _ := set[k.UserClaim].(string)
	partner, _ := set[k.PartnerClaim].(string)
	return claims(user, partner, [2]string{k.UserClaim, k.PartnerClaim}, t, now)
}

// times are a token's; the zero time is absent.
type times struct{ expires, issued, begins time.Time }

func seconds(s *int64) time.Time {
	if s == nil {
		return time.Time{}
	}
	return time.Unix(*s, 0)
}

// claims checks names and times; called are the claims' names in messages.
func claims(user, partner string, called [2]string, t times, now time.Time) (Claims, error) {
	for i, name := range []string{user, partner} {
		if !isName(name) {
			return Claims{}, fmt.Errorf("%w: %q must be a text of 1–%d characters", ErrMalformed, called[i], event.NameLengthMax)
		}
	}
	switch {
	case partner == event.TenantWide:
		return Claims{}, fmt.Errorf("%w: partner %q is reserved", ErrMalformed, partner)
	case t.expires.IsZero():
		return Claims{}, fmt.Errorf("%w: \"exp\" is missing", ErrMalformed)
	case !now.Before(t.expires.Add(Skew)):
		return Claims{}, ErrExpired
	case now.Add(Skew).Before(t.begins), now.Add(Skew).Before(t.issued):
		return Claims{}, ErrNotYet
	}
	return Claims{User: user, Partner: partner, Expires: t.expires}, nil
}

func isName(s string) bool {
	if s == "" || !utf8.ValidString(s) || utf8.RuneCountInString(s) > event.NameLengthMax {
		return false
	}
	return strings.IndexFunc(s, unicode.IsControl) < 0
}

// Sign makes a token of the compact form, for tests of an installation and as the
// reference for signers in other languages.
func Sign(s Secret, c Claims, issued time.Time) (string, error) {
	exp, iat := c.Expires.Unix(), issued.Unix()
	b, err := json.Marshal(payload{User: c.User, Partner: c.Partner, Expires: &exp, Issued: &iat, KeyID: s.ID})
	if err != nil {
		return "", fmt.Errorf("encoding the payload: %w", err)
	}
	signed := base64.RawURLEncoding.EncodeToString(b)
	return signed + "." + base64.RawURLEncoding.EncodeToString(sum(s.Secret.Reveal(), signed)), nil
}
