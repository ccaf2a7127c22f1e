package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"partnerpulse/internal/kafkabus"
)

// CollectorConfig says how the collector is measured.
type CollectorConfig struct {
	Length      time.Duration // of one measurement
	Rounds      int           // of each measurement; medians are reported
	Connections int           // kept-alive, one request at a time each
	Batch       int           // events of a request, when batches are measured
}

// DefaultCollectorConfig is what DESIGN.md asks for.
func DefaultCollectorConfig() CollectorConfig {
	return CollectorConfig{Length: 5 * time.Second, Rounds: 5, Connections: 64, Batch: 50}
}

// Validate checks the values.
func (c CollectorConfig) Validate() error {
	if c.Length <= 0 || c.Rounds < 1 || c.Rounds > 1000 || c.Connections < 1 || c.Connections > 4096 || c.Batch < 2 || c.Batch > 1000 {
		return errors.New("checking the bench: seconds must be positive, rounds 1–1000, connections 1–4096, batch 2–1000")
	}
	return nil
}

// CollectorStand is what the collector is measured with: all of it serves already.
type CollectorStand struct {
	Kafka    kafkabus.Config
	Ours     Subject
	Floor    Subject
	Version  string       // of the program, for a build that does not know its commit
	Progress func(string) // told about each measurement
}

// warmUp is how long each subject is loaded before anything is measured.
const warmUp = 2 * time.Second

// floorName names the collector's floor in reports.
const floorName = "decode_and_produce"

// Collector measures. It fails when anything that was acknowledged is not in the
// topic, or anything is there that was not acknowledged.
func Collector(ctx context.Context, cfg CollectorConfig, stand CollectorStand) (*CollectorReport, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	events, err := newPool(time.Now().UTC().Truncate(time.Millisecond))
	if err != nil {
		return nil, err
	}
	b := &collectorBench{cfg: cfg, stand: stand, events: events}
	if b.written, err = b.end(ctx); err != nil {
		return nil, err
	}
	batches := load{connections: cfg.Connections, batch: cfg.Batch, length: cfg.Length}
	single := load{connections: cfg.Connections, batch: 1, length: cfg.Length}
	ours, floor, err := b.compare(ctx, "batches", batches)
	if err != nil {
		return nil, err
	}
	singleOurs, singleFloor, err := b.compare(ctx, "single events", single)
	if err != nil {
		return nil, err
	}
	report := &CollectorReport{
		Name: "collector", Unit: "events per CPU-second of the process",
		Ours: round(ours.perCPU()), Floors: map[string]float64{floorName: round(floor.perCPU())},
		Ratios:   map[string]float64{floorName: ratio(ours.perCPU(), floor.perCPU())},
		Batches:  BatchFigures{Events: cfg.Batch, Ours: ours.rates(), Floor: floor.rates(), RoundRatios: roundRatios(ours, floor)},
		Single:   SingleFigures{Ours: singleOurs.requestFigures(), Floor: singleFloor.requestFigures()},
		Exact:    Exactness{Acknowledged: b.acked, Written: b.acked},
		Setting:  Setting{Seconds: cfg.Length.Seconds(), Rounds: cfg.Rounds, Connections: cfg.Connections, EventBytes: events.meanBytes()},
		Broker:   "embedded (kfake), own process, acks=all, no fsync per acknowledgement (Apache Kafka's default)",
		Environs: environment(stand.Version),
	}
	report.Single.Ratios = map[string]float64{floorName: ratio(singleOurs.perCPU(), singleFloor.perCPU())}
	return report, nil
}

// collectorBench is one measurement of the collector.
type collectorBench struct {
	cfg     CollectorConfig
	stand   CollectorStand
	events  *pool
	written int64 // records in the topic, as last seen
	acked   int64 // events acknowledged in all
}

// sample is one round of one subject.
type sample struct {
	result
	cpu time.Duration
}

type samples []sample

// compare loads ours and the floor in turn, each first in every other round.
func (b *collectorBench) compare(ctx context.Context, name string, l load) (ours, floor samples, err error) {
	for _, s := range []Subject{b.stand.Ours, b.stand.Floor} {
		warm := l
		warm.length = min(warmUp, l.length)
		if _, err := b.measure(ctx, s, warm); err != nil {
			return nil, nil, fmt.Errorf("warming up for %s: %w", name, err)
		}
	}
	for round := range b.cfg.Rounds {
		for turn := range 2 {
			isOurs := (turn == 0) == (round%2 == 0)
			subject, into, who := b.stand.Floor, &floor, "floor"
			if isOurs {
				subject, into, who = b.stand.Ours, &ours, "ours "
			}
			s, err := b.measure(ctx, subject, l)
			if err != nil {
				return nil, nil, fmt.Errorf("measuring %s, round %d, %s: %w", name, round+1, who, err)
			}
			*into = append(*into, s)
			b.tell(fmt.Sprintf("%s, round %d of %d, %s: %8.0f events/s, %8.0f events per CPU-second, p99 %.1f ms",
				name, round+1, b.cfg.Rounds, who, s.perSecond(), s.perCPU(), milliseconds(quantile(s.latencies, 0.99))))
		}
	}
	return ours, floor, nil
}

func (b *collectorBench) tell(line string) {
	if b.stand.Progress != nil {
		b.stand.Progress(line)
	}
}

// measure loads a subject once and counts what the topic got of it.
func (b *collectorBench) measure(ctx context.Context, s Subject, l load) (sample, error) {
	before, err := s.CPU()
	if err != nil {
		return sample{}, err
	}
	r, err := l.send(ctx, s.Address(), b.events)
	if err != nil {
		return sample{}, err
	}
	after, err := s.CPU()
	if err != nil {
		return sample{}, err
	}
	end, err := b.end(ctx)
	if err != nil {
		return sample{}, err
	}
	if got := end - b.written; got != int64(r.events) {
		return sample{}, fmt.Errorf("%w: %d events were acknowledged, %d are in the topic", ErrInexact, r.events, got)
	}
	b.written, b.acked = end, b.acked+int64(r.events)
	return sample{result: r, cpu: after - before}, nil
}

// ErrInexact says that what was acknowledged is not what was written. The broker of
// a measurement fails nothing, so no repetition can explain it.
var ErrInexact = errors.New("acknowledged and written events differ")

// end gives how many records the topic of events has got.
func (b *collectorBench) end(ctx context.Context) (int64, error) {
	ends, err := kafkabus.EndOffsets(ctx, b.stand.Kafka, kafkabus.TopicEvents)
	var sum int64
	for _, n := range ends {
		sum += n
	}
	return sum, err
}

func (s sample) perCPU() float64    { return ratio(float64(s.events), s.cpu.Seconds()) }
func (s sample) perSecond() float64 { return ratio(float64(s.events), s.took.Seconds()) }

func (s samples) median(of func(sample) float64) float64 {
	values := make([]float64, len(s))
	for i := range s {
		values[i] = of(s[i])
	}
	return median(values)
}

func (s samples) perCPU() float64 { return s.median(sample.perCPU) }

func (s samples) rates() Rates {
	return Rates{EventsPerSecond: round(s.median(sample.perSecond)), EventsPerCPUSecond: round(s.perCPU())}
}

func (s samples) requestFigures() RequestFigures {
	latency := func(q float64) float64 {
		return s.median(func(one sample) float64 { return milliseconds(quantile(one.latencies, q)) })
	}
	return RequestFigures{
		RequestsPerSecond: round(s.median(sample.perSecond)), RequestsPerCPUSecond: round(s.perCPU()),
		P50Milliseconds: latency(0.5), P99Milliseconds: latency(0.99), P999Milliseconds: latency(0.999),
	}
}

// roundRatios gives ours ÷ floor of every round, in order.
func roundRatios(ours, floor samples) []float64 {
	out := make([]float64, len(ours))
	for i := range ours {
		out[i] = ratio(ours[i].perCPU(), floor[i].perCPU())
	}
	return out
}
