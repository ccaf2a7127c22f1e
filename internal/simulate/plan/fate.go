package plan

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// FateKind says how a partner's engagement develops.
type FateKind string

// The fates.
const (
	Steady         FateKind = "steady"
	Growing        FateKind = "growing"         // up to twice the rate over the history
	Fading         FateKind = "fading"          // halves every HalfLife days from Change on
	Stopped        FateKind = "stopped"         // nothing at all from Change on
	Recovering     FateKind = "recovering"      // nearly silent from Change until End
	NeverActivated FateKind = "never_activated" // in the directory, never seen
)

// Fate is a partner's development; days that do not apply to its kind are 0.
type Fate struct {
	Kind         FateKind `json:"fate"`
	Change       Day      `json:"change,omitzero"`         // first day of the new behaviour
	End          Day      `json:"end,omitzero"`            // first day of normality again
	HalfLifeDays float64  `json:"half_life_days,omitzero"` // of fading
}

const (
	silentShare = .04 // of the normal rate while a recovering partner is away
	fadedShare  = .02 // the floor of fading
	growthDays  = 90  // in which a growing partner doubles
)

// factor multiplies the partner's normal rate. 0 means no event of any kind.
func (f Fate) factor(d Day) float64 {
	switch {
	case f.Kind == NeverActivated:
		return 0
	case f.Kind == Steady || d < f.Change:
		return 1
	case f.Kind == Stopped:
		return 0
	case f.Kind == Growing:
		return 1 + min(1, float64(d-f.Change)/growthDays)
	case f.Kind == Fading:
		return max(fadedShare, math.Exp2(-float64(d-f.Change+1)/f.HalfLifeDays))
	case d < f.End:
		return silentShare
	default:
		return 1
	}
}

// PartnerTruth is what happens to a partner that does not just stay steady.
type PartnerTruth struct {
	PartnerID string  `json:"partner_id"`
	BaseRate  float64 `json:"base_rate"` // expected sessions on a normal working day before the change
	Fate
}

// Truth is what a perfect observer would report, to hold alerts and labels against.
type Truth struct {
	Today       Day            `json:"today"`    // fates at or after it are still to come
	Partners    []PartnerTruth `json:"partners"` // by id; those not listed are steady
	Neglected   []string       `json:"neglected"`
	SeenNotRead []string       `json:"seen_not_read"`
	SearchGaps  []string       `json:"search_gaps"`
}

// Truth tells the fates, and the contents and searches that are planned to fail.
func (w *World) Truth() Truth {
	t := Truth{
		Today: w.Today(), Neglected: slices.Clone(w.catalog.neglected),
		SeenNotRead: slices.Clone(w.catalog.seenNotRead), SearchGaps: searchGaps(),
	}
	for i := range w.partners {
		if p := &w.partners[i]; p.Fate.Kind != Steady {
			t.Partners = append(t.Partners, PartnerTruth{PartnerID: p.ID, BaseRate: p.BaseRate, Fate: p.Fate})
		}
	}
	return t
}

// fatePlan deals fates to partners: stops and the like to those busy enough for
// a change to show within days, the rest to anybody.
type fatePlan struct {
	w    *World
	r    *rand.Rand
	busy []*Partner
	rest []*Partner
}

// assignFates makes most partners healthy and a few leave, by a fixed share each.
func (w *World) assignFates() {
	all := make([]*Partner, len(w.partners))
	for i := range w.partners {
		all[i] = &w.partners[i]
		all[i].Fate = Fate{Kind: Steady}
	}
	slices.SortStableFunc(all, func(a, b *Partner) int { return cmp.Compare(b.BaseRate, a.BaseRate) })
	// The very largest stay: one customer leaving must not look like an outage.
	n := len(all)
	f := fatePlan{w: w, r: w.rng(streamFates)}
	f.busy, f.rest = slices.Clone(all[n/20:(n+1)/2]), slices.Clone(all[(n+1)/2:])
	if n < 4 {
		f.busy, f.rest = all, nil
	}
	f.r.Shuffle(len(f.busy), func(i, j int) { f.busy[i], f.busy[j] = f.busy[j], f.busy[i] })
	f.r.Shuffle(len(f.rest), func(i, j int) { f.rest[i], f.rest[j] = f.rest[j], f.rest[i] })
	share := func(percent int) int { return (n*percent + 99) / 100 }
	f.stopRecently(share(3))
	f.each(&f.busy, share(3), func(i, of int) Fate { return Fate{Kind: Stopped, Change: f.ago(40 - spread(i, of, 32))} })
	if n < 8 {
		return
	}
	f.each(&f.rest, share(3), func(int, int) Fate { return Fate{Kind: NeverActivated} })
	f.each(&f.busy, share(3), func(i, of int) Fate {
		return Fate{Kind: Fading, Change: f.ago(36 - spread(i, of, 26)), HalfLifeDays: between(f.r, 4, 9)}
	})
	f.each(&f.busy, share(2), func(i, of int) Fate {
		from := 55 - spread(i, of, 12)
		return Fate{Kind: Recovering, Change: f.ago(from), End: f.ago(from - 14)}
	})
	// After today, so that a demo that runs for weeks goes on having news.
	f.each(&f.busy, share(3), func(i, of int) Fate { return Fate{Kind: Stopped, Change: w.Today() + 1 + Day(spread(i, of, 45))} })
	f.each(&f.rest, share(10), func(int, int) Fate { return Fate{Kind: Growing, Change: w.cfg.Start} })
}

// each gives the next n partners of pool a fate.
func (f *fatePlan) each(pool *[]*Partner, n int, fate func(i, of int) Fate) {
	for i := range n {
		if len(*pool) == 0 {
			return
		}
		(*pool)[0].Fate = fate(i, n)
		*pool = (*pool)[1:]
	}
}

// detectableMissed is how many expected sessions must be missed before a sequential test
// with a false-alarm budget of years is sure: its threshold is 4 to 5, and each
// missed session adds .9 at ρ = .1.
const detectableMissed = 5.6

// stopRecently lets partners stop so that the silence becomes significant one to
// four days before today: a day before which enough sessions were missed.
func (f *fatePlan) stopRecently(n int) {
	i := 0
	f.each(&f.busy, n, func(int, int) Fate { return Fate{Kind: Stopped} })
	for j := range f.w.partners {
		p := &f.w.partners[j]
		if p.Fate.Kind != Stopped {
			continue
		}
		detected := f.w.Today() - 1 - Day(i%4)
		stop, missed := detected+1, 0.0
		for missed < detectableMissed && stop > f.ago(40) {
			stop--
			missed += p.normalRate(stop)
		}
		p.Fate.Change = stop
		i++
	}
}

// ago is so many days before today, squeezed when the history is short.
func (f *fatePlan) ago(days int) Day {
	const full = 60
	return f.w.Today() - Day(days*min(full, f.w.cfg.Days)/full)
}

// spread puts i of n evenly on 0..width.
func spread(i, n, width int) int {
	if n < 2 {
		return width / 2
	}
	return i * width / (n - 1)
}
