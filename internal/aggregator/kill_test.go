package aggregator_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/aggregator"
	"partnerpulse/internal/alert"
	"partnerpulse/internal/alertdesk"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/clienttest/pip"
	"partnerpulse/internal/config"
	"partnerpulse/internal/embedded/kafka"
	"partnerpulse/internal/kafkabus"
)

// childVariable makes the test binary an aggregator that ends itself with SIGKILL.
const childVariable = "TEST_AGGREGATOR_CHILD"

// childSpec is what an aggregator in a process of its own works on.
type childSpec struct {
	ClickHouse, Database, Broker, Zone string
	Now                                time.Time
	Kill                               string // where: see killer; empty: nowhere
}

// The places around the publishing of alerts.
const (
	beforePublish = "before publishing"
	afterPublish  = "after publishing"
	beforeRecord  = "before the record"
	afterRecord   = "after the record"
)

// killer ends its process with SIGKILL when alerts pass a place.
type killer struct {
	aggregator.Store
	aggregator.Publisher
	place string
}

func (k *killer) at(place string) {
	if k.place == place {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until it has come
	}
}

func (k *killer) Publish(ctx context.Context, msgs ...kafkabus.Message) error {
	alerts := slices.ContainsFunc(msgs, func(m kafkabus.Message) bool { return m.Topic == kafkabus.TopicDrop })
	if alerts {
		k.at(beforePublish)
	}
	err := k.Publisher.Publish(ctx, msgs...)
	if alerts && err == nil {
		k.at(afterPublish)
	}
	return err
}

func (k *killer) InsertColumns(ctx context.Context, table string, cols []chstore.Column) error {
	if table == "alerts" {
		k.at(beforeRecord)
	}
	err := k.Store.InsertColumns(ctx, table, cols)
	if table == "alerts" && err == nil {
		k.at(afterRecord)
	}
	return err
}

// child works until there is nothing to do, or until it is killed.
func child(text string) error {
	var s childSpec
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cfg := chstore.DefaultConfig()
	cfg.Addr, cfg.Database = config.List{s.ClickHouse}, s.Database
	store, err := chstore.Open(cfg, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		return err
	}
	bus := kafkabus.NewProducer(kafkabus.DefaultProducerConfig(kafkabus.Config{Brokers: config.List{s.Broker}}), zap.NewNop(), prometheus.NewRegistry())
	k := &killer{Store: store, Publisher: bus, place: s.Kill}
	agg, err := aggregator.New(testConfig(s.Zone), aggregator.Deps{Store: k, Publisher: k, Now: func() time.Time { return s.Now }},
		zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		return err
	}
	for range 50 {
		work, err := agg.Tick(ctx)
		if err != nil {
			return err
		}
		if !work.More {
			return errors.Join(bus.Close(), store.Close())
		}
	}
	return errors.New("no end of work after 50 ticks")
}

// killRig is a world whose aggregators are processes.
type killRig struct {
	*world
	broker string
}

func newKillRig(t *testing.T, w *world) *killRig {
	t.Helper()
	server := kafka.New(kafka.Config{Addr: "127.0.0.1:0", Partitions: 4}, zap.NewNop())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-server.Ready():
	case err := <-ended:
		t.Fatal(err)
	}
	w.spoilt = true
	r := &killRig{world: w, broker: server.Addr()}
	if err := kafkabus.EnsureTopics(t.Context(), kafkabus.Config{Brokers: config.List{r.broker}}, kafkabus.Topics(4)); err != nil {
		t.Fatal(err)
	}
	return r
}

// run works in another process; it has to end as kill says.
func (r *killRig) run(kill string) {
	r.t.Helper()
	spec, err := json.Marshal(childSpec{
		ClickHouse: r.address, Database: r.database, Broker: r.broker, Zone: r.loc.String(), Now: r.now, Kill: kill,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.CommandContext(r.t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+string(spec))
	out, err := cmd.CombinedOutput()
	if kill == "" {
		if err != nil {
			r.t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		r.t.Fatalf("it was to be killed %s, but: %v\n%s", kill, err, out)
	}
}

// published gives what is on the alert topics: how often each (alert, transition).
func (r *killRig) published() map[string]int {
	r.t.Helper()
	out := make(map[string]int)
	for _, topic := range []string{kafkabus.TopicDrop, kafkabus.TopicTrainingLapse, kafkabus.TopicCollateral} {
		err := kafkabus.ReadAll(r.t.Context(), kafkabus.Config{Brokers: config.List{r.broker}}, topic, func(rec kafkabus.Record) error {
			var e struct {
				ID   string `json:"id"`
				Data struct {
					Alert  string `json:"alert_id"`
					Status string `json:"status"`
				} `json:"data"`
			}
			if err := json.Unmarshal(rec.Value, &e); err != nil {
				return err
			}
			out[e.Data.Alert+" "+e.Data.Status+" "+e.ID]++
			return nil
		})
		if err != nil {
			r.t.Fatal(err)
		}
	}
	return out
}

// recorded gives the transitions that the alerts table says are published.
func (r *killRig) recorded() []string {
	r.t.Helper()
	var rows []struct {
		Row string `ch:"row"`
	}
	q := "SELECT concat(alert_id, ' ', status, ' ', transition_id) AS row FROM alerts FINAL WHERE published = 1 ORDER BY row"
	if err := r.store.Select(r.t.Context(), &rows, q, nil); err != nil {
		r.t.Fatal(err)
	}
	var out []string
	for _, row := range rows {
		out = append(out, row.Row)
	}
	return out
}

func keys(m map[string]int) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// TestKillNineAroundPublishing: aggregators are killed at every place around the
// publishing of alerts and of what a command made, then all events are replayed. The
// set of (alert id, transition) stays what the first full run made it, and a consumer
// that remembers ids has seen each once.
func TestKillNineAroundPublishing(t *testing.T) {
	t.Parallel()
	w, stop := stops(t)
	r := newKillRig(t, w)
	w.now = stop.AddDate(0, 0, 6).Add(14 * time.Hour)
	w.send(workdays(w, "stays", stop, w.now.Add(-time.Hour), 3)...)
	for _, place := range []string{beforePublish, afterPublish, beforeRecord, afterRecord} {
		r.run(place)
	}
	r.run("")
	alerts := r.recorded()
	if len(alerts) == 0 {
		t.Fatal("nothing was published")
	}
	if diff := gocmp.Diff(alerts, keys(r.published())); diff != "" {
		t.Fatalf("recorded and published differ (-recorded +published):\n%s", diff)
	}
	repeated := 0
	for _, times := range r.published() {
		repeated += times - 1
	}
	if repeated == 0 {
		t.Error("no kill fell between publishing and the record: the test shows nothing")
	}

	desk := alertdesk.New(w.store, func(string) *time.Location { return w.loc }, func() time.Time { return w.now })
	id, _, _ := strings.Cut(alerts[0], " ")
	request := alert.Request{Tenant: tenantID, Alert: id, Action: string(alert.Acknowledge), Actor: "kim", Key: "once"}
	for range 2 {
		if _, err := desk.Take(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	}
	r.run(afterPublish)
	r.run("")
	all := r.recorded()
	if len(all) != len(alerts)+1 {
		t.Fatalf("%d transitions after a command, %d before", len(all), len(alerts))
	}

	messages := 0
	for _, times := range r.published() {
		messages += times
	}
	w.mark(w.all())
	r.run("")
	if diff := gocmp.Diff(all, r.recorded()); diff != "" {
		t.Errorf("a replay changed the set (-before +after):\n%s", diff)
	}
	after := 0
	for _, times := range r.published() {
		after += times
	}
	if after != messages {
		t.Errorf("a replay published %d messages", after-messages)
	}
	if diff := gocmp.Diff(all, keys(r.published())); diff != "" {
		t.Errorf("a consumer that remembers ids has seen something else (-recorded +seen):\n%s", diff)
	}
	t.Run("read by librdkafka", func(t *testing.T) { r.readByOthers(t, all) })
}

// readByOthers reads the topics with a client that is not ours: structured
// CloudEvents by the schemas, the key tenant/partner_id.
func (r *killRig) readByOthers(t *testing.T, want []string) {
	python := pip.Install(t, "confluent-kafka", "confluent-kafka==2.16.1")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "testdata/consume.py")
	topics := map[string]string{
		kafkabus.TopicDrop: "drop.json", kafkabus.TopicAlertState: "alert-state.json", kafkabus.TopicScores: "score.json",
	}
	cmd.Env = append(os.Environ(), "BROKER="+r.broker,
		"TOPICS="+strings.Join([]string{kafkabus.TopicDrop, kafkabus.TopicAlertState, kafkabus.TopicScores, kafkabus.TopicTrainingLapse, kafkabus.TopicCollateral}, ","))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	values := make(map[string][]kafkabus.Message)
	seen := make(map[string]int)
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var rec struct {
			Topic   string   `json:"topic"`
			Key     string   `json:"key"`
			Headers []string `json:"headers"`
			Value   struct {
				ID      string `json:"id"`
				Spec    string `json:"specversion"`
				Tenant  string `json:"tenant"`
				Subject string `json:"subject"`
				Data    struct {
					Alert  string `json:"alert_id"`
					Status string `json:"status"`
				} `json:"data"`
			} `json:"value"`
		}
		var raw struct {
			Value json.RawMessage `json:"value"`
		}
		if err := errors.Join(json.Unmarshal(lines.Bytes(), &rec), json.Unmarshal(lines.Bytes(), &raw)); err != nil {
			t.Fatal(err)
		}
		if rec.Key != rec.Value.Tenant+"/"+rec.Value.Subject || rec.Value.Spec != "1.0" || slices.Contains(rec.Headers, "ce_specversion") {
			t.Errorf("key %q, headers %v, value %s", rec.Key, rec.Headers, raw.Value)
		}
		values[rec.Topic] = append(values[rec.Topic], kafkabus.Message{Value: raw.Value})
		if rec.Topic == kafkabus.TopicDrop {
			seen[rec.Value.Data.Alert+" "+rec.Value.Data.Status+" "+rec.Value.ID]++
		}
	}
	for topic, schema := range topics {
		validate(t, schema, values[topic])
	}
	if diff := gocmp.Diff(want, keys(seen)); diff != "" {
		t.Errorf("librdkafka has read something else (-recorded +read):\n%s", diff)
	}
}
