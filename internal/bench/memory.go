package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/kafkabus"
)

// BacklogStand is what the enricher's memory is measured with. The engines serve
// already, with empty topics and tables.
type BacklogStand struct {
	Kafka      kafkabus.Config
	ClickHouse *chstore.Store
	// Ours starts an enricher as a member of a group that has read nothing.
	Ours    func(ctx context.Context, group string) (Rememberer, error)
	Version string                             // of the program, for a build that does not know its commit
	Live    func(what string, done, total int) // told about what is under way
}

// Rememberer is a process that knows the most memory that it had.
type Rememberer interface {
	Process
	PeakMemory() (int64, error) // bytes resident
}

// MemoryLimitMiB is what each role may have resident at any lag (DESIGN.md).
const MemoryLimitMiB = 512

// limitName names the limit in reports.
const limitName = "limit"

// BacklogReport is what a measurement of the enricher's memory found.
type BacklogReport struct {
	Name     string             `json:"name"`
	Unit     string             `json:"unit"`
	Ours     float64            `json:"ours"`
	Floors   map[string]float64 `json:"floors"` // the limit
	Ratios   map[string]float64 `json:"ratios"`
	Events   int                `json:"events"`      // of the backlog, all of them stored
	Bytes    int64              `json:"event_bytes"` // of all their values
	Seconds  float64            `json:"seconds"`     // until all were stored
	CPU      float64            `json:"cpu_seconds"` // of the enricher's process
	Environs Environment        `json:"environment"`
}

// Backlog measures the most memory that an enricher has resident while it works off a
// backlog of so many events. It fails unless all of them are in the table.
func Backlog(ctx context.Context, events int, stand BacklogStand) (*BacklogReport, error) {
	if err := (EnricherConfig{Events: events, Rounds: 1}).Validate(); err != nil {
		return nil, err
	}
	b := &enricherBench{
		cfg:     EnricherConfig{Events: events, Rounds: 1},
		stand:   EnricherStand{Kafka: stand.Kafka, ClickHouse: stand.ClickHouse, Live: stand.Live},
		backlog: backlog{events: events},
	}
	if err := b.backlog.fill(ctx, stand.Kafka, func(done, total int) { b.live("filling the topic", done, total) }); err != nil {
		return nil, err
	}
	start := time.Now()
	p, err := stand.Ours(ctx, "partnerpulse-bench-backlog")
	if err != nil {
		return nil, err
	}
	err = b.awaitRows(ctx, "working off the backlog")
	took := time.Since(start)
	var peak int64
	var cpu time.Duration
	if err == nil {
		peak, err = p.PeakMemory()
	}
	if err == nil {
		cpu, err = p.CPU()
	}
	if err == nil {
		err = b.check(ctx)
	}
	if err := errors.Join(err, p.Stop()); err != nil {
		return nil, err
	}
	const mib = 1 << 20
	return &BacklogReport{
		Name: "backlog", Unit: "MiB resident in the enricher's process at most", Ours: round(float64(peak) / mib),
		Floors: map[string]float64{limitName: MemoryLimitMiB}, Ratios: map[string]float64{limitName: ratio(float64(peak)/mib, MemoryLimitMiB)},
		Events: events, Bytes: b.backlog.bytes.Load(), Seconds: round(took.Seconds()), CPU: round(cpu.Seconds()), Environs: environment(stand.Version),
	}, nil
}

// String is the report for people.
func (r *BacklogReport) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("backlog of %d events (%d MB): %.0f MiB resident at most, limit %.0f MiB", r.Events, r.Bytes/1e6, r.Ours, r.Floors[limitName])
	line("stored in %.0f s, with %.0f s of the enricher's CPU time", r.Seconds, r.CPU)
	e := r.Environs
	line("%s, %d cores, %s, %s, commit %s, load average %s", e.CPU, e.Cores, e.System, e.Go, e.Commit, e.LoadAvg)
	return b.String()
}
