package replay

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// examplesMax is how many refusals a report quotes for each code.
const examplesMax = 3

// Report is what became of the rejects.
type Report struct {
	Replayed int64               `json:"replayed"` // events sent and answered
	Accepted int64               `json:"accepted"` // of them
	Rejected int64               `json:"rejected"` // again
	Refused  map[string]int64    `json:"rejected_by_code"`
	Skipped  map[string]int64    `json:"skipped"` // not sent: truncated, unreadable, duplicate
	Requests int64               `json:"requests"`
	Examples map[string][]string `json:"examples,omitempty"` // by code: id, place and message
}

func newReport() *Report {
	return &Report{Refused: map[string]int64{}, Skipped: map[string]int64{}, Examples: map[string][]string{}}
}

func (r *Report) sent(refused bool, why refusal) {
	r.Replayed++
	if !refused {
		r.Accepted++
		return
	}
	r.Rejected++
	r.Refused[why.Code]++
	if len(r.Examples[why.Code]) < examplesMax {
		r.Examples[why.Code] = append(r.Examples[why.Code], strings.TrimSpace(why.ID+" "+why.Pointer+" "+why.Message))
	}
}

func (r *Report) done() int64 {
	done := r.Replayed
	for _, n := range r.Skipped {
		done += n
	}
	return done
}

// String is the report for people.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "replayed %d events: %d accepted, %d rejected again", r.Replayed, r.Accepted, r.Rejected)
	for _, why := range slices.Sorted(maps.Keys(r.Skipped)) {
		fmt.Fprintf(&b, ", %d not sent (%s)", r.Skipped[why], why)
	}
	for _, code := range slices.Sorted(maps.Keys(r.Refused)) {
		fmt.Fprintf(&b, "\n  %6d %s", r.Refused[code], code)
		for _, e := range r.Examples[code] {
			fmt.Fprintf(&b, "\n         %s", e)
		}
	}
	return b.String()
}
