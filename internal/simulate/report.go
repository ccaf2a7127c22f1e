package simulate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Report says what became of the events of a run.
type Report struct {
	Events         int64            `json:"events"`   // handed to the sender
	Acked          int64            `json:"acked"`    // accepted by the collector
	Rejected       int64            `json:"rejected"` // refused by it, for good
	Pending        int64            `json:"pending"`  // unanswered when the run ended
	Requests       int64            `json:"requests"` // attempts that were made
	Retried        int64            `json:"retried"`  // events sent again, each time counted
	RejectedByCode map[string]int64 `json:"rejected_by_code,omitempty"`
	Rejections     []string         `json:"rejections,omitempty"` // the first few, in words
	Through        time.Time        `json:"through"`              // all planned events before it are answered
	Seconds        float64          `json:"seconds"`
}

// String is the report for people.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d events in %.1f s (%.0f/s): %d accepted, %d rejected, %d unanswered; %d requests, %d events sent again",
		r.Events, r.Seconds, float64(r.Acked)/max(r.Seconds, 1e-3), r.Acked, r.Rejected, r.Pending, r.Requests, r.Retried)
	for _, code := range slices.Sorted(maps.Keys(r.RejectedByCode)) {
		fmt.Fprintf(&b, "\n  %d × %s", r.RejectedByCode[code], code)
	}
	for _, m := range r.Rejections {
		fmt.Fprintf(&b, "\n  %s", m)
	}
	return b.String()
}

const rejectionsMax = 5

// tally counts, and knows up to which instant everything is answered.
type tally struct {
	mu     sync.Mutex
	counts Report
	last   time.Time // of the latest planned event emitted, or what the source has passed
	lanes  []laneTally
}

type laneTally struct {
	pending int       // planned events without an answer
	done    time.Time // while some are pending: the lane's planned events before it are answered
}

func newTally(lanes int) *tally {
	return &tally{lanes: make([]laneTally, lanes), counts: Report{RejectedByCode: map[string]int64{}}}
}

// reached notes that nothing more comes before the instant.
func (t *tally) reached(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = at
}

func (t *tally) emitted(lane int, e outgoing) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Events++
	if !e.planned {
		return
	}
	l := &t.lanes[lane]
	if l.pending == 0 {
		l.done = e.Time
	}
	l.pending++
	t.last = e.Time
}

func (t *tally) answered(lane int, batch []item) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range batch {
		if batch[i].planned {
			t.lanes[lane].pending--
			t.lanes[lane].done = batch[i].time
		}
	}
}

func (t *tally) settled(accepted int, refused map[int]problem) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Acked += int64(accepted)
	t.counts.Rejected += int64(len(refused))
	for _, i := range slices.Sorted(maps.Keys(refused)) {
		p := refused[i]
		t.counts.RejectedByCode[p.Code]++
		if len(t.counts.Rejections) < rejectionsMax {
			t.counts.Rejections = append(t.counts.Rejections, fmt.Sprintf("%s: %s at %q: %s", p.ID, p.Code, p.Pointer, p.Message))
		}
	}
}

func (t *tally) requested() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Requests++
}

func (t *tally) repeated(events int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Retried += int64(events)
}

func (t *tally) report() Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.counts
	r.RejectedByCode, r.Rejections = maps.Clone(r.RejectedByCode), slices.Clone(r.Rejections)
	r.Pending = r.Events - r.Acked - r.Rejected
	r.Through = t.last
	for _, l := range t.lanes {
		if l.pending > 0 && l.done.Before(r.Through) {
			r.Through = l.done
		}
	}
	return r
}
