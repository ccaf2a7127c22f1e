package aggregator

import (
	"time"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/detect"
)

// tenantRows collects rows of tenant_days and tenant_inputs.
type tenantRows struct {
	tenant, config, status, state                     []string
	day                                               []time.Time
	sessions, fingerprint, ver                        []uint64
	observed, expected                                []float64
	inTenant                                          []string
	inDay                                             []time.Time
	inFactor, inDispersion, inPriorSessions, inPriorD []float64
	inFrozen                                          []uint8
	inVer                                             []uint64
	inSegments                                        [][]string
	inSegmentSessions, inSegmentDays                  [][]float64
}

func (r *tenantRows) add(tenant, config string, now *tenantDay, d *detect.TenantDay, s *detect.TenantState, totals *dayTotals, batch uint64, complete bool) error {
	state, err := s.Encode()
	if err != nil {
		return err
	}
	sum := uint64(0)
	for _, y := range totals.groups {
		sum += y
	}
	r.tenant, r.config, r.day = append(r.tenant, tenant), append(r.config, config), append(r.day, midnight(now.Day))
	r.status, r.state = append(r.status, string(s.Alert.Status)), append(r.state, string(state))
	r.sessions, r.fingerprint, r.ver = append(r.sessions, sum), append(r.fingerprint, totals.fingerprint), append(r.ver, batch)
	r.observed, r.expected = append(r.observed, d.Observed), append(r.expected, d.Expected)
	if now.Ver != batch || !complete {
		return nil
	}
	r.inTenant, r.inDay, r.inVer = append(r.inTenant, tenant), append(r.inDay, midnight(now.Day)), append(r.inVer, batch)
	r.inFactor, r.inFrozen = append(r.inFactor, now.Factor), append(r.inFrozen, now.Frozen)
	r.inDispersion = append(r.inDispersion, now.Dispersion)
	r.inPriorSessions, r.inPriorD = append(r.inPriorSessions, now.PriorSessions), append(r.inPriorD, now.PriorDays)
	r.inSegments = append(r.inSegments, now.Segments)
	r.inSegmentSessions, r.inSegmentDays = append(r.inSegmentSessions, now.SegmentSessions), append(r.inSegmentDays, now.SegmentDays)
	return nil
}

// changed tells whether any day means something else than before.
func (r *tenantRows) changed() bool { return len(r.inTenant) > 0 }

func (r *tenantRows) days() []chstore.Column {
	return []chstore.Column{
		{Name: "tenant", Values: r.tenant}, {Name: "day", Values: r.day}, {Name: "config", Values: r.config},
		{Name: "sessions", Values: r.sessions}, {Name: "observed", Values: r.observed}, {Name: "expected", Values: r.expected},
		{Name: "alert_status", Values: r.status}, {Name: "fingerprint", Values: r.fingerprint},
		{Name: "state", Values: r.state}, {Name: "ver", Values: r.ver},
	}
}

func (r *tenantRows) inputs() []chstore.Column {
	return []chstore.Column{
		{Name: "tenant", Values: r.inTenant}, {Name: "day", Values: r.inDay}, {Name: "factor", Values: r.inFactor},
		{Name: "frozen", Values: r.inFrozen}, {Name: "dispersion", Values: r.inDispersion},
		{Name: "prior_sessions", Values: r.inPriorSessions}, {Name: "prior_days", Values: r.inPriorD}, {Name: "ver", Values: r.inVer},
		{Name: "prior_segments", Values: r.inSegments}, {Name: "segment_sessions", Values: r.inSegmentSessions},
		{Name: "segment_days", Values: r.inSegmentDays},
	}
}
