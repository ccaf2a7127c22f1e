package plan

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
)

// A chain is something that goes on over days: a course, a deal, a survey. It is
// drawn as a whole from the day on which it begins, and a later day finds its part
// by looking back; so no day needs to be computed before another.
type chain struct {
	w    *World
	p    *Partner
	r    *rand.Rand
	id   string
	user string
	day  Day           // of the next step
	at   time.Duration // of the next step, since the day began
	want Day           // the day whose steps are kept
	out  []event.Event
}

// chains calls begin for each chain that the partner starts on the days of which
// something may still happen on d: a Poisson number of them a working day.
func (w *World) chains(s stream, p *Partner, d Day, lookback int, perDay float64, begin func(*chain)) []event.Event {
	var out []event.Event
	for from := max(w.cfg.Start, d-Day(lookback)); from <= d; from++ {
		if !p.officeDay(from) {
			continue
		}
		r := w.rng(s, uint64(p.index), uint64(from))
		for n := range poisson(r, perDay*p.Fate.factor(from)*season(from)) {
			c := &chain{
				w: w, p: p, r: w.rng(s, uint64(p.index), uint64(from), uint64(n)), day: from, want: d,
				at: p.officeTime(r), id: fmt.Sprintf("%s-%s-%d", p.ID, from, n+1),
			}
			c.user = p.Users[weighted(c.r, p.activity)]
			begin(c)
			out = append(out, c.out...)
		}
	}
	return out
}

// step keeps the event if it falls on the wanted day.
func (c *chain) step(t event.Type, data jsontext.Value) {
	if c.day != c.want {
		return
	}
	c.out = append(c.out, event.Event{
		Type: t, Time: c.day.Start(c.w.cfg.Location).Add(c.at).Truncate(time.Millisecond).UTC(), UserID: c.user, Data: data,
	})
}

// lastStep is the end of working time, within a day of 23 hours too.
const lastStep = 22*time.Hour + 45*time.Minute

// wait moves to a working day between lo and hi days on, at any time of it.
func (c *chain) wait(lo, hi int) {
	c.day = c.p.nextOfficeDay(c.day + Day(lo+c.r.IntN(hi-lo+1)))
	c.at = c.p.officeTime(c.r)
}

// later moves on within the day, or to the next working morning.
func (c *chain) later(d time.Duration) {
	if c.at += d; c.at > lastStep {
		c.day = c.p.nextOfficeDay(c.day + 1)
		c.at = time.Duration(c.p.place.opensUTC*float64(time.Hour)) + d
	}
}

const (
	trainingLookback = 110
	trainingPerHead  = .011 // courses begun per user and working day by an average partner
	dropoutShare     = .15
)

// trainingOf plans courses from enrolment to certificate.
func (w *World) trainingOf(p *Partner, d Day, out []event.Event) []event.Event {
	perDay := trainingPerHead * p.trainings * math.Pow(float64(len(p.Users)), .8)
	return append(out, w.chains(streamTraining, p, d, trainingLookback, perDay, (*chain).train)...)
}

func (c *chain) train() {
	k := pick(c.r, c.w.catalog.courses)
	base := func() fields { return newFields().str("course_id", k.id).str("registration", c.id) }
	c.step(event.TrainingEnrolled, base().time("due_at", (c.day+42).Start(c.w.cfg.Location)).end())
	if c.r.IntN(2) == 0 {
		c.wait(1, 4)
	}
	c.later(5 * time.Minute)
	c.step(event.TrainingStarted, base().end())
	parts := 2 + c.r.IntN(3)
	for n := 1; n <= parts; n++ {
		if c.r.IntN(3) > 0 {
			c.wait(1, 5)
		}
		c.later(time.Duration(k.minutes) * time.Minute / time.Duration(parts))
		if chance(c.r, dropoutShare/3) {
			return
		}
		c.step(event.TrainingProgressed, base().num("progress", 100*n/(parts+1)).end())
	}
	if chance(c.r, dropoutShare) {
		return
	}
	c.later(12 * time.Minute)
	c.step(event.TrainingCompleted, base().num("progress", 100).num("duration_s", k.minutes*60).end())
	if k.certifies {
		c.exam(k, base)
	}
}

// exam is passed at the first try by most, at the second by nearly all.
func (c *chain) exam(k course, base func() fields) {
	for try := range 2 {
		c.later(time.Minute)
		score := min(1, .72+.2*c.r.NormFloat64()+.1*float64(try))
		if score < .6 {
			c.step(event.TrainingFailed, base().dec("score_scaled", max(0, score), 2).end())
			c.wait(2, 6)
			continue
		}
		c.step(event.TrainingPassed, base().dec("score_scaled", score, 2).end())
		c.later(time.Second)
		c.step(event.TrainingCertified, base().dec("score_scaled", score, 2).
			time("expires_at", (c.day+Day(k.validDays)).Start(c.w.cfg.Location)).end())
		return
	}
}
