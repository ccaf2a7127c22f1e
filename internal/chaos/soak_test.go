package chaos

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"partnerpulse/internal/embedded/enginetest"
)

var (
	soakDuration = flag.Duration("soak.duration", 12*time.Second, "how long the steady load goes on")
	soakRate     = flag.Int("soak.rate", 1500, "events a second")
)

// gauge is what is watched of every role, and how much more than in the beginning is
// growth: by a factor and, for small values, an amount.
type gauge struct {
	name   string
	factor float64
	amount float64
}

func gauges() []gauge {
	return []gauge{
		{"go_goroutines", 1.2, 20},
		{"process_open_fds", 1.2, 20},
		{"process_resident_memory_bytes", 1.3, 64 << 20},
	}
}

// TestSoak keeps a steady load up and compares goroutines, descriptors and memory of
// each role in the first third, after a warm-up, with the last third.
func TestSoak(t *testing.T) {
	enginetest.Need(t)
	seed := uint64(time.Now().UnixNano())
	events := int(soakDuration.Seconds()) * *soakRate
	t.Logf("seed %d, %d events", seed, events)
	w := newWorld(seed, events, 60, 30, time.Now().UTC().Truncate(24*time.Hour))
	c := newCluster(t, settings{})
	c.run(2, 1)
	ctx, cancel := context.WithTimeout(t.Context(), *soakDuration+10*time.Minute)
	defer cancel()
	loaded := make(chan error, 1)
	l := &load{w: w, c: c, within: *soakDuration}
	go func() { loaded <- l.run(ctx) }()

	samples := map[string][]float64{}
	tick := time.NewTicker(max(200*time.Millisecond, *soakDuration/500))
	defer tick.Stop()
	for going := true; going; {
		select {
		case err := <-loaded:
			must(t, err)
			going = false
		case <-tick.C:
			for _, p := range c.roles() {
				for _, g := range gauges() {
					if v, err := c.metric(p.name, g.name); err == nil {
						key := p.name + " " + g.name
						samples[key] = append(samples[key], v)
					}
				}
			}
		}
	}
	c.settle(newOffsets(c.broker.addrs()), group, database)
	if len(samples) != 4*len(gauges()) {
		t.Fatalf("only %d series were read: %v", len(samples), slices.Sorted(maps.Keys(samples)))
	}
	for _, p := range c.roles() {
		for _, g := range gauges() {
			key := p.name + " " + g.name
			early, late, err := thirds(samples[key])
			if err != nil {
				t.Errorf("%s: %v", key, err)
				continue
			}
			if late > max(early*g.factor, early+g.amount) {
				t.Errorf("%s grew from %.0f to %.0f under a steady load", key, early, late)
			}
			t.Logf("%-45s %12.0f in the beginning, %12.0f at the end, of %d samples", key, early, late, len(samples[key]))
		}
	}
	r := newReport()
	check := &checker{w: w, store: c.open(database), report: r, now: time.Now()}
	must(t, check.check(t.Context()))
	if r.Mismatches > 0 || r.Stored != int64(events) {
		t.Errorf("%d mismatches, %d of %d events stored: %v", r.Mismatches, r.Stored, events, r.Examples)
	}
}

// thirds gives the medians of the first and the last third after a warm-up.
func thirds(samples []float64) (early, late float64, err error) {
	const least = 12
	if len(samples) < least {
		return 0, 0, fmt.Errorf("only %d samples", len(samples))
	}
	rest := samples[len(samples)/4:]
	third := len(rest) / 3
	median := func(of []float64) float64 { return slices.Sorted(slices.Values(of))[len(of)/2] }
	return median(rest[:third]), median(rest[len(rest)-third:]), nil
}

func TestThirdsSeeGrowth(t *testing.T) {
	flat, growing := make([]float64, 40), make([]float64, 40)
	for i := range flat {
		flat[i], growing[i] = 100, float64(100+10*i)
	}
	if early, late, err := thirds(flat); err != nil || early != late {
		t.Errorf("a steady series: %v, %v, %v", early, late, err)
	}
	if early, late, err := thirds(growing); err != nil || late < early*1.5 {
		t.Errorf("a growing series: %v, %v, %v", early, late, err)
	}
	if _, _, err := thirds(flat[:5]); err == nil {
		t.Error("five samples are enough?")
	}
}
