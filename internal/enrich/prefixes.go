package enrich

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"
)

// Prefixes is a set of addresses, made of prefixes. It is immutable; a nil one
// holds nothing.
type Prefixes struct {
	ranges  []addrRange // sorted, disjoint, not adjacent
	version string
}

// addrRange is first to last, both included.
type addrRange struct{ first, last netip.Addr }

// ParsePrefixes reads one prefix a line, such as 198.51.100.0/24; what follows
// after a space, a comma or # is a remark. Its error names the lines.
func ParsePrefixes(text []byte) (*Prefixes, error) {
	sum := sha256.Sum256(text)
	p := &Prefixes{version: hex.EncodeToString(sum[:4])}
	scanner := bufio.NewScanner(bytes.NewReader(text))
	for line := 1; scanner.Scan(); line++ {
		field, _, _ := strings.Cut(scanner.Text(), "#")
		field = strings.TrimSpace(field)
		if at := strings.IndexAny(field, " \t,;"); at >= 0 {
			field = field[:at]
		}
		if field == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(field)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if prefix.Addr().Is4In6() {
			return nil, fmt.Errorf("line %d: write %s as an IPv4 prefix", line, field)
		}
		prefix = prefix.Masked()
		p.ranges = append(p.ranges, addrRange{prefix.Addr(), lastOf(prefix)})
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("reading prefixes: %w", err)
	}
	p.merge()
	return p, nil
}

// merge sorts the ranges and joins those that overlap or touch, so that many small
// prefixes hold a network together.
func (p *Prefixes) merge() {
	slices.SortFunc(p.ranges, func(a, b addrRange) int { return a.first.Compare(b.first) })
	var out []addrRange
	for _, r := range p.ranges {
		if n := len(out); n > 0 {
			last := &out[n-1]
			next := last.last.Next()
			if r.first.Compare(last.last) <= 0 || next.IsValid() && next == r.first {
				if r.last.Compare(last.last) > 0 {
					last.last = r.last
				}
				continue
			}
		}
		out = append(out, r)
	}
	p.ranges = out
}

// Holds tells whether every address of prefix is in the set.
func (p *Prefixes) Holds(prefix netip.Prefix) bool {
	if p == nil {
		return false
	}
	first, last := prefix.Masked().Addr(), lastOf(prefix)
	i := sort.Search(len(p.ranges), func(i int) bool { return p.ranges[i].first.Compare(first) > 0 }) - 1
	return i >= 0 && p.ranges[i].last.Compare(last) >= 0
}

// Ranges is how many separate ranges the set has.
func (p *Prefixes) Ranges() int {
	if p == nil {
		return 0
	}
	return len(p.ranges)
}

// Version is a hash of the text that the set was read from.
func (p *Prefixes) Version() string {
	if p == nil {
		return ""
	}
	return p.version
}

// lastOf gives the last address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	raw := p.Masked().Addr().AsSlice()
	for bit := p.Bits(); bit < len(raw)*8; bit++ {
		raw[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(raw)
	return last
}
