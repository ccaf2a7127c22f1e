package notifier

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// ErrForbiddenAddress is wrapped when an endpoint's name leads into the own network.
var ErrForbiddenAddress = errors.New("address is not a public one (allow_private admits it)")

// forbidden are the special-purpose blocks (IANA registries, RFC 6890) that netip has
// no predicate for, and those that carry an IPv4 address inside.
func forbidden() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32", "2002::/16",
		"3fff::/20", "5f00::/16", "fec0::/10",
	} {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// public tells whether an address may be reached for an endpoint. Loopback, private,
// link-local (and so the clouds' metadata services), multicast and unspecified
// addresses may not.
func public(ip netip.Addr, blocks []netip.Prefix) bool {
	ip = ip.Unmap().WithZone("")
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	for _, b := range blocks {
		if b.Contains(ip) {
			return false
		}
	}
	return true
}

// newClient makes the client of one endpoint. The address is checked when it is
// dialled, after the look-up of the name, so a name that changes its mind gains
// nothing; redirects are not followed, and no proxy of the environment is used.
func newClient(e *Endpoint, timeout time.Duration) *http.Client {
	dialer := newDialer(e.AllowPrivate, timeout)
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: timeout, ResponseHeaderTimeout: timeout,
			MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// newDialer refuses addresses that are not public, each time that it dials one,
// unless all are admitted.
func newDialer(allowPrivate bool, timeout time.Duration) *net.Dialer {
	blocks := forbidden()
	return &net.Dialer{Timeout: timeout, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		if allowPrivate {
			return nil
		}
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %s", ErrForbiddenAddress, address)
		}
		if !public(at.Addr(), blocks) {
			return fmt.Errorf("%w: %s", ErrForbiddenAddress, at.Addr())
		}
		return nil
	}}
}
