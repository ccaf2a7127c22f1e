package enrich

import (
	"net/netip"

	"partnerpulse/internal/event"
)

// network is what is remembered of an address.
type network struct {
	kept        string // the address, truncated
	datacentre  bool
	place       Place
	placeExists bool
}

// network gives what the reference data says of the event's address.
func (w *Worker) network(e *event.Event) network {
	return w.networks.get(e.IP, w.lookUp)
}

func (w *Worker) lookUp(ip string) (n network) {
	prefix, ok := networkOf(ip)
	if !ok {
		return network{}
	}
	n.kept = w.chain.cfg.IP.truncate(prefix.Addr())
	n.datacentre = w.ref.Datacentres.Holds(prefix)
	if w.ref.Places != nil {
		n.place, n.placeExists = w.ref.Places.Find(prefix.Addr().String())
	}
	return n
}

// networkOf gives the network that the collector's truncation left of an address;
// whole addresses are truncated too.
func networkOf(ip string) (netip.Prefix, bool) {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return netip.Prefix{}, false
	}
	addr, bits := addr.Unmap().WithZone(""), v6BitsMax
	if addr.Is4() {
		bits = v4BitsMax
	}
	prefix, err := addr.Prefix(bits)
	return prefix, err == nil
}

func (c IPConfig) truncate(addr netip.Addr) string {
	bits := c.V6Bits
	if addr.Is4() {
		bits = c.V4Bits
	}
	if bits == 0 {
		return ""
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return ""
	}
	return prefix.Addr().String()
}

// applyIP cuts the address again to what the configuration allows, whatever the
// collector of the day kept. What is no address is removed.
func applyIP(w *Worker, e *event.Event, _ *Fields, out *Enriched) bool {
	if e.IP == "" {
		return false
	}
	out.IP = w.network(e).kept
	return true
}

// applyDatacentre tells whether the network lies within a listed one.
func applyDatacentre(w *Worker, e *event.Event, _ *Fields, out *Enriched) bool {
	if e.IP == "" || w.ref.Datacentres == nil {
		return false
	}
	out.IsDatacentre = w.network(e).datacentre
	return true
}

// applyGeo tells where the network is.
func applyGeo(w *Worker, e *event.Event, _ *Fields, out *Enriched) bool {
	if e.IP == "" || w.ref.Places == nil {
		return false
	}
	n := w.network(e)
	if n.placeExists {
		out.Country, out.Region, out.City = n.place.Country, n.place.Region, n.place.City
	}
	return n.placeExists
}

// applyClock records how far the clocks and the way of an event are apart.
func applyClock(_ *Worker, e *event.Event, _ *Fields, out *Enriched) bool {
	out.ClockSkewMS = e.ReceivedAt.UnixMilli() - e.Time.UnixMilli()
	return true
}

// applyDirectory adds what the directory knows of the partner and of the content.
func applyDirectory(w *Worker, e *event.Event, f *Fields, out *Enriched) bool {
	if w.chain.directory == nil {
		return false
	}
	var partner, content bool
	if e.PartnerID != event.TenantWide {
		out.Partner, partner = w.chain.directory.Partner(e.Tenant, e.PartnerID)
	}
	if f.ContentID != "" {
		out.Content, content = w.chain.directory.Content(e.Tenant, f.ContentID)
	}
	return partner || content
}

// applyUserAgent reads the user agent.
func applyUserAgent(w *Worker, e *event.Event, _ *Fields, out *Enriched) bool {
	if e.Context.UserAgent == "" {
		return false
	}
	out.Agent, out.BotSignals = w.chain.agents.Parse(e.Context.UserAgent)
	return true
}
