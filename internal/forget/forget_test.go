package forget_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	kafkago "github.com/segmentio/kafka-go"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/aggregator"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/embedded/enginetest"
	"partnerpulse/internal/embedded/kafka"
	"partnerpulse/internal/enrich"
	"partnerpulse/internal/enricher"
	"partnerpulse/internal/event"
	"partnerpulse/internal/forget"
	"partnerpulse/internal/forgotten"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/secret"
	"partnerpulse/schemas"
)

func TestMain(m *testing.M) { os.Exit(enginetest.Main(m)) }

const key = "0123456789abcdef0123456789abcdef"

// stand is Kafka, ClickHouse and the roles between.
type stand struct {
	*testing.T
	bus      kafkabus.Config
	store    *chstore.Store
	producer *kafkabus.Producer
	agg      *aggregator.Aggregator
	now      time.Time
	keys     map[string]secret.Text
	groups   int
	accepted int // days; 0: all
}

// ReadAll and Publish make the stand a forget.Log.
func (s *stand) ReadAll(ctx context.Context, topic string, fn func(kafkabus.Record) error) error {
	return kafkabus.ReadAll(ctx, s.bus, topic, fn)
}

func (s *stand) Publish(ctx context.Context, msgs ...kafkabus.Message) error {
	return s.producer.Publish(ctx, msgs...)
}

func newStand(t *testing.T) *stand {
	t.Helper()
	clickhouse := enginetest.ClickHouse(t)
	broker := kafka.New(kafka.Config{Addr: "127.0.0.1:0"}, zap.NewNop())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- broker.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-broker.Ready():
	case err := <-done:
		done <- err
		t.Fatal(err)
	}
	s := &stand{T: t, bus: kafkabus.Config{Brokers: []string{broker.Addr()}}, now: time.Date(2026, 11, 10, 12, 0, 0, 0, time.UTC)}
	s.must(kafkabus.EnsureTopics(t.Context(), s.bus, kafkabus.Topics(2)))
	cfg := chstore.DefaultConfig()
	cfg.Addr, cfg.Database = []string{"http://" + clickhouse}, fmt.Sprintf("forget_%d", time.Now().UnixNano())
	var err error
	s.store, err = chstore.Open(cfg, zap.NewNop(), prometheus.NewRegistry())
	s.must(err)
	t.Cleanup(func() { _ = s.store.Close() })
	ms, err := chstore.Migrations(schemas.ClickHouse, "clickhouse")
	s.must(err)
	_, err = s.store.Migrate(t.Context(), ms)
	s.must(err)
	s.producer = kafkabus.NewProducer(kafkabus.ProducerConfig{Config: s.bus}, zap.NewNop(), prometheus.NewRegistry())
	t.Cleanup(func() { _ = s.producer.Close() })
	s.agg, err = aggregator.New(aggregator.DefaultConfig(), aggregator.Deps{Store: s.store, Publisher: s.producer, Now: func() time.Time { return s.now }},
		zap.NewNop(), prometheus.NewRegistry())
	s.must(err)
	return s
}

func (s *stand) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// someone's events of two days, with a visit before the identification.
func (s *stand) visit(partner, user, visitor string, from int) (out []*event.Event) {
	for i := range 6 {
		at := s.now.AddDate(0, 0, -3+i%2).Add(time.Duration(from+i) * time.Minute)
		e := &event.Event{
			ID: fmt.Sprintf("%s-%s-%d", partner, user, from+i), Type: event.ContentViewed, Time: at, ReceivedAt: at.Add(time.Second), Tenant: "demo", Portal: "main",
			PartnerID: partner, UserID: user, AnonymousID: visitor, Source: event.SourceTracker, IP: "203.0.113.0",
			Data: []byte(fmt.Sprintf(`{"view_id":"%s%d","content_id":"c"}`, user, i)),
		}
		if i == 0 {
			e.UserID = ""
		}
		if i == 5 {
			e.Source, e.Type, e.Data = event.SourceXAPI, event.TrainingCompleted, []byte(`{"course_id":"k"}`)
		}
		out = append(out, e)
	}
	return out
}

func (s *stand) describe(partner, user string) *event.Event {
	return &event.Event{
		ID: "describe-" + user, Type: event.UserUpserted, Time: s.now.AddDate(0, 0, -4), ReceivedAt: s.now.AddDate(0, 0, -4), Tenant: "demo", Portal: "main",
		PartnerID: partner, UserID: "admin", Source: event.SourceAPI, Data: []byte(`{"user_id":"` + user + `"}`),
	}
}

// send publishes events as the collector does.
func (s *stand) send(events ...*event.Event) {
	s.Helper()
	var msgs []kafkabus.Message
	for _, e := range events {
		value, err := event.MarshalCloudEvent(e)
		s.must(err)
		msgs = append(msgs, kafkabus.Message{Topic: kafkabus.TopicEvents, Key: []byte(e.Key()), Value: value})
		if e.Type.IsDirectory() {
			k, err := event.DirectoryKey(e)
			s.must(err)
			msgs = append(msgs, kafkabus.Message{Topic: kafkabus.TopicDirectory, Key: []byte(k), Value: value})
		}
	}
	s.must(s.producer.Publish(s.Context(), msgs...))
}

// refuse publishes a reject whose original is text.
func (s *stand) refuse(text string) {
	s.Helper()
	r := event.NewReject(s.now.Add(-time.Hour), "collector", &event.Problem{Code: event.CodeUndecodable, Message: "no"}, []byte(text))
	r.Tenant = "demo"
	value, err := r.Marshal()
	s.must(err)
	s.must(s.producer.Publish(s.Context(), kafkabus.Message{Topic: kafkabus.TopicRejects, Key: []byte("demo/-"), Value: value}))
}

// enrich reads both topics from their start in groups of their own, to their end.
func (s *stand) enrich(store enricher.Store) {
	s.Helper()
	s.groups++
	cfg := enrich.DefaultConfig()
	cfg.PseudonymKeys = s.keys
	chain, err := enrich.New(cfg, nil)
	s.must(err)
	guard := forget.NewGuard(s.store)
	source := func(topic string) *kafkabus.Consumer {
		return kafkabus.NewConsumer(kafkabus.ConsumerConfig{
			Config: s.bus, Group: fmt.Sprintf("%s-%d", topic, s.groups), Topics: []string{topic}, SessionTimeout: 6 * time.Second,
		}, zap.NewNop(), prometheus.NewRegistry())
	}
	flush := enricher.Config{FlushAgeMax: 50 * time.Millisecond, AcceptedDays: s.accepted}
	events := enricher.New(flush, enricher.Deps{Source: source(kafkabus.TopicEvents), Store: store, Publisher: s.producer, Chain: chain, Guard: guard},
		zaptest.NewLogger(s, zaptest.Level(zap.WarnLevel)), prometheus.NewRegistry())
	rejects := enricher.NewRejects(flush, enricher.RejectsDeps{Source: source(kafkabus.TopicRejects), Store: s.store, Guard: guard},
		zap.NewNop(), prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- events.Run(ctx) }()
	go func() { done <- rejects.Run(ctx) }()
	for _, topic := range []string{kafkabus.TopicEvents, kafkabus.TopicRejects} {
		end := map[int]int64{}
		s.must(kafkabus.ReadAll(s.Context(), s.bus, topic, func(r kafkabus.Record) error {
			end[r.Partition] = r.Offset + 1
			return nil
		}))
		s.awaitCommits(fmt.Sprintf("%s-%d", topic, s.groups), topic, end)
	}
	cancel()
	s.must(<-done)
	s.must(<-done)
}

// awaitCommits waits until a group has committed these offsets.
func (s *stand) awaitCommits(group, topic string, end map[int]int64) {
	s.Helper()
	client := kafkago.Client{Addr: kafkago.TCP(s.bus.Brokers...)}
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got, err := client.OffsetFetch(s.Context(), &kafkago.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: {0, 1}}})
		s.must(err)
		behind := len(got.Topics[topic]) < 2
		for _, p := range got.Topics[topic] {
			behind = behind || max(p.CommittedOffset, 0) < end[p.Partition]
		}
		if !behind {
			return
		}
		if time.Now().After(deadline) {
			s.Fatalf("group %s was never through with %v: %+v", group, end, got)
		}
	}
}

// aggregate works everything off.
func (s *stand) aggregate() {
	s.Helper()
	for range 20 {
		work, err := s.agg.Tick(s.Context())
		s.must(err)
		if work.Keys == 0 && !work.More {
			return
		}
	}
	s.Fatal("the aggregator never comes to an end")
}

// forget erases with an aggregator at work.
func (s *stand) forget(req forget.Request) *forget.Report {
	s.Helper()
	ctx, stop := context.WithCancel(s.Context())
	working := make(chan error, 1)
	if req.Wait > 0 {
		go func() {
			for ctx.Err() == nil {
				if _, err := s.agg.Tick(s.Context()); err != nil {
					working <- err
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
			working <- nil
		}()
	} else {
		working <- nil
	}
	f := forget.New(forget.Deps{Store: s.store, Log: s}, zap.NewNop())
	report, err := f.Run(s.Context(), req)
	stop()
	s.must(err)
	s.must(<-working)
	return report
}

// tables are all with rows of tenants.
func (s *stand) tables() (out []string) {
	s.Helper()
	var rows []struct {
		Name string `ch:"name"`
	}
	s.must(s.store.Select(s.Context(), &rows, `SELECT DISTINCT table AS name FROM system.columns
		WHERE database = currentDatabase() AND name = 'tenant' AND table IN (SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree')
		ORDER BY name`, nil))
	for _, r := range rows {
		out = append(out, r.Name)
	}
	return out
}

// rows gives the rows of a table as JSON, without what differs when the same row is
// written again, and only those that hold one of the words, or (held false) none.
func (s *stand) rows(table string, held bool, words ...string) []string {
	s.Helper()
	var rows []struct {
		Row string `ch:"row"`
	}
	query := "SELECT formatRowNoNewline('JSONEachRow', * EXCEPT (ver)) AS row FROM `" + table + "` FINAL ORDER BY row"
	if table == "rejects" || table == "xapi_statements" {
		query = strings.Replace(query, "* EXCEPT (ver)", "*", 1)
	}
	s.must(s.store.Select(s.Context(), &rows, query, nil))
	out := []string{}
	for _, r := range rows {
		found := slices.ContainsFunc(words, func(w string) bool { return strings.Contains(r.Row, w) })
		if found == held {
			out = append(out, r.Row)
		}
	}
	return out
}

// others is everything that does not name one of the words.
func (s *stand) others(words ...string) map[string][]string {
	s.Helper()
	out := map[string][]string{}
	for _, table := range []string{"events", "partner_daily", "sessions", "partner_scores", "detector_state", "rejects", "xapi_statements"} {
		out[table] = s.rows(table, false, words...)
	}
	return out
}

// traces finds a word anywhere on disk: in all versions of all rows of all tables.
func (s *stand) traces(words ...string) (out []string) {
	s.Helper()
	for _, table := range s.tables() {
		if table == "dirty_days" || strings.HasPrefix(table, "agg_") {
			continue
		}
		var rows []struct {
			Row string `ch:"row"`
		}
		s.must(s.store.Select(s.Context(), &rows, "SELECT formatRowNoNewline('JSONEachRow', *) AS row FROM `"+table+"`", nil))
		for _, r := range rows {
			if slices.ContainsFunc(words, func(w string) bool { return strings.Contains(r.Row, w) }) {
				out = append(out, table+": "+r.Row)
			}
		}
	}
	return out
}

// fill sends what these users of p-1 and one of p-2 do, and works it off.
func (s *stand) fill(users ...string) {
	for _, u := range users {
		s.send(s.describe("p-1", u))
		s.send(s.visit("p-1", u, "v-"+u, len(u)*10+int(u[0]))...)
	}
	s.send(s.visit("p-2", "carl", "v-carl", 60)...)
	s.refuse(`{"user_id":"anna"}`)
	s.refuse(`{"user_id":"joanna"}`)
	s.refuse(`{"partner_id":"p-2"}`)
	s.enrich(s.store)
	s.aggregate()
}

func TestAUserIsForgottenAndDoesNotComeBack(t *testing.T) {
	for name, keys := range map[string]map[string]secret.Text{"plain": nil, "pseudonymised": {"demo": key}} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t)
			s.keys = keys
			s.fill("anna", "bert")
			var never map[string][]string // a world without her
			if keys == nil {
				without := newStand(t)
				without.fill("bert")
				never = without.others("nothing")
				delete(never, "rejects") // each topic has its own offsets
			}
			req := forget.Request{Tenant: "demo", User: "anna", Wait: 30 * time.Second}
			words := []string{`"anna"`, "v-anna", "p-1-anna-", "describe-anna", `\"anna\"`}
			stored := "anna"
			if keys != nil {
				req.Pseudonym = enrich.Pseudonym(key, "anna")
				words, stored = append(words, req.Pseudonym), req.Pseudonym
			}
			if len(s.rows("sessions", true, stored)) == 0 || len(s.rows("events", true, words...)) != 7 {
				t.Fatalf("nothing to forget: %v, %v", s.rows("sessions", true, stored), s.rows("events", true, words...))
			}
			dry := req
			dry.DryRun = true
			before := s.others("nothing")
			found := s.forget(dry)
			if diff := cmp.Diff(before, s.others("nothing")); diff != "" {
				t.Errorf("a dry run changed something: %s", diff)
			}
			report := s.forget(req)
			want := map[string]uint64{
				"events": 7, "sessions": 2, "rejects": 1, "xapi_statements": 1, kafkabus.TopicDirectory: 1,
				"user_daily": 2, "users": 1, "entity_events": 2, "content_daily": 2,
			}
			for _, r := range []*forget.Report{found, report} {
				for _, p := range r.Places {
					if p.Rows < want[p.Name] || want[p.Name] == 0 && p.Rows != 0 {
						t.Errorf("dry run %v: %d rows in %s, want %d", r.DryRun, p.Rows, p.Name, want[p.Name])
					}
				}
			}
			if report.Pending {
				t.Error("the aggregator has not recomputed")
			}
			check := func(when string) {
				t.Helper()
				if left := s.traces(words...); len(left) > 0 {
					t.Errorf("%s: %d traces are left: %s", when, len(left), left[0])
				}
				// Everything is as if she had never come.
				for table := range never {
					if diff := cmp.Diff(never[table], s.rows(table, false, "nothing")); diff != "" {
						t.Errorf("%s: %s differs from a world without her: %s", when, table, diff)
					}
				}
			}
			check("at once")
			after := s.others("nothing")
			for _, table := range []string{"events", "sessions", "rejects", "xapi_statements"} {
				kept := slices.DeleteFunc(slices.Clone(before[table]), func(row string) bool {
					return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(row, w) })
				})
				if diff := cmp.Diff(kept, after[table]); diff != "" {
					t.Errorf("the others' rows of %s changed: %s", table, diff)
				}
			}
			if keys != nil {
				return
			}
			s.enrich(s.store) // everything that is on the topics, from the start
			s.aggregate()
			check("after a replay")
			if diff := cmp.Diff(after, s.others("nothing")); diff != "" {
				t.Errorf("a replay changed rows: %s", diff)
			}
			// Who comes again is somebody new.
			again := s.visit("p-1", "anna", "v-new", 90)
			for _, e := range again {
				e.ReceivedAt = time.Now().Add(time.Second)
			}
			s.send(again...)
			s.enrich(s.store)
			if n := len(s.rows("events", true, stored)); n == 0 {
				t.Error("events received after the erasure are refused")
			}
		})
	}
}

func TestAPartnerIsForgottenAndDoesNotComeBack(t *testing.T) {
	s := newStand(t)
	s.fill("anna", "bert")
	words := []string{`"p-1"`, `p-1-`, "anna\"", "bert\"", "v-anna", "v-bert"}
	before := s.others(words...)
	report := s.forget(forget.Request{Tenant: "demo", Partner: "p-1", Wait: 30 * time.Second})
	rows := map[string]uint64{}
	for _, p := range report.Places {
		rows[p.Name] = p.Rows
	}
	for _, place := range []string{"events", "partner_daily", "sessions", "partner_scores", "partner_progress", kafkabus.TopicDirectory, kafkabus.TopicScores} {
		if rows[place] == 0 {
			t.Errorf("nothing was erased from %s: %v", place, rows)
		}
	}
	words = words[:2] // of the rejects, those that name only a user stay
	for i, when := range []string{"at once", "after a replay"} {
		if i > 0 {
			s.enrich(s.store)
			s.aggregate()
		}
		if left := s.traces(words...); len(left) > 0 {
			t.Errorf("%s: %d traces are left: %s", when, len(left), left[0])
		}
		after := s.others(`"p-1"`, `p-1-`, "anna\"", "bert\"", "v-anna", "v-bert")
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("%s: the others' rows changed: %s", when, diff)
		}
	}
	live := map[string]bool{}
	for _, topic := range []string{kafkabus.TopicDirectory, kafkabus.TopicScores} {
		s.must(s.ReadAll(t.Context(), topic, func(r kafkabus.Record) error {
			live[topic+string(r.Key)] = r.Value != nil
			return nil
		}))
	}
	for k, alive := range live {
		if alive && strings.Contains(k, "demo/p-1") {
			t.Errorf("%q has no tombstone", k)
		}
	}
}

// TestManyRowsOfOnePartnerAreErased: more than one request can name.
func TestManyRowsOfOnePartnerAreErased(t *testing.T) {
	s := newStand(t)
	const rows = 12_000
	s.must(s.store.Exec(t.Context(), `INSERT INTO events (tenant, partner_id, day, id, time)
		SELECT 'demo', 'p-1', toDate('2026-03-01') + number % 2, 'an-id-as-long-as-those-of-an-sdk-' || number, toDateTime('2026-03-01') + 86400 * (number % 2)
		FROM numbers({n:UInt64})`, chstore.Params{"n": uint64(rows + 5)}))
	keys := make([]forgotten.EventKey, rows)
	for i := range keys {
		keys[i] = forgotten.EventKey{Tenant: "demo", PartnerID: "p-1", ID: fmt.Sprintf("an-id-as-long-as-those-of-an-sdk-%d", i), Day: time.Date(2026, 3, 1+i%2, 0, 0, 0, 0, time.UTC)}
	}
	s.must(forget.NewGuard(s.store).EraseEvents(t.Context(), keys))
	var left []struct {
		N uint64 `ch:"n"`
	}
	s.must(s.store.Select(t.Context(), &left, "SELECT count() AS n FROM events", nil))
	if left[0].N != 5 {
		t.Errorf("%d rows are left, want 5", left[0].N)
	}
}

// TestAUserOfManyIDsIsForgotten: the visitors that became her, and the refused events that
// name him, are more than a request can name.
func TestAUserOfManyIDsIsForgotten(t *testing.T) {
	s := newStand(t)
	n := chstore.Params{"n": uint64(3500)}
	const columns = "INSERT INTO events (tenant, partner_id, day, id, time, user_id, anonymous_id) SELECT 'demo', 'p-1', toDate('2026-11-01') + number % 3, "
	const from = ", toDateTime('2026-11-01') + 86400 * (number % 3), "
	for _, statement := range []string{
		columns + "'before-' || number" + from + "'', 'a-visitor-whose-id-is-as-long-as-any-' || number FROM numbers({n:UInt64})",
		columns + "'after-' || number" + from + "'anna', 'a-visitor-whose-id-is-as-long-as-any-' || number FROM numbers({n:UInt64})",
		columns + "'other-' || number" + from + "'bert', 'b' FROM numbers(7)",
		"INSERT INTO rejects (tenant, id, day, rejected_at, original) SELECT 'demo', number, today(), now(), if(number < 9, 'bert', 'carl') FROM numbers({n:UInt64} * 2)",
	} {
		s.must(s.store.Exec(t.Context(), statement, n))
	}
	erased := map[string]uint64{}
	for i, user := range []string{"carl", "anna"} {
		report := s.forget(forget.Request{Tenant: "demo", User: user})
		if want := 3 * i; report.Days != want {
			t.Errorf("%d days of %s are marked, want %d", report.Days, user, want)
		}
		for _, p := range report.Places {
			erased[p.Name] += p.Rows
		}
	}
	var left []struct {
		Events  uint64 `ch:"events"`
		Rejects uint64 `ch:"rejects"`
		List    uint64 `ch:"list"`
	}
	s.must(s.store.Select(t.Context(), &left, `SELECT (SELECT count() FROM events) AS events, (SELECT count() FROM rejects) AS rejects,
		(SELECT count() FROM forgotten FINAL) AS list`, nil))
	if left[0].Events != 7 || left[0].Rejects != 9 || left[0].List != 3502 {
		t.Errorf("left %+v", left[0])
	}
	if erased["events"] != 7000 || erased["rejects"] != 7000-9 {
		t.Errorf("erased %v", erased)
	}
}
