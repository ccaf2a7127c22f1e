package bench

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// CollectorReport is what a measurement of the collector found. All figures are
// medians over the rounds.
type CollectorReport struct {
	Name     string             `json:"name"`
	Unit     string             `json:"unit"` // of ours and floors
	Ours     float64            `json:"ours"`
	Floors   map[string]float64 `json:"floors"`
	Ratios   map[string]float64 `json:"ratios"` // ours ÷ floor
	Batches  BatchFigures       `json:"batches"`
	Single   SingleFigures      `json:"single"`
	Exact    Exactness          `json:"exact"`
	Setting  Setting            `json:"setting"`
	Broker   string             `json:"broker"`
	Environs Environment        `json:"environment"`
}

// BatchFigures are about requests with many events.
type BatchFigures struct {
	Events      int       `json:"events_per_request"`
	Ours        Rates     `json:"ours"`
	Floor       Rates     `json:"floor"`
	RoundRatios []float64 `json:"ratios_by_round"` // of events per CPU-second
}

// Rates are events by time and by CPU time of the process that took them.
type Rates struct {
	EventsPerSecond    float64 `json:"events_per_second"`
	EventsPerCPUSecond float64 `json:"events_per_cpu_second"`
}

// SingleFigures are about requests with one event.
type SingleFigures struct {
	Ours   RequestFigures     `json:"ours"`
	Floor  RequestFigures     `json:"floor"`
	Ratios map[string]float64 `json:"ratios"` // of requests per CPU-second
}

// RequestFigures are the rates and latencies of requests, from before the first byte
// is sent until the answer is read.
type RequestFigures struct {
	RequestsPerSecond    float64 `json:"requests_per_second"`
	RequestsPerCPUSecond float64 `json:"requests_per_cpu_second"`
	P50Milliseconds      float64 `json:"p50_ms"`
	P99Milliseconds      float64 `json:"p99_ms"`
	P999Milliseconds     float64 `json:"p999_ms"`
}

// Exactness counts the events of the whole measurement, warming up included.
type Exactness struct {
	Acknowledged int64 `json:"acknowledged"`
	Written      int64 `json:"written"`
}

// Setting is how was measured.
type Setting struct {
	Seconds     float64 `json:"seconds"` // of one measurement
	Rounds      int     `json:"rounds"`
	Connections int     `json:"connections"`
	EventBytes  int     `json:"event_bytes"` // mean, as sent
}

// Environment is where was measured.
type Environment struct {
	CPU     string    `json:"cpu"`
	Cores   int       `json:"cores"`
	System  string    `json:"system"`
	Go      string    `json:"go"`
	Commit  string    `json:"commit"` // or version; "+" follows when the tree differed from it
	Date    time.Time `json:"date"`
	LoadAvg string    `json:"load_average"` // when the measurement ended; it is a part of it
}

// environment tells where it runs; version is for a build that does not know its commit.
func environment(version string) Environment {
	e := Environment{
		CPU: cpuModel(), Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH,
		Go: runtime.Version(), Commit: commit(version), Date: time.Now().UTC().Truncate(time.Second),
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		e.LoadAvg = strings.Join(strings.Fields(string(b))[:3], " ")
	}
	return e
}

// cpuModel is the system's name of the first CPU, where it tells one.
func cpuModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// commit is what the program was built from, if the build noted it, else version.
func commit(version string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version
	}
	revision, suffix := version, ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			suffix = "+"
		}
	}
	return revision + suffix
}

// String is the report for people.
func (r *CollectorReport) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%-34s %12s %12s %8s  %s", "collector (medians)", "ours", "floor", "ratio", "goal")
	line("%-34s %12.0f %12.0f %8.2f  ≥ 0.70", fmt.Sprintf("batches of %d: events/CPU-second", r.Batches.Events),
		r.Ours, r.Floors[floorName], r.Ratios[floorName])
	row := func(name string, ours, floor float64, goal string) {
		line("%-34s %12.1f %12.1f %8.2f  %s", name, ours, floor, ratio(ours, floor), goal)
	}
	row("               events/s", r.Batches.Ours.EventsPerSecond, r.Batches.Floor.EventsPerSecond, "")
	o, f := r.Single.Ours, r.Single.Floor
	row("one a request: requests/s", o.RequestsPerSecond, f.RequestsPerSecond, "≥ 10000")
	row("               requests/CPU-second", o.RequestsPerCPUSecond, f.RequestsPerCPUSecond, "")
	row("               p50, ms", o.P50Milliseconds, f.P50Milliseconds, "")
	row("               p99, ms", o.P99Milliseconds, f.P99Milliseconds, "≤ 15")
	line("acknowledged %d, written %d", r.Exact.Acknowledged, r.Exact.Written)
	e := r.Environs
	line("%d connections, %d rounds of %.3g s; broker: %s", r.Setting.Connections, r.Setting.Rounds, r.Setting.Seconds, r.Broker)
	line("%s, %d cores, %s, %s, commit %s, load average %s", e.CPU, e.Cores, e.System, e.Go, e.Commit, e.LoadAvg)
	return b.String()
}

// ratio gives a ÷ b to three digits after the point, and 0 for nothing to divide by.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return math.Round(a/b*1000) / 1000
}

func round(v float64) float64 { return math.Round(v) }

func milliseconds(d time.Duration) float64 { return math.Round(d.Seconds()*1e6) / 1e3 }
