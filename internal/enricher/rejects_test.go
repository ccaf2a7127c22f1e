package enricher_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/enricher"
	"partnerpulse/internal/event"
	"partnerpulse/internal/kafkabus"
)

// rejected is a reject as the collector writes it.
func rejected(t testing.TB, id string, original string) []byte {
	t.Helper()
	at := time.Date(2026, 11, 3, 23, 59, 59, 999e6, time.UTC)
	r := event.NewReject(at, "collector", &event.Problem{Code: event.CodeSchema, Pointer: "/data/content_id", Message: "is required"}, []byte(original))
	r.Tenant, r.Portal, r.KeyID, r.Source, r.EventID, r.EventType = "demo", "main", "k1", event.SourceAPI, id, "content.viewed"
	b, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func rejectRecords(offset int64, values ...[]byte) kafkabus.Batch {
	b := kafkabus.Batch{Topic: kafkabus.TopicRejects, Partition: 1}
	for i, v := range values {
		b.Records = append(b.Records, kafkabus.Record{
			Topic: b.Topic, Partition: 1, Offset: offset + int64(i), Key: []byte("demo/-"), Value: v,
			Time: time.Date(2026, 11, 4, 0, 0, 1, 0, time.UTC),
		})
		b.Bytes += int64(len(v))
	}
	return b
}

// rejectStore keeps the inserted originals, refusing the first attempts.
type rejectStore struct {
	failures int
	inserts  [][]string
	onInsert func()
}

func (s *rejectStore) InsertColumns(_ context.Context, table string, cols []chstore.Column) error {
	if table != "rejects" {
		return fmt.Errorf("inserted into %s", table)
	}
	if s.onInsert != nil {
		s.onInsert()
	}
	if s.failures > 0 {
		s.failures--
		return errDown
	}
	for _, c := range cols {
		if c.Name == "original" {
			values, _ := c.Values.([]string)
			s.inserts = append(s.inserts, append([]string(nil), values...))
		}
	}
	return nil
}

func TestRejectsAreCommittedAfterTheyAreStored(t *testing.T) {
	g := newFakeGeneration()
	place := kafkabus.TopicPartition{Topic: kafkabus.TopicRejects, Partition: 1}
	store := &rejectStore{failures: 3}
	store.onInsert = func() {
		if n, ok := g.offsets[place]; ok {
			t.Errorf("offset %d was committed before the insert", n)
		}
	}
	reg := prometheus.NewRegistry()
	r := enricher.NewRejects(enricher.Config{FlushAgeMax: time.Hour, RetryMin: time.Microsecond, RetryMax: time.Millisecond},
		enricher.RejectsDeps{Source: oneGeneration(g), Store: store}, zaptest.NewLogger(t), reg)
	done := make(chan error, 1)
	go func() { done <- r.Run(t.Context()) }()
	g.batches <- rejectRecords(7, rejected(t, "e1", `{"a":1}`), []byte("garbage"))
	g.batches <- rejectRecords(9, rejected(t, "e2", "\xff\x00 not text"))
	close(g.batches)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	want := [][]string{{`{"a":1}`, "garbage", "\xff\x00 not text"}}
	if diff := cmp.Diff(want, store.inserts); diff != "" {
		t.Error(diff)
	}
	if n := g.offsets[place]; n != 10 {
		t.Errorf("committed %d, want 10", n)
	}
}

// TestRejectsThatCannotBeStoredAreNotCommitted: when the generation ends while the
// store is away, nothing of it counts as done.
func TestRejectsThatCannotBeStoredAreNotCommitted(t *testing.T) {
	g := newFakeGeneration()
	ctx, cancel := context.WithCancelCause(t.Context())
	attempts := 0
	store := &rejectStore{failures: 1 << 30}
	store.onInsert = func() {
		if attempts++; attempts == 5 {
			cancel(kafkabus.ErrGenerationEnded)
		}
	}
	source := sourceFunc(func(_ context.Context, handle kafkabus.Handler) error { return handle(ctx, g) })
	r := enricher.NewRejects(enricher.Config{HoldRowsMax: 1, RetryMin: time.Microsecond, RetryMax: time.Millisecond},
		enricher.RejectsDeps{Source: source, Store: store}, zaptest.NewLogger(t), prometheus.NewRegistry())
	done := make(chan error, 1)
	go func() { done <- r.Run(t.Context()) }()
	g.batches <- rejectRecords(0, rejected(t, "e1", `{}`))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if len(g.offsets) != 0 {
		t.Errorf("committed %v without a stored row", g.offsets)
	}
}

// TestAFailedCommitOfRejectsIsCoveredByTheNext keeps offsets that Kafka did not take.
func TestAFailedCommitOfRejectsIsCoveredByTheNext(t *testing.T) {
	g := newFakeGeneration()
	commits := 0
	g.onCommit = func(kafkabus.Offsets) error {
		if commits++; commits == 1 {
			return errors.New("coordinator moved")
		}
		return nil
	}
	r := enricher.NewRejects(enricher.Config{HoldRowsMax: 1}, enricher.RejectsDeps{Source: oneGeneration(g), Store: &rejectStore{}},
		zaptest.NewLogger(t), prometheus.NewRegistry())
	done := make(chan error, 1)
	go func() { done <- r.Run(t.Context()) }()
	g.batches <- rejectRecords(0, rejected(t, "e1", `{}`))
	other := rejectRecords(4, rejected(t, "e2", `{}`))
	other.Partition, other.Records[0].Partition = 2, 2
	g.batches <- other
	close(g.batches)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	want := kafkabus.Offsets{{Topic: kafkabus.TopicRejects, Partition: 1}: 1, {Topic: kafkabus.TopicRejects, Partition: 2}: 5}
	if diff := cmp.Diff(want, g.offsets); diff != "" {
		t.Error(diff)
	}
}

// TestRejectsBecomeRowsInClickHouse reads the topic twice, in two groups: each
// record is one row, with its bytes as they were.
func TestRejectsBecomeRowsInClickHouse(t *testing.T) {
	bus, store := engines(t)
	producer := kafkabus.NewProducer(kafkabus.ProducerConfig{Config: bus}, zaptest.NewLogger(t), prometheus.NewRegistry())
	defer func() { _ = producer.Close() }()
	for _, v := range [][]byte{rejected(t, "e1", `{"id":"e1"}`), rejected(t, "e2", "\xff bytes"), []byte("garbage")} {
		if err := producer.Publish(t.Context(), kafkabus.Message{Topic: kafkabus.TopicRejects, Key: []byte("demo/-"), Value: v}); err != nil {
			t.Fatal(err)
		}
	}
	type row struct {
		Tenant   string    `ch:"tenant"`
		Day      time.Time `ch:"day"`
		Code     string    `ch:"code"`
		At       time.Time `ch:"rejected_at"`
		Stage    string    `ch:"stage"`
		Source   string    `ch:"source"`
		EventID  string    `ch:"event_id"`
		Pointer  string    `ch:"pointer"`
		Original string    `ch:"original"`
	}
	for n, group := range []string{"one", "two"} {
		consumer := kafkabus.NewConsumer(kafkabus.ConsumerConfig{Config: bus, Group: group, Topics: []string{kafkabus.TopicRejects}, SessionTimeout: 6 * time.Second},
			zaptest.NewLogger(t), prometheus.NewRegistry())
		inserted := make(chan int, 16)
		r := enricher.NewRejects(enricher.Config{FlushAgeMax: 50 * time.Millisecond},
			enricher.RejectsDeps{Source: consumer, Store: countingStore{store, inserted}}, zaptest.NewLogger(t), prometheus.NewRegistry())
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		for rows := 0; rows < 3; {
			select {
			case more := <-inserted:
				rows += more
			case <-time.After(time.Minute):
				t.Fatalf("group %d stored %d of 3 rejects", n, rows)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	at := time.Date(2026, 11, 3, 23, 59, 59, 999e6, time.UTC)
	want := []row{
		{Tenant: "demo", Day: at.Truncate(24 * time.Hour), Code: "schema", At: at, Stage: "collector", Source: "api", EventID: "e1", Pointer: "/data/content_id", Original: `{"id":"e1"}`},
		{Tenant: "demo", Day: at.Truncate(24 * time.Hour), Code: "schema", At: at, Stage: "collector", Source: "api", EventID: "e2", Pointer: "/data/content_id", Original: "\xff bytes"},
		{Code: "undecodable", Stage: "rejects", Original: "garbage"},
	}
	var got []row
	err := store.Select(t.Context(), &got, `SELECT tenant, day, code, rejected_at, stage, source, event_id, pointer, original
		FROM rejects FINAL ORDER BY event_id = '', event_id`, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) == 3 { // the record's own time, which the broker made
		want[2].At, want[2].Day = got[2].At, got[2].At.Truncate(24*time.Hour)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// countingStore tells how many rows were inserted.
type countingStore struct {
	*chstore.Store
	inserted chan<- int
}

func (s countingStore) InsertColumns(ctx context.Context, table string, cols []chstore.Column) error {
	err := s.Store.InsertColumns(ctx, table, cols)
	if ids, ok := cols[3].Values.([]uint64); ok && err == nil {
		s.inserted <- len(ids)
	}
	return err
}
