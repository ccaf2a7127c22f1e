package aggregator

import (
	"context"
	"fmt"
	"time"

	"partnerpulse/internal/alert"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/detect"
	"partnerpulse/internal/event"
)

// priorWindowDays is how many days before the first of a month the month's prior and
// dispersion are estimated from; priorWindowDaysMin is the least, and when the first is estimated.
const (
	priorWindowDays    = 90
	priorWindowDaysMin = 28
)

// tenantDay is a day of the tenant as stored: what it means for partners.
type tenantDay struct {
	Day           int32   `ch:"day"`
	Fingerprint   uint64  `ch:"fingerprint"`
	Factor        float64 `ch:"factor"`
	Frozen        uint8   `ch:"frozen"`
	Dispersion    float64 `ch:"dispersion"`
	PriorSessions float64 `ch:"prior_sessions"`
	PriorDays     float64 `ch:"prior_days"`
	segmentPriors
	Ver uint64 `ch:"ver"` // batch of the last change of what it means
}

// input is what the day means for a partner of a segment.
func (d *tenantDay) input(segment string) detect.Input {
	in := detect.Input{
		Factor: d.Factor, Frozen: d.Frozen == 1,
		Dispersion: d.Dispersion, PriorSessions: d.PriorSessions, PriorDays: d.PriorDays,
	}
	d.into(&in, segment)
	return in
}

// means tells whether two days mean the same for partners.
func (d *tenantDay) means(o *tenantDay) bool {
	return d.Factor == o.Factor && d.Frozen == o.Frozen &&
		d.Dispersion == o.Dispersion && d.PriorSessions == o.PriorSessions && d.PriorDays == o.PriorDays &&
		d.equal(&o.segmentPriors)
}

// tenantDays is what a worker remembers of the days of a tenant, consecutive ones.
type tenantDays struct {
	known    bool
	today    int32 // as of which silence was looked for
	days     []tenantDay
	complete int32     // last of them that was complete; later ones are silent so far
	dirty    int32     // first complete day whose totals may have changed; 0: none
	since    time.Time // since when it is
	seen     int32     // last day that was seen under another configuration; 0: none
	ver      uint64    // newest change of what a day means
	news     bool      // partners that know an older one have to be looked for
	applied  uint64    // no partner knows an older one than this
}

// touch notes that days from day on may have other totals.
func (t *tenantDays) touch(day int32, now time.Time) {
	if t.dirty == 0 {
		t.since = now
	}
	if t.dirty == 0 || day < t.dirty {
		t.dirty = day
	}
}

// due tells whether the days have to be gone through again: another one is complete,
// or old ones changed and have stopped to, or have changed for long enough.
func (a *Aggregator) due(t *tenant, h horizon) bool {
	if !t.days.known || h.complete > t.days.complete {
		return h.complete > 0
	}
	now := a.deps.Now()
	return t.days.dirty > 0 && (now.Sub(t.changed) >= a.cfg.Settle || now.Sub(t.days.since) >= a.cfg.SettleMax)
}

// on gives the input of a day for a partner of a segment; days that the model has not
// seen are ordinary.
func (t *tenantDays) on(day int32, segment string) detect.Input {
	if len(t.days) == 0 {
		return detect.Input{}
	}
	i := int(day - t.days[0].Day)
	if i < 0 || i >= len(t.days) {
		return detect.Input{}
	}
	return t.days[i].input(segment)
}

// watch brings the model of the tenant's totals up to date and tells its alerts. It
// recomputes from the first day that changed; partners then go on from the first day
// that means something else to them, those of this batch at once and the others in
// the next ones. What is stored is read even while no day has been given to detection
// since the start: partners whose days changed are detected again all the same.
func (a *Aggregator) watch(ctx context.Context, t *tenant, p chstore.Params, h horizon, work *Work) error {
	if d := &t.days; d.dirty > 0 && len(d.days) > 0 && d.dirty < d.days[0].Day {
		// There may be an older history than was known. Where the days begin decides
		// when the model learns, so it is read again.
		d.known = false
	}
	if !t.days.known {
		if err := a.loadTenantDays(ctx, t, p); err != nil || !t.days.known {
			return err
		}
	}
	if h.complete <= 0 || !a.due(t, h) && h.today == t.days.today {
		return nil
	}
	t.days.today = h.today
	through := h.complete
	if through == t.newest-1 && h.today-1 > t.newest {
		// Nothing came from anybody on the days since: silent, as far as is known.
		through = h.today - 1
	}
	from := t.days.complete + 1
	if t.days.dirty > 0 {
		from = min(from, t.days.dirty)
	}
	if from > through {
		return nil
	}
	if err := a.share.Confirm(); err != nil {
		return err
	}
	steps, err := a.stepTenant(ctx, t, p, h, from, through)
	if err != nil {
		t.days.known = false // some of the days may have been gone through
		return err
	}
	return a.settleTenant(ctx, t, p, h, steps, work)
}

// tenantSteps are the results of going through days of the tenant.
type tenantSteps struct {
	rows  tenantRows
	found []transition
	span  alert.Span
}

// settleTenant tells the alerts of the tenant's days and stores the days after it:
// stored days are not gone through again, so an alert lost in between would stay so.
// Told twice, it has the same identity.
func (a *Aggregator) settleTenant(ctx context.Context, t *tenant, p chstore.Params, h horizon, steps *tenantSteps, work *Work) error {
	err := a.reconcile(ctx, t, p, h, detected(t.id, steps.found), []alert.Span{steps.span}, &grounds{}, work)
	if err == nil {
		err = a.storeTenant(ctx, &steps.rows)
	}
	if err != nil {
		t.days.known = false // what is remembered is ahead of what is stored
		return err
	}
	if steps.rows.changed() {
		t.days.ver, t.days.news = p["batch"].(uint64), true
	}
	t.days.days = t.days.days[:min(int(h.complete-t.days.days[0].Day)+1, len(t.days.days))]
	t.days.complete, t.days.dirty, t.days.seen = h.complete, 0, 0
	return nil
}

// loadTenantDays reads what is stored, once, and finds the first day whose totals
// are no longer those that were counted.
func (a *Aggregator) loadTenantDays(ctx context.Context, t *tenant, p chstore.Params) error {
	p = with(p, chstore.Params{"config": a.tenantModel.Hash()})
	var days []tenantDay
	if err := a.deps.Store.Select(ctx, &days, query("tenant_days"), p); err != nil {
		return fmt.Errorf("reading the tenant's days: %w", err)
	}
	var facts []struct {
		Ver   uint64 `ch:"ver"`
		First int32  `ch:"first"`
	}
	if err := a.deps.Store.Select(ctx, &facts, query("tenant_ver"), p); err != nil {
		return fmt.Errorf("reading the tenant's first day: %w", err)
	}
	if len(facts) != 1 || facts[0].First == 0 {
		return nil
	}
	first := facts[0].First
	t.days = tenantDays{known: true, ver: facts[0].Ver, complete: first - 1}
	consecutive := 0
	// Days that were not complete have no meaning for partners, and no version of it.
	for consecutive < len(days) && days[consecutive].Day == first+int32(consecutive) && days[consecutive].Ver > 0 {
		consecutive++
	}
	if consecutive == 0 {
		return a.loadSeen(ctx, t, p)
	}
	totals, err := a.tenantTotals(ctx, p, first, first, first+int32(consecutive)-1)
	if err != nil {
		return err
	}
	t.days.days = days[:consecutive]
	t.days.complete = first + int32(consecutive) - 1
	for i := range t.days.days {
		if d := &t.days.days[i]; totals[i].fingerprint != d.Fingerprint {
			t.days.touch(first+int32(i), a.deps.Now())
			break
		}
	}
	return nil
}

// loadSeen finds out how far another configuration has gone through the tenant's days.
func (a *Aggregator) loadSeen(ctx context.Context, t *tenant, p chstore.Params) error {
	var rows []struct {
		Seen int32 `ch:"seen"`
	}
	if err := a.deps.Store.Select(ctx, &rows, query("tenant_seen"), p); err != nil {
		return fmt.Errorf("reading other configurations of the tenant's days: %w", err)
	}
	for _, r := range rows {
		t.days.seen = r.Seen
	}
	return nil
}

// dayTotals are a tenant's sessions of a day.
type dayTotals struct {
	groups      [detect.TenantGroups]uint64
	fingerprint uint64
}

// tenantTotals gives the totals of each of the days; origin is the tenant's first.
func (a *Aggregator) tenantTotals(ctx context.Context, p chstore.Params, origin, from, through int32) ([]dayTotals, error) {
	var rows []struct {
		Day         int32  `ch:"day"`
		Slot        uint8  `ch:"slot"`
		Sessions    uint64 `ch:"sessions"`
		Fingerprint uint64 `ch:"fingerprint"`
	}
	p = with(p, chstore.Params{"origin": date(origin), "from": date(from), "through": date(through)})
	if err := a.deps.Store.Select(ctx, &rows, query("tenant_totals"), p); err != nil {
		return nil, fmt.Errorf("reading the tenant's totals: %w", err)
	}
	out := make([]dayTotals, through-from+1)
	for _, r := range rows {
		d := &out[r.Day-from]
		d.groups[r.Slot] += r.Sessions
		d.fingerprint += r.Fingerprint
	}
	return out, nil
}

// stepTenant runs the model over the days from..through.
func (a *Aggregator) stepTenant(ctx context.Context, t *tenant, p chstore.Params, h horizon, from, through int32) (*tenantSteps, error) {
	batch := p["batch"].(uint64)
	t.alive.forget(from)
	state, prior, err := a.resumeTenant(ctx, t, p, from)
	if err != nil {
		return nil, err
	}
	if len(t.days.days) == 0 {
		t.days.days = append(t.days.days, tenantDay{Day: from})
	}
	first := t.days.days[0].Day
	totals, err := a.tenantTotals(ctx, p, first, from, through)
	if err != nil {
		return nil, err
	}
	steps := &tenantSteps{span: span(t.id, event.TenantWide, detect.RuleTenantDrop, &state.Alert, detect.Day(from), through, t.days.seen > 0)}
	for day := from; day <= through; day++ {
		i := int(day - first)
		if i == len(t.days.days) {
			t.days.days = append(t.days.days, tenantDay{Day: day})
		}
		if detect.Day(day).Time().Day() == 1 || day == first+priorWindowDaysMin {
			if prior, err = a.tenantPrior(ctx, t, p, first, day, prior); err != nil {
				return nil, err
			}
		}
		var result detect.TenantDay
		state, result = a.tenantModel.Step(state, totals[day-from].groups)
		now := tenantDay{
			Day: day, Fingerprint: totals[day-from].fingerprint, Factor: result.Factor(), Frozen: flag(result.Frozen),
			Dispersion: prior.Dispersion, PriorSessions: prior.Sessions, PriorDays: prior.Days, segmentPriors: prior.segments, Ver: batch,
		}
		if old := &t.days.days[i]; old.Ver > 0 && old.means(&now) {
			now.Ver = old.Ver
		}
		t.days.days[i] = now
		if err := steps.rows.add(t.id, a.tenantModel.Hash(), &now, &result, &state, &totals[day-from], batch, day <= h.complete); err != nil {
			return nil, err
		}
		for _, tr := range result.Transitions {
			steps.found = append(steps.found, transition{partner: event.TenantWide, rerun: int32(tr.Day) <= t.days.seen, Transition: tr})
		}
	}
	return steps, nil
}

// storeTenant writes the inputs first: a day whose totals are stored is not looked at
// again.
func (a *Aggregator) storeTenant(ctx context.Context, rows *tenantRows) error {
	if err := a.deps.Store.InsertColumns(ctx, "tenant_inputs", rows.inputs()); err != nil {
		return fmt.Errorf("writing what days mean: %w", err)
	}
	if err := a.deps.Store.InsertColumns(ctx, "tenant_days", rows.days()); err != nil {
		return fmt.Errorf("writing the tenant's days: %w", err)
	}
	return nil
}

// resumeTenant gives the model's state and the prior in use before a day.
func (a *Aggregator) resumeTenant(ctx context.Context, t *tenant, p chstore.Params, from int32) (detect.TenantState, monthPrior, error) {
	if len(t.days.days) == 0 || from <= t.days.days[0].Day {
		return a.tenantModel.Start(detect.Day(from)), monthPrior{}, nil
	}
	before := t.days.days[from-1-t.days.days[0].Day]
	var rows []struct {
		State string `ch:"state"`
	}
	p = with(p, chstore.Params{"config": a.tenantModel.Hash(), "day": date(from - 1)})
	if err := a.deps.Store.Select(ctx, &rows, query("tenant_state"), p); err != nil {
		return detect.TenantState{}, monthPrior{}, fmt.Errorf("reading the tenant's state: %w", err)
	}
	if len(rows) != 1 {
		return detect.TenantState{}, monthPrior{}, fmt.Errorf("reading the tenant's state: %d rows", len(rows))
	}
	state, err := a.tenantModel.Resume([]byte(rows[0].State))
	prior := monthPrior{
		Prior:    detect.Prior{Dispersion: before.Dispersion, Sessions: before.PriorSessions, Days: before.PriorDays},
		segments: before.segmentPriors,
	}
	return state, prior, err
}

func flag(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}
