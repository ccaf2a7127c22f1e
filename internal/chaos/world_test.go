package chaos

import (
	"fmt"
	"math/rand/v2"
	"time"

	"partnerpulse/internal/event"
	"partnerpulse/internal/session"
)

// world is a programme whose every event follows from a seed. Any partner's day can
// be made again at any time, so nothing has to be remembered to know the truth.
type world struct {
	seed     uint64
	events   int
	partners int
	days     int
	start    time.Time // midnight UTC of the first day
	end      time.Time // no event is later
	through  []int     // events of the first i partner-days
}

// tenants and their zones, none of which is on whole hours from UTC all year.
var tenants = []struct{ id, zone string }{
	{"alpha", "America/New_York"}, {"beta", "Asia/Kolkata"},
}

// happening is one event as it is meant: the truth.
type happening struct {
	session.Event
	Partner     int
	Internal    bool
	Results     uint32
	NPS         *uint8
	Stage, Prev string
	FailedLogin bool
	Cadence     int64

	Slot   int  // day of the world on which it is sent; later than it happens for a late one
	Door   door // way in
	Copies int  // how often it is sent on purpose
}

// door is a way into the topic.
type door uint8

const (
	direct door = iota // produced in the frozen form
	http               // posted to the collector
)

// Shares of events, per mille.
const (
	lateShare     = 20
	httpEvery     = 25 // one in so many goes through the collector
	againShare    = 30 // sent more than once
	internalShare = 20
	slotsLateMax  = 6
)

func newWorld(seed uint64, events, partners, days int, today time.Time) *world {
	w := &world{seed: seed, events: events, partners: partners, days: days, end: today}
	w.start = today.AddDate(0, 0, -days)
	// Partner-days weigh 0 to 3, so that some are empty and some busy.
	weights := make([]int, partners*days)
	rng := rand.New(rand.NewPCG(seed, 1))
	total := 0
	for i := range weights {
		weights[i] = rng.IntN(4)
		total += weights[i]
	}
	w.through = make([]int, len(weights)+1)
	sum := 0
	for i, weight := range weights {
		sum += weight
		w.through[i+1] = events * sum / max(total, 1)
	}
	return w
}

func (w *world) tenant(partner int) string { return tenants[partner%len(tenants)].id }
func partnerName(partner int) string       { return fmt.Sprintf("p-%04d", partner) }

// kinds of events, weighted by how often they stand here.
var kinds = []event.Type{
	event.PageViewed, event.PageViewed, event.PageViewed, event.PageViewed, event.ContentViewed, event.ContentViewed,
	event.ContentViewed, event.ContentEngaged, event.ContentEngaged, event.ContentEngaged, event.ContentEngaged,
	event.PortalLogin, event.PortalLogin, event.ContentDownloaded, event.ContentShared, event.PlaybookPinned,
	event.PlaybookUnpinned, event.SearchPerformed, event.SearchPerformed, event.SearchClicked,
	event.TrainingEnrolled, event.TrainingStarted, event.TrainingProgressed, event.TrainingProgressed,
	event.TrainingCompleted, event.TrainingPassed, event.TrainingFailed, event.TrainingCertified, event.LeadReferred,
	event.DealRegistered, event.DealAccepted, event.DealRejected, event.DealStageChanged, event.DealStageChanged,
	event.DealWon, event.DealLost, event.MeetingHeld, event.SupportRequested, event.SupportResolved,
	event.SurveySent, event.SurveyNPSAnswered, event.PartnerUpserted, event.UserUpserted, event.CommitmentSet,
}

var stages = []string{"proposal", "demo", "odd", "Lead", "won"}

// day makes the events of a partner that begin on a day of the world: bursts of a few
// people, some of which go on over midnight.
func (w *world) day(partner, day int) []happening {
	slot := partner*w.days + day
	n := w.through[slot+1] - w.through[slot]
	rng := rand.New(rand.NewPCG(w.seed, uint64(slot)<<8|2))
	out := make([]happening, 0, n)
	at, actor, sid, left := w.start, "", "", 0
	for i := range n {
		if left == 0 {
			left = 1 + rng.IntN(16)
			at = w.start.AddDate(0, 0, day).Add(time.Duration(rng.IntN(86_400_000)) * time.Millisecond)
			actor, sid = fmt.Sprintf("u-%d", rng.IntN(4)), ""
			if rng.IntN(2) == 0 {
				sid = fmt.Sprintf("s-%d", rng.IntN(3))
			}
		}
		left--
		switch gap := rng.IntN(30); gap {
		case 0: // near the limit of a session
			at = at.Add(29*time.Minute + time.Duration(rng.IntN(121_000))*time.Millisecond)
		default:
			at = at.Add(time.Duration(rng.IntN(300_000)) * time.Millisecond)
		}
		if !at.Before(w.end) {
			at = w.end.Add(-time.Millisecond)
		}
		h := happening{Partner: partner, Slot: day, Copies: 1, Internal: rng.IntN(1000) < internalShare}
		h.Event = session.Event{
			ID: fmt.Sprintf("%x-%d-%d-%d", w.seed, partner, day, i), Actor: actor, SessionID: sid,
			Type: kinds[rng.IntN(len(kinds))], Time: at,
		}
		w.fill(rng, &h)
		w.send(rng, &h)
		out = append(out, h)
	}
	return out
}

// fill gives what is of the event's type.
func (w *world) fill(rng *rand.Rand, h *happening) {
	view := fmt.Sprintf("v-%d", rng.IntN(6))
	switch h.Type {
	case event.PageViewed:
		h.ViewID = view
	case event.ContentViewed:
		h.ViewID, h.ContentID = view, fmt.Sprintf("c-%d", rng.IntN(5))
		switch rng.IntN(3) {
		case 0:
			h.Words = uint32(100 + rng.IntN(2000))
		case 1:
			h.DurationS = uint32(10 + rng.IntN(600))
		}
		if rng.IntN(3) == 0 {
			h.PlaybookID = "pb"
		}
	case event.ContentEngaged:
		h.ViewID, h.ContentID = view, fmt.Sprintf("c-%d", rng.IntN(5))
		h.EngagedMs, h.ScrollPct = uint32(rng.IntN(90_000)), uint8(rng.IntN(101))
	case event.ContentDownloaded, event.ContentShared:
		h.ContentID = fmt.Sprintf("c-%d", rng.IntN(5))
		if rng.IntN(2) == 0 {
			h.ViewID = view
		}
	case event.PlaybookPinned, event.PlaybookUnpinned:
		h.PlaybookID = "pb"
	case event.SearchPerformed:
		h.Results = uint32(rng.IntN(3))
	case event.SearchClicked:
		h.ContentID = fmt.Sprintf("c-%d", rng.IntN(5))
	case event.PortalLogin:
		h.FailedLogin = rng.IntN(8) == 0
	case event.DealStageChanged:
		h.Stage, h.Prev = stages[rng.IntN(len(stages))], stages[rng.IntN(len(stages))]
	case event.SurveyNPSAnswered:
		nps := uint8(rng.IntN(11))
		h.NPS = &nps
	case event.CommitmentSet:
		h.Cadence = int64(7 + rng.IntN(90))
	}
}

// send decides how and when it is sent.
func (w *world) send(rng *rand.Rand, h *happening) {
	if rng.IntN(1000) < lateShare {
		h.Slot = min(h.Slot+1+rng.IntN(slotsLateMax), w.days-1)
	}
	if rng.IntN(httpEvery) == 0 {
		h.Door = http
	}
	if rng.IntN(1000) < againShare {
		h.Copies += 1 + rng.IntN(2)
	}
}

// all gives a partner's events.
func (w *world) all(partner int) []happening {
	var out []happening
	for day := range w.days {
		out = append(out, w.day(partner, day)...)
	}
	return out
}
