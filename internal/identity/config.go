// Package identity checks signed identities: tokens by which a portal's back end
// tells who is signed in, so that a page with a public browser key cannot claim to
// be another partner. It is pure: no I/O, and the time is given.
//
// There are two forms. The compact one needs no library to make:
//
//	base64url(payload) "." base64url(HMAC-SHA256(secret, base64url(payload)))
//
// without padding, where payload is the JSON object {"user", "partner", "exp"} and,
// as one likes, "iat", "nbf" (all in seconds since 1970) and "kid", the id of the
// secret. The other form is a JSON Web Token (RFC 7519) signed with HS256, RS256,
// ES256 or EdDSA.
package identity

import (
	"crypto"
	"crypto/elliptic"
	"errors"
	"fmt"
	"slices"

	"github.com/golang-jwt/jwt/v5"

	"partnerpulse/internal/secret"
)

// Config says which signatures are believed.
type Config struct {
	// Required refuses events that come without a valid signed identity.
	Required bool `yaml:"required"`
	// Secrets sign the compact form. Several are valid at once: that is how one is
	// replaced by the next.
	Secrets []Secret `yaml:"secrets,omitempty"`
	// JWT lists what verifies JSON Web Tokens.
	JWT []JWTKey `yaml:"jwt,omitempty"`
}

// Secret is a shared secret for the compact form.
type Secret struct {
	// ID may be named by a token ("kid"); a token that names none is tried with all.
	ID string `yaml:"id"`
	// Secret has at least 32 bytes.
	Secret secret.Text `yaml:"secret"`
}

// JWTKey verifies JSON Web Tokens of one algorithm. A token never chooses the
// algorithm: its header must agree with the key's.
type JWTKey struct {
	// ID is compared with the token's "kid"; a token without one is tried with every
	// key of its algorithm.
	ID string `yaml:"id"`
	// Algorithm is HS256, RS256, ES256 or EdDSA.
	Algorithm string `yaml:"algorithm"`
	// Secret is for HS256 and has at least 32 bytes.
	Secret secret.Text `yaml:"secret,omitempty"`
	// PublicKey is PEM ("BEGIN PUBLIC KEY"), for all other algorithms. RSA keys have
	// at least 2048 bits.
	PublicKey string `yaml:"public_key,omitempty"`
	// Issuer and Audience, when set, must equal the token's "iss" and be among its "aud".
	Issuer   string `yaml:"issuer,omitempty"`
	Audience string `yaml:"audience,omitempty"`
	// UserClaim and PartnerClaim name the claims; empty is "sub" and "partner_id".
	UserClaim    string `yaml:"user_claim,omitempty"`
	PartnerClaim string `yaml:"partner_claim,omitempty"`
}

// secretBytesMin is the least length of a shared secret: that of the hash (RFC 7518, 3.2).
const secretBytesMin = 32

// rsaBitsMin is the least size of an RSA key (RFC 7518, 3.3).
const rsaBitsMin = 2048

// keysMax bounds how many signatures one token can make us compute.
const keysMax = 16

// Validate checks the values.
func (c *Config) Validate() error {
	_, err := New(*c)
	return err
}

// checkSecrets checks the compact form's part.
func checkSecrets(secrets []Secret) error {
	seen := map[string]bool{}
	for _, s := range secrets {
		switch {
		case s.ID == "" || seen[s.ID]:
			return fmt.Errorf("identity.secrets: id %q is missing or used twice", s.ID)
		case len(s.Secret) < secretBytesMin:
			return fmt.Errorf("identity.secrets %s: a secret needs at least %d bytes: make one with `partnerpulse keys generate --kind identity`", s.ID, secretBytesMin)
		}
		seen[s.ID] = true
	}
	return nil
}

// verificationKey checks k and decodes its key.
func (k *JWTKey) verificationKey() (crypto.PublicKey, error) {
	if !slices.Contains(algorithms, k.Algorithm) {
		return nil, fmt.Errorf("algorithm %q is none of %v", k.Algorithm, algorithms)
	}
	if k.Algorithm == jwt.SigningMethodHS256.Alg() {
		if k.PublicKey != "" || len(k.Secret) < secretBytesMin {
			return nil, fmt.Errorf("%s needs a secret of at least %d bytes and no public_key", k.Algorithm, secretBytesMin)
		}
		return []byte(k.Secret.Reveal()), nil
	}
	if k.Secret != "" || k.PublicKey == "" {
		return nil, fmt.Errorf("%s needs a public_key (PEM) and no secret", k.Algorithm)
	}
	return k.publicKey()
}

func (k *JWTKey) publicKey() (crypto.PublicKey, error) {
	pem := []byte(k.PublicKey)
	switch k.Algorithm {
	case jwt.SigningMethodRS256.Alg():
		key, err := jwt.ParseRSAPublicKeyFromPEM(pem)
		switch {
		case err != nil:
			return nil, fmt.Errorf("reading public_key: %w", err)
		case key.N.BitLen() < rsaBitsMin:
			return nil, fmt.Errorf("public_key has %d bits, at least %d are needed", key.N.BitLen(), rsaBitsMin)
		}
		return key, nil
	case jwt.SigningMethodES256.Alg():
		key, err := jwt.ParseECPublicKeyFromPEM(pem)
		switch {
		case err != nil:
			return nil, fmt.Errorf("reading public_key: %w", err)
		case key.Curve != elliptic.P256():
			return nil, errors.New("public_key is not on the curve P-256, which ES256 needs")
		}
		return key, nil
	}
	key, err := jwt.ParseEdPublicKeyFromPEM(pem)
	if err != nil {
		return nil, fmt.Errorf("reading public_key: %w", err)
	}
	return key, nil
}
