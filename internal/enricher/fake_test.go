package enricher_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/enricher"
	"partnerpulse/internal/event"
	"partnerpulse/internal/kafkabus"
)

var errDown = errors.New("connection refused")

// fakeStore keeps what is inserted by event id and by dirty key.
type fakeStore struct {
	mu       sync.Mutex
	fail     func(table string, rows int) error // nil: all succeeds
	refuse   func(id string) bool               // rows that cannot be stored
	rows     map[string]map[string]any
	marks    map[string]uint64 // "tenant/partner day" → marks
	markedIn time.Time         // hour of the last mark
	inserts  []int             // rows of each successful insert into events
	streamed []int             // rows of each successful streamed one
	streams  int               // that were begun
	aborted  int
	calls    int
}

func newFakeStore() *fakeStore {
	return &fakeStore{rows: map[string]map[string]any{}, marks: map[string]uint64{}}
}

func (s *fakeStore) InsertColumns(ctx context.Context, table string, cols []chstore.Column) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.fail != nil {
		if err := s.fail(table, cols[0].Len()); err != nil {
			return err
		}
	}
	rows, err := rowsOf(cols)
	if err != nil {
		return err
	}
	if table == "dirty_days" {
		for _, r := range rows {
			key := fmt.Sprintf("%s/%s %s", r["tenant"], r["partner_id"], r["day"].(time.Time).Format(time.DateOnly))
			s.marks[key] += r["marked"].(uint64)
			s.markedIn = r["hour"].(time.Time)
		}
		return nil
	}
	if err := s.refused(rows); err != nil {
		return err
	}
	s.keep(rows)
	s.inserts = append(s.inserts, len(rows))
	return nil
}

// rowsOf turns columns into rows by column name.
func rowsOf(cols []chstore.Column) ([]map[string]any, error) {
	n := cols[0].Len()
	for i, c := range cols {
		if texts, ok := c.Values.(*chstore.Texts); ok {
			cols[i].Values = texts.Strings()
		}
	}
	rows := make([]map[string]any, n)
	for i := range rows {
		rows[i] = map[string]any{}
		for _, c := range cols {
			values := reflect.ValueOf(c.Values)
			if values.Len() != n {
				return nil, fmt.Errorf("column %s has %d values, not %d", c.Name, values.Len(), n)
			}
			rows[i][c.Name] = values.Index(i).Interface()
		}
	}
	return rows, nil
}

// refused tells the first row that cannot be stored.
func (s *fakeStore) refused(rows []map[string]any) error {
	for _, r := range rows {
		if s.refuse != nil && s.refuse(r["id"].(string)) {
			return fmt.Errorf("%w: value of %v", chstore.ErrRefused, r["id"])
		}
	}
	return nil
}

// keepSome keeps half of the rows, of those that can be stored.
func (s *fakeStore) keepSome(rows []map[string]any) {
	for i, r := range rows {
		if i%2 == 0 && s.refused(rows[i:i+1]) == nil {
			s.rows[r["id"].(string)] = r
		}
	}
}

func (s *fakeStore) keep(rows []map[string]any) {
	for _, r := range rows {
		s.rows[r["id"].(string)] = r
	}
}

// stream is enricher.Deps.Stream.
func (s *fakeStore) stream(ctx context.Context, table string) (enricher.Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		if err := s.fail("start "+table, 0); err != nil {
			return nil, err
		}
	}
	s.streams++
	return &fakeStream{ctx: ctx, store: s}, nil
}

// fakeStream is an insert under way. Like ClickHouse, it may have stored some of its rows
// when it fails.
type fakeStream struct {
	ctx   context.Context
	store *fakeStore
	rows  []map[string]any
	ended bool
}

func (i *fakeStream) Append(cols []chstore.Column) error {
	i.store.mu.Lock()
	defer i.store.mu.Unlock()
	rows, err := rowsOf(cols)
	if err != nil {
		return err
	}
	if i.store.fail != nil {
		err = i.store.fail("append", len(rows))
	}
	if err = errors.Join(err, i.ctx.Err()); err != nil || i.ended {
		i.store.keepSome(i.rows)
		return errors.Join(err, errors.New("append failed"))
	}
	i.rows = append(i.rows, rows...)
	return nil
}

func (i *fakeStream) Close() error {
	i.store.mu.Lock()
	defer i.store.mu.Unlock()
	i.ended = true
	var err error
	if i.store.fail != nil {
		err = i.store.fail("close", len(i.rows))
	}
	if err == nil {
		err = i.store.refused(i.rows)
	}
	if err = errors.Join(err, i.ctx.Err()); err != nil {
		i.store.keepSome(i.rows)
		return err
	}
	i.store.keep(i.rows)
	i.store.streamed = append(i.store.streamed, len(i.rows))
	return nil
}

func (i *fakeStream) Abort() {
	i.store.mu.Lock()
	defer i.store.mu.Unlock()
	i.ended = true
	i.store.aborted++
}

func (s *fakeStore) ids() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.rows))
}

// fakePublisher keeps the rejects by "topic/partition/offset".
type fakePublisher struct {
	mu      sync.Mutex
	fail    func(msgs []kafkabus.Message) error
	rejects map[string]event.Reject
	most    int // messages of one call
}

func newFakePublisher() *fakePublisher { return &fakePublisher{rejects: map[string]event.Reject{}} }

func (p *fakePublisher) Publish(_ context.Context, msgs ...kafkabus.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	p.most = max(p.most, len(msgs))
	if p.fail != nil {
		err = p.fail(msgs)
	}
	var partial *kafkabus.PublishError
	if err != nil && !errors.As(err, &partial) {
		return err
	}
	for i, m := range msgs {
		if partial != nil && slices.Contains(partial.Failed, i) {
			continue
		}
		if m.Topic != kafkabus.TopicRejects {
			return fmt.Errorf("published to %s", m.Topic)
		}
		var r event.Reject
		if err := json.Unmarshal(m.Value, &r); err != nil {
			return err
		}
		p.rejects[place(r.Partition, r.Offset)] = r
	}
	return err
}

func (p *fakePublisher) codes() map[string]event.Code {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]event.Code{}
	for k, r := range p.rejects {
		out[k] = r.Code
	}
	return out
}

func place(partition int, offset int64) string { return fmt.Sprintf("%d@%d", partition, offset) }

// fakeGeneration hands batches over and keeps what is committed.
type fakeGeneration struct {
	id       int32
	batches  chan kafkabus.Batch
	mu       sync.Mutex
	offsets  kafkabus.Offsets
	onCommit func(kafkabus.Offsets) error
}

func newFakeGeneration() *fakeGeneration {
	return &fakeGeneration{id: 1, batches: make(chan kafkabus.Batch), offsets: kafkabus.Offsets{}}
}

func (g *fakeGeneration) ID() int32                      { return g.id }
func (g *fakeGeneration) Batches() <-chan kafkabus.Batch { return g.batches }
func (g *fakeGeneration) Commit(offsets kafkabus.Offsets) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.onCommit != nil {
		if err := g.onCommit(offsets); err != nil {
			return err
		}
	}
	maps.Copy(g.offsets, offsets)
	return nil
}

func (g *fakeGeneration) committed(partition int) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.offsets[kafkabus.TopicPartition{Topic: kafkabus.TopicEvents, Partition: partition}]
}

// sourceFunc is a Source that calls the handler as a test wants.
type sourceFunc func(ctx context.Context, handle kafkabus.Handler) error

func (f sourceFunc) Run(ctx context.Context, handle kafkabus.Handler) error { return f(ctx, handle) }

// oneGeneration is a source of a single generation that ends with the context.
func oneGeneration(g kafkabus.Generation) enricher.Source {
	return sourceFunc(func(ctx context.Context, handle kafkabus.Handler) error { return handle(ctx, g) })
}

func newEnricher(cfg enricher.Config, source enricher.Source, store enricher.Store, publisher enricher.Publisher) (*enricher.Enricher, *prometheus.Registry) {
	reg := prometheus.NewRegistry()
	deps := enricher.Deps{Source: source, Store: store, Publisher: publisher}
	if fake, ok := store.(*fakeStore); ok {
		deps.Stream = fake.stream
	}
	return enricher.New(cfg, deps, zap.NewNop(), reg), reg
}

// sample is an event as the collector writes it.
func sample(id string) *event.Event {
	at := time.Date(2026, 11, 3, 9, 15, 0, 0, time.UTC)
	return &event.Event{
		ID: id, Type: event.ContentEngaged, Time: at, PartnerID: "p-0001", UserID: "u-17", Tenant: "demo", Portal: "main",
		ReceivedAt: at.Add(time.Second), Source: event.SourceTracker, IP: "203.0.113.0", KeyID: "k1",
		Context: event.Context{
			URL: "https://portal.example/doc", Title: "Doc", Locale: "de-DE",
			UserAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
		},
		Data: []byte(`{"view_id":"v1","content_id":"c1","engaged_ms":45000,"max_scroll_pct":87.5,"extra":{"a":1}}`),
	}
}

func value(t testing.TB, e *event.Event) []byte {
	t.Helper()
	b, err := event.MarshalCloudEvent(e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fetch makes a batch of consecutive records of one partition.
func fetch(partition int, offset int64, values ...[]byte) kafkabus.Batch {
	b := kafkabus.Batch{Topic: kafkabus.TopicEvents, Partition: partition}
	for i, v := range values {
		b.Records = append(b.Records, kafkabus.Record{
			Topic: b.Topic, Partition: partition, Offset: offset + int64(i), Key: []byte("demo/p-0001"), Value: v,
		})
		b.Bytes += int64(len(v))
	}
	return b
}
