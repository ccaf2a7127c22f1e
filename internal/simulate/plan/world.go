// Package plan is the pure part of the simulator: a world of partners, documents
// and courses, and for every partner and day the portal events that happen. It
// has no clock, no state and no I/O; everything follows from the Config, so two
// runs, or one run resumed, plan the same events with the same ids.
package plan

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/google/uuid"

	"partnerpulse/internal/event"
)

// Config determines a World completely.
type Config struct {
	Seed     uint64         `yaml:"seed"`
	Tenant   string         `yaml:"tenant"`   // whose programme; enters the event ids
	Portal   string         `yaml:"portal"`   // its portal, for page addresses
	Partners int            `yaml:"partners"` // 1–9999
	Start    Day            `yaml:"start"`    // first day with events
	Days     int            `yaml:"days"`     // length of the history; Start+Days is "today", which fates are placed by
	Location *time.Location `yaml:"-"`        // where a day begins and ends; nil is UTC
}

// DefaultConfig is 200 partners of tenant demo with 90 days before today.
func DefaultConfig(today Day) Config {
	const days = 90
	return Config{
		Seed: 1, Tenant: "demo", Portal: "main", Partners: 200,
		Start: today - days, Days: days, Location: time.UTC,
	}
}

func (c Config) validate() error {
	switch {
	case c.Tenant == "" || c.Portal == "":
		return errors.New("checking the world: tenant and portal are required")
	case c.Partners < 1 || c.Partners > 9999:
		return fmt.Errorf("checking the world: %d partners is outside 1–9999", c.Partners)
	case c.Days < 1 || c.Days > 3660:
		return fmt.Errorf("checking the world: a history of %d days is outside 1–3660", c.Days)
	case c.Start < 0:
		return fmt.Errorf("checking the world: start %s is before 1970", c.Start)
	}
	return nil
}

// World is immutable after New and safe for concurrent use.
type World struct {
	cfg       Config
	partners  []Partner
	index     map[string]int
	catalog   catalog
	namespace uuid.UUID
}

// New builds the partners, their fates and the catalogue.
func New(cfg Config) (*World, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.Location == nil {
		cfg.Location = time.UTC
	}
	w := &World{cfg: cfg, index: make(map[string]int, cfg.Partners)}
	w.namespace = uuid.NewSHA1(uuid.NameSpaceURL, fmt.Appendf(nil, "partnerpulse:simulate/%d/%s", cfg.Seed, cfg.Tenant))
	w.catalog = w.newCatalog()
	w.partners = make([]Partner, cfg.Partners)
	for i := range w.partners {
		w.partners[i] = w.newPartner(i)
		w.index[w.partners[i].ID] = i
	}
	w.assignFates()
	return w, nil
}

// Config is what the world was built from.
func (w *World) Config() Config { return w.cfg }

// Today is the day after the history: the first one of live traffic.
func (w *World) Today() Day { return w.cfg.Start + Day(w.cfg.Days) }

// Partners lists the partners by id; the caller must not change them.
func (w *World) Partners() []Partner { return w.partners }

// Rate is the expected number of people's sessions of a partner on a day; 0 for
// an unknown partner and before the history.
func (w *World) Rate(partnerID string, d Day) float64 {
	i, ok := w.index[partnerID]
	if !ok || d < w.cfg.Start {
		return 0
	}
	return w.partners[i].normalRate(d) * w.partners[i].Fate.factor(d)
}

// Day plans what a partner does on a day, in order of time: nothing before the
// history, after a stop, or for an unknown partner. Directory events are apart.
func (w *World) Day(partnerID string, d Day) []event.Event {
	i, ok := w.index[partnerID]
	if !ok || d < w.cfg.Start || w.partners[i].Fate.factor(d) == 0 {
		return nil
	}
	p := &w.partners[i]
	var out []event.Event
	out = w.sessionsOf(p, d, out)
	out = w.trainingOf(p, d, out)
	out = w.pipelineOf(p, d, out)
	out = w.surveysOf(p, d, out)
	out = w.serviceOf(p, d, out)
	for n := range out {
		out[n].PartnerID = p.ID
		out[n].ID = w.eventID(p.ID, d, n)
	}
	// Stable: events of one millisecond keep the planned order.
	slices.SortStableFunc(out, func(a, b event.Event) int { return a.Time.Compare(b.Time) })
	return out
}

// DayAll plans the whole tenant's day with its directory events, in order of time.
func (w *World) DayAll(d Day) []*event.Event {
	var out []*event.Event
	add := func(events []event.Event) {
		for i := range events {
			out = append(out, &events[i])
		}
	}
	add(w.Directory(d))
	for i := range w.partners {
		add(w.Day(w.partners[i].ID, d))
	}
	slices.SortStableFunc(out, func(a, b *event.Event) int { return a.Time.Compare(b.Time) })
	return out
}

// Events plans everything from an instant on, for ever, in order of time. The
// events of the instant itself are included.
func (w *World) Events(from time.Time) iter.Seq[*event.Event] {
	return func(yield func(*event.Event) bool) {
		for d := max(w.cfg.Start, DayOf(from, w.cfg.Location)); ; d++ {
			for _, e := range w.DayAll(d) {
				if !e.Time.Before(from) && !yield(e) {
					return
				}
			}
		}
	}
}

// eventID is a UUIDv5, so that a retry, a resumed run or another machine gives
// an event the same identity and it counts once.
func (w *World) eventID(scope string, d Day, n int) string {
	return uuid.NewSHA1(w.namespace, fmt.Appendf(nil, "%s/%d/%d", scope, d, n)).String()
}
