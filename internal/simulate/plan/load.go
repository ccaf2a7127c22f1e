package plan

import (
	"iter"
	"time"

	"github.com/google/uuid"

	"partnerpulse/internal/event"
)

// loadLanes is how many visits of a synthetic load go on at once.
const loadLanes = 64

// Load plans an endless synthetic load: visits to healthy partners, interleaved,
// for measuring rather than for a story. The events have no time: the sender
// stamps them. Runs of different numbers share no id.
func (w *World) Load(run uint64) iter.Seq[*event.Event] {
	return func(yield func(*event.Event) bool) {
		var healthy []*Partner
		for i := range w.partners {
			if k := w.partners[i].Fate.Kind; k == Steady || k == Growing {
				healthy = append(healthy, &w.partners[i])
			}
		}
		if len(healthy) == 0 {
			return
		}
		contents := w.catalog.available(w.Today())
		lanes := make([][]event.Event, loadLanes)
		for n := uint64(0); ; n++ {
			lane := &lanes[n%loadLanes]
			if len(*lane) == 0 {
				r := w.rng(streamLoad, run, n)
				p := pick(r, healthy)
				s := w.newSession(p, r, contents)
				s.visit()
				for i := range s.events {
					s.events[i].PartnerID, s.events[i].Time = p.ID, time.Time{}
				}
				*lane = s.events
			}
			e := &(*lane)[0]
			*lane = (*lane)[1:]
			var name [16]byte
			for i := range 8 {
				name[i], name[8+i] = byte(run>>(8*i)), byte(n>>(8*i))
			}
			e.ID = uuid.NewSHA1(w.namespace, name[:]).String()
			if !yield(e) {
				return
			}
		}
	}
}
