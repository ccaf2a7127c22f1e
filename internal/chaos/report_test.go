package chaos

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// report is what a run did and found.
type report struct {
	Seed        uint64         `json:"seed"`
	Day         string         `json:"day"` // the world ends on this UTC day
	Broker      string         `json:"broker"`
	Events      int            `json:"events"`
	Records     int64          `json:"records"`   // produced straight to the topic, copies included
	Collected   int64          `json:"collected"` // accepted by the collector, copies included
	Resent      int64          `json:"resent"`
	Retried     int64          `json:"requests_retried"`
	Rewound     int64          `json:"records_rewound"`
	TopicEnd    int64          `json:"topic_records"` // with every copy that retries made
	Kills       int            `json:"kills"`
	KillsBy     map[string]int `json:"kills_by_role"`
	AtPoint     map[string]int `json:"kills_by_fault_point"`
	StoppedAt   map[string]int `json:"stops_by_fault_point"`
	Freezes     map[string]int `json:"freezes_by_role"`
	Steps       map[string]int `json:"steps"`
	Starts      int            `json:"process_starts"`
	Rebalances  int64          `json:"group_generations"`
	Samples     int            `json:"offset_samples"`
	PeakMiB     map[string]int `json:"peak_resident_mib"` // by role, of all processes that were looked at
	LoadSeconds float64        `json:"load_seconds"`
	DrainSecs   float64        `json:"drain_seconds"` // from the last event or fault until nothing is left to do
	Seconds     float64        `json:"seconds"`

	Stored      int64    `json:"stored_events"`
	DailyRows   int      `json:"partner_daily_rows"`
	SessionRows int      `json:"sessions_rows"`
	ScoreRows   int      `json:"partner_scores_rows"`
	NotCompared []string `json:"columns_without_oracle"`
	Mismatches  int      `json:"mismatches"`
	Examples    []string `json:"examples,omitempty"`
}

func newReport() *report {
	return &report{
		KillsBy: map[string]int{}, AtPoint: map[string]int{}, StoppedAt: map[string]int{}, Freezes: map[string]int{},
		Steps: map[string]int{}, PeakMiB: map[string]int{},
	}
}

// killed notes a kill; point is empty for one at a random time.
func (r *report) killed(role, point string) {
	r.Kills++
	r.KillsBy[role]++
	if point == "" {
		point = "at random"
	}
	r.AtPoint[point]++
}

const examplesMax = 20

// mismatch notes a difference between the store and the truth.
func (r *report) mismatch(format string, args ...any) {
	r.Mismatches++
	if len(r.Examples) < examplesMax {
		r.Examples = append(r.Examples, fmt.Sprintf(format, args...))
	}
}

// write keeps the report as JSON.
func (r *report) write(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the report: %w", err)
	}
	if path == "-" {
		_, err = fmt.Println(string(b))
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o600)
}

// String is the report for people.
func (r *report) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	counts := func(m map[string]int) string {
		var out []string
		for _, k := range slices.Sorted(maps.Keys(m)) {
			out = append(out, fmt.Sprintf("%s %d", k, m[k]))
		}
		return strings.Join(out, ", ")
	}
	line("seed %d, world up to %s, broker %s", r.Seed, r.Day, r.Broker)
	line("events          %d distinct; %d records produced, %d accepted by the collector, copies included", r.Events, r.Records, r.Collected)
	line("sent again      %d records and %d requests without an answer; %d records rewound; the topic holds %d", r.Resent, r.Retried, r.Rewound, r.TopicEnd)
	line("kill -9         %d: %s", r.Kills, counts(r.KillsBy))
	line("  at points     %s", counts(r.AtPoint))
	line("stopped         at points: %s; at random: %s", counts(r.StoppedAt), counts(r.Freezes))
	line("steps           %s", counts(r.Steps))
	line("processes       %d starts; %d generations of the group; %d samples of its offsets", r.Starts, r.Rebalances, r.Samples)
	line("peak memory     MiB: %s", counts(r.PeakMiB))
	seconds := func(s float64) time.Duration {
		return time.Duration(s * float64(time.Second)).Round(100 * time.Millisecond)
	}
	line("time            %s under load and faults, %s until nothing was left to do, %s in all", seconds(r.LoadSeconds), seconds(r.DrainSecs), seconds(r.Seconds))
	line("compared        %d events, %d rows of partner_daily, %d of sessions, %d of partner_scores", r.Stored, r.DailyRows, r.SessionRows, r.ScoreRows)
	if len(r.NotCompared) > 0 {
		line("not compared    columns that the oracle does not know: %s", strings.Join(r.NotCompared, ", "))
	}
	line("mismatches      %d", r.Mismatches)
	for _, e := range r.Examples {
		line("  %s", e)
	}
	return b.String()
}
