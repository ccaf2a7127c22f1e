package notifier

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
)

func TestOnlyPublicAddresses(t *testing.T) {
	blocks := forbidden()
	for address, want := range map[string]bool{
		"93.184.216.34": true, "2606:2800:220:1:248:1893:25c8:1946": true, "1.1.1.1": true,
		"127.0.0.1": false, "127.255.0.9": false, "::1": false, // loopback
		"10.1.2.3": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false, "fd00::1": false, // private
		"169.254.169.254": false, "fe80::1%eth0": false, "fd00:ec2::254": false, // link-local, metadata
		"100.64.0.1": false, "100.100.100.200": false, "168.63.129.16": true, // shared; a public address, whoever uses it
		"0.0.0.0": false, "::": false, "224.0.0.1": false, "ff02::1": false, "255.255.255.255": false, "240.0.0.1": false,
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, // mapped
		"64:ff9b::7f00:1": false, "2002:7f00:1::": false, "::7f00:1": false, // IPv4 inside
		"192.0.2.1": false, "198.51.100.7": false, "203.0.113.9": false, "2001:db8::1": false, "198.18.0.1": false, "3fff::1": false, "5f00::1": false,
	} {
		if got := public(netip.MustParseAddr(address), blocks); got != want {
			t.Errorf("%s: public is %v", address, got)
		}
	}
}

// TestANameThatChangesItsMind: whatever a name server says, and however often it says
// something else, the address that is dialled is looked at each time.
func TestANameThatChangesItsMind(t *testing.T) {
	inside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	_, port, err := net.SplitHostPort(inside.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	answers := [][]string{{"10.1.2.3", "127.0.0.1"}, {"127.0.0.1"}, {"169.254.169.254", "127.0.0.1", "192.168.0.1"}, {"127.0.0.1"}}
	resolver, asked := nameServer(t, answers)
	dialer := newDialer(false, time.Second)
	dialer.Resolver = resolver
	for i := range answers {
		conn, err := dialer.DialContext(t.Context(), "tcp4", net.JoinHostPort("hooks.rebind.test", port))
		if conn != nil {
			_ = conn.Close()
		}
		if !errors.Is(err, ErrForbiddenAddress) {
			t.Errorf("look-up %d: %v", i, err)
		}
	}
	if n := asked(); n != len(answers) {
		t.Errorf("the name was looked up %d times, want once for each of %d attempts", n, len(answers))
	}
	// The same dialer reaches it where it may, so it is the check that kept it out.
	open := newDialer(true, time.Second)
	open.Resolver = resolver
	conn, err := open.DialContext(t.Context(), "tcp4", net.JoinHostPort("hooks.rebind.test", port))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

// nameServer answers questions for IPv4 addresses, the n-th with the n-th list and
// further ones with the last; asked counts them.
func nameServer(t *testing.T, answers [][]string) (resolver *net.Resolver, asked func() int) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var count atomic.Int32
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return // closed
			}
			name := bytes.IndexByte(buf[12:n], 0) // of the only question, after the header
			if n < 17 || name < 0 || 12+name+5 > n {
				continue
			}
			question := buf[12 : 12+name+5] // name, type, class
			var list []string
			if typeA := question[name+2] == 1; typeA {
				list = answers[min(int(count.Add(1)), len(answers))-1]
			}
			// RFC 1035, 4.1: identity, "response, authoritative, recursion available", counts.
			b := append([]byte{buf[0], buf[1], 0x84, 0x80, 0, 1, 0, byte(len(list)), 0, 0, 0, 0}, question...)
			for _, a := range list {
				ip := netip.MustParseAddr(a).As4() // a pointer to the name, A, IN, no time to live
				b = append(append(b, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4), ip[:]...)
			}
			_, _ = conn.WriteTo(b, from) // the one who asked asks again
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-ended
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}, func() int { return int(count.Load()) }
}

func TestRetryAfterIsSecondsOrADate(t *testing.T) {
	now := time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, "0": 0, "-5": 0, "soon": 0, "99999999999999999999": 0,
		"900000":                        retryAfterMax,
		"Tue, 03 Nov 2026 12:10:00 GMT": 10 * time.Minute,
		"Tue, 03 Nov 2026 11:10:00 GMT": 0,
		"Fri, 03 Nov 2028 12:10:00 GMT": retryAfterMax,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}
