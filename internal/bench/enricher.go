package bench

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/kafkabus"
)

//go:embed sql/*.sql
var statements embed.FS

// EnricherConfig says how the enricher is measured.
type EnricherConfig struct {
	Events int // on the topic
	Rounds int // of each party; medians are reported
}

// DefaultEnricherConfig is what DESIGN.md asks for.
func DefaultEnricherConfig() EnricherConfig { return EnricherConfig{Events: 500_000, Rounds: 5} }

// Validate checks the values.
func (c EnricherConfig) Validate() error {
	if c.Events < 1000 || c.Events > 20_000_000 || c.Rounds < 1 || c.Rounds > 100 {
		return errors.New("checking the bench: events must be 1,000–20,000,000, rounds 1–100")
	}
	return nil
}

// Process is a subject that can be ended.
type Process interface {
	Subject
	Stop() error
}

// EnricherStand is what the enricher is measured with. The engines serve already, with
// empty topics and tables.
type EnricherStand struct {
	Kafka      kafkabus.Config
	Broker     Subject
	ClickHouse *chstore.Store
	Store      Subject // the process of ClickHouse
	BatchRows  int     // most rows of an insert of ours
	// Ours starts an enricher as a member of a group that has read nothing.
	Ours func(ctx context.Context, group string) (Process, error)
	// Insert starts the floor of bare inserts, once the topic is filled.
	Insert   func(ctx context.Context) (Process, error)
	Version  string                             // of the program, for a build that does not know its commit
	Progress func(string)                       // told about each measurement
	Live     func(what string, done, total int) // told about what is under way
}

// The parties of the measurement; the floors' names in reports.
const (
	partyOurs   = "ours"
	partyInsert = "columnar_insert"
	partyEngine = "kafka_engine"
)

// Bounds of one party's work, and pauses between looks at it.
const (
	drainTimeout  = time.Hour
	mergesTimeout = 5 * time.Minute
	lookPause     = 200 * time.Millisecond
	quietLooks    = 3 // looks in a row without a merge, until merging counts as done
)

// Enricher measures the whole job, Kafka to ClickHouse. It fails unless each party's
// table holds every event once, and the same.
func Enricher(ctx context.Context, cfg EnricherConfig, stand EnricherStand) (*EnricherReport, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b := &enricherBench{cfg: cfg, stand: stand, backlog: backlog{events: cfg.Events}, samples: map[string][]drain{}}
	if err := b.backlog.fill(ctx, stand.Kafka, func(done, total int) { b.live("filling the topic", done, total) }); err != nil {
		return nil, err
	}
	insert, err := stand.Insert(ctx)
	if err != nil {
		return nil, err
	}
	err = b.rounds(ctx, insert)
	if err := errors.Join(err, insert.Stop()); err != nil {
		return nil, err
	}
	return b.report(), nil
}

// enricherBench is one measurement of the enricher.
type enricherBench struct {
	cfg     EnricherConfig
	stand   EnricherStand
	backlog backlog
	samples map[string][]drain // by party
	digest  uint64             // of the first party's table
}

// drain is what one party took for the topic: CPU time by process, and time until
// everything was in the table.
type drain struct {
	broker, store, client time.Duration
	took                  time.Duration
}

func (d drain) cpu() time.Duration { return d.broker + d.store + d.client }

// rounds lets the parties take turns, each round another one first.
func (b *enricherBench) rounds(ctx context.Context, insert Subject) error {
	parties := []struct {
		name string
		work func(ctx context.Context, round int) (client time.Duration, took time.Duration, err error)
	}{
		{partyOurs, b.ours},
		{partyInsert, func(ctx context.Context, _ int) (time.Duration, time.Duration, error) { return b.insert(ctx, insert) }},
		{partyEngine, b.engine},
	}
	for round := range b.cfg.Rounds {
		for turn := range parties {
			p := parties[(turn+round)%len(parties)]
			d, err := b.measure(ctx, func(ctx context.Context) (time.Duration, time.Duration, error) { return p.work(ctx, round) })
			if err != nil {
				return fmt.Errorf("measuring %s, round %d: %w", p.name, round+1, err)
			}
			b.samples[p.name] = append(b.samples[p.name], d)
			if b.stand.Progress != nil {
				b.stand.Progress(fmt.Sprintf("round %d of %d, %-15s: %8.0f events per CPU-second, %8.0f events/s; µs of CPU an event: broker %.2f, store %.2f, client %.2f",
					round+1, b.cfg.Rounds, p.name, b.perCPU(d), b.perSecond(d), b.micros(d.broker), b.micros(d.store), b.micros(d.client)))
			}
		}
	}
	return nil
}

// measure empties the table, lets a party fill it, waits for the merges that it caused,
// and checks what is there.
func (b *enricherBench) measure(ctx context.Context, work func(context.Context) (client, took time.Duration, err error)) (d drain, err error) {
	if err := b.empty(ctx); err != nil {
		return d, err
	}
	engines := []Subject{b.stand.Broker, b.stand.Store}
	var before, after [2]time.Duration
	for i, s := range engines {
		if before[i], err = s.CPU(); err != nil {
			return d, err
		}
	}
	if d.client, d.took, err = work(ctx); err != nil {
		return d, err
	}
	if err := b.awaitMerges(ctx); err != nil {
		return d, err
	}
	for i, s := range engines {
		if after[i], err = s.CPU(); err != nil {
			return d, err
		}
	}
	d.broker, d.store = after[0]-before[0], after[1]-before[1]
	return d, b.check(ctx)
}

// ours measures the role in a process of its own, from its start.
func (b *enricherBench) ours(ctx context.Context, round int) (client, took time.Duration, err error) {
	start := time.Now()
	p, err := b.stand.Ours(ctx, fmt.Sprintf("partnerpulse-bench-%d", round))
	if err != nil {
		return 0, 0, err
	}
	err = b.awaitRows(ctx, partyOurs)
	took = time.Since(start)
	if err == nil {
		client, err = p.CPU()
	}
	return client, took, errors.Join(err, p.Stop())
}

// insert measures the floor of bare inserts, whose process has the rows in memory.
func (b *enricherBench) insert(ctx context.Context, p Subject) (client, took time.Duration, err error) {
	before, err := p.CPU()
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.Address().Addr+"/", nil)
	if err != nil {
		return 0, 0, fmt.Errorf("asking the floor to insert: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, 0, fmt.Errorf("asking the floor to insert: %w", err)
	}
	said, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK {
		return 0, 0, fmt.Errorf("the floor's insert: %s: %s (%w)", resp.Status, said, errors.Join(err, errRefused))
	}
	took = time.Since(start)
	after, err := p.CPU()
	return after - before, took, err
}

// engine measures ClickHouse's own Kafka engine with a materialized view. All its work
// is in ClickHouse's process.
func (b *enricherBench) engine(ctx context.Context, round int) (client, took time.Duration, err error) {
	fill := strings.NewReplacer("{{broker}}", b.stand.Kafka.Brokers[0], "{{topic}}", kafkabus.TopicEvents,
		"{{group}}", fmt.Sprintf("partnerpulse-bench-engine-%d", round), "{{block_rows}}", fmt.Sprint(b.stand.BatchRows))
	start := time.Now()
	for _, file := range []string{"kafka_engine_source", "kafka_engine_view"} {
		if err := b.stand.ClickHouse.Exec(ctx, fill.Replace(statement(file)), nil); err != nil {
			return 0, 0, fmt.Errorf("creating the Kafka engine's tables: %w", err)
		}
	}
	err = b.awaitRows(ctx, partyEngine)
	took = time.Since(start)
	for _, drop := range []string{"DROP TABLE bench_view SYNC", "DROP TABLE bench_queue SYNC"} {
		err = errors.Join(err, b.stand.ClickHouse.Exec(ctx, drop, nil))
	}
	return 0, took, err
}

// statement gives an embedded file's text; the files are known.
func statement(name string) string {
	text, err := statements.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err) // only for a name that is not embedded
	}
	return string(text)
}

// empty makes the tables empty and waits until nothing works on them.
func (b *enricherBench) empty(ctx context.Context) error {
	for _, table := range []string{tableEvents, "dirty_days"} {
		if err := b.stand.ClickHouse.Exec(ctx, "TRUNCATE TABLE "+table+" SYNC", nil); err != nil {
			return fmt.Errorf("emptying the table %s: %w", table, err)
		}
	}
	return b.awaitMerges(ctx)
}

// number runs a query that gives one number named n.
func (b *enricherBench) number(ctx context.Context, query string) (uint64, error) {
	var rows []struct {
		N uint64 `ch:"n"`
	}
	if err := b.stand.ClickHouse.Select(ctx, &rows, query, nil); err != nil {
		return 0, fmt.Errorf("looking at the tables: %w", err)
	}
	if len(rows) == 0 {
		return 0, nil
	}
	return rows[0].N, nil
}

// awaitRows waits until the table has as many rows as the topic has events.
func (b *enricherBench) awaitRows(ctx context.Context, party string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, drainTimeout, fmt.Errorf("%w: not all events are in the table after %s", ErrInexact, drainTimeout))
	defer cancel()
	return look(ctx, func() (bool, error) {
		n, err := b.number(ctx, "SELECT count() AS n FROM "+tableEvents)
		b.live(party, int(n), b.cfg.Events)
		return n >= uint64(b.cfg.Events), err
	})
}

// awaitMerges waits until no merge has been seen for some looks.
func (b *enricherBench) awaitMerges(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, mergesTimeout, fmt.Errorf("merges have not ended after %s", mergesTimeout))
	defer cancel()
	quiet := 0
	return look(ctx, func() (bool, error) {
		n, err := b.number(ctx, "SELECT count() AS n FROM system.merges")
		quiet++
		if n > 0 {
			quiet = 0
		}
		return quiet >= quietLooks, err
	})
}

// look asks again and again until it is done, an error comes, or ctx ends.
func look(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(lookPause)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// check compares the table with the topic and with the other parties' tables.
func (b *enricherBench) check(ctx context.Context) error {
	var rows []struct {
		Events uint64 `ch:"events"`
		Digest uint64 `ch:"digest"`
	}
	if err := b.stand.ClickHouse.Select(ctx, &rows, statement("digest"), nil); err != nil {
		return fmt.Errorf("comparing the tables: %w", err)
	}
	if len(rows) != 1 || rows[0].Events != uint64(b.cfg.Events) {
		return fmt.Errorf("%w: the topic has %d events, the table %+v", ErrInexact, b.cfg.Events, rows)
	}
	if b.digest == 0 {
		b.digest = rows[0].Digest
	}
	if b.digest != rows[0].Digest {
		return fmt.Errorf("%w: the rows are not those of the other parties", ErrInexact)
	}
	return nil
}

func (b *enricherBench) live(what string, done, total int) {
	if b.stand.Live != nil {
		b.stand.Live(what, done, total)
	}
}

func (b *enricherBench) perCPU(d drain) float64 {
	return ratio(float64(b.cfg.Events), d.cpu().Seconds())
}
func (b *enricherBench) perSecond(d drain) float64 {
	return ratio(float64(b.cfg.Events), d.took.Seconds())
}

// micros gives a time's share of one event, in microseconds.
func (b *enricherBench) micros(d time.Duration) float64 {
	return ratio(d.Seconds()*1e6, float64(b.cfg.Events))
}
