package segment

import "bytes"

// IdentityField carries a signed identity among traits and in the context.
const IdentityField = "partnerpulse_identity"

// identityPaths are where a call may carry the signed identity, the first that is
// there counts: options of the SDK, of one call, or what identify says, which
// RudderStack's SDK repeats with every call.
func identityPaths() [][]string {
	return [][]string{
		{"integrations", "PartnerPulse", "identity"},
		{"context", IdentityField},
		{"traits", IdentityField},
		{"context", "traits", IdentityField},
	}
}

// tokenBytesMin is shorter than every token: what is shorter is not looked for in the
// rest of a call.
const tokenBytesMin = 16

// takeIdentity finds the signed identity and takes it out of what is kept of a
// refused call: until it expires, whoever reads it could use it.
func (c *Call) takeIdentity() {
	for _, path := range identityPaths() {
		if c.identity = textOf(c.members.at(path...)); c.identity != "" {
			break
		}
	}
	if len(c.identity) >= tokenBytesMin {
		c.Original = bytes.ReplaceAll(c.Original, []byte(c.identity), []byte("[identity]"))
	}
}

// Identity is the signed identity that the call carries; "" is none.
func (c *Call) Identity() string { return c.identity }
