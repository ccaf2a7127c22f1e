package notifier

import (
	"net/netip"
	"testing"
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
		"192.0.2.1": false, "198.51.100.7": false, "203.0.113.9": false, "2001:db8::1": false, "198.18.0.1": false,
	} {
		if got := public(netip.MustParseAddr(address), blocks); got != want {
			t.Errorf("%s: public is %v", address, got)
		}
	}
}
