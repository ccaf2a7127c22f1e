package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.uber.org/zap"

	"partnerpulse/internal/embedded/kafka"
	"partnerpulse/internal/event"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/simulate/plan"
)

// inProcess is a subject that shares this process; its CPU time is a counter.
type inProcess struct {
	address Address
	asked   atomic.Int64
}

func (s *inProcess) Address() Address { return s.address }
func (s *inProcess) CPU() (time.Duration, error) {
	return time.Duration(s.asked.Add(1)) * time.Millisecond, nil
}

// stand starts an embedded broker in memory, and the floor with it.
func stand(t *testing.T) (kafkabus.Config, *inProcess) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	server := kafka.New(kafka.Config{Addr: "127.0.0.1:0"}, zap.NewNop())
	running.Go(func() {
		if err := server.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	select {
	case <-server.Ready():
	case <-time.After(30 * time.Second):
		t.Fatal("the broker does not become ready")
	}
	cfg := kafkabus.Config{Brokers: []string{server.Addr()}}
	if err := kafkabus.EnsureTopics(ctx, cfg, kafkabus.Topics(3)); err != nil {
		t.Fatal(err)
	}
	floorCtx, stopFloor := context.WithCancel(ctx)
	ended := make(chan error, 1)
	at := make(chan Address, 1)
	go func() {
		ended <- RunFloor(floorCtx, cfg, zap.NewNop(), func(a Address) error { at <- a; return nil })
	}()
	t.Cleanup(func() {
		stopFloor()
		if err := <-ended; err != nil && !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return cfg, &inProcess{address: <-at}
}

// TestCollectorMeasuresExactly: the whole measurement, the floor against itself, finds
// in the topic what was acknowledged.
func TestCollectorMeasuresExactly(t *testing.T) {
	cfg, floor := stand(t)
	var told []string
	r, err := Collector(context.Background(), CollectorConfig{Length: 100 * time.Millisecond, Rounds: 2, Connections: 4, Batch: 10},
		CollectorStand{Kafka: cfg, Ours: floor, Floor: floor, Progress: func(s string) { told = append(told, s) }})
	if err != nil {
		t.Fatal(err)
	}
	ends, err := kafkabus.EndOffsets(context.Background(), cfg, kafkabus.TopicEvents)
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, n := range ends {
		sum += n
	}
	if sum == 0 || r.Exact.Acknowledged != sum || r.Exact.Written != sum {
		t.Errorf("%d records are in the topic, the report has %+v", sum, r.Exact)
	}
	if len(told) != 8 || len(r.Batches.RoundRatios) != 2 || r.Ours <= 0 || r.Floors[floorName] <= 0 || r.Ratios[floorName] <= 0 {
		t.Errorf("report %+v after %d lines", r, len(told))
	}
	if s := r.Single.Ours; s.P50Milliseconds <= 0 || s.P50Milliseconds > s.P99Milliseconds || s.RequestsPerSecond <= 0 {
		t.Errorf("single events: %+v", s)
	}
	for _, want := range []string{"goal", "0.70", r.Environs.Go} {
		if !strings.Contains(r.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, r)
		}
	}
}

// TestCollectorRefusesWhatIsNotWritten: an answer that promises too much ends the
// measurement.
func TestCollectorRefusesWhatIsNotWritten(t *testing.T) {
	cfg, floor := stand(t)
	liar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer liar.Close()
	_, err := Collector(context.Background(), CollectorConfig{Length: 20 * time.Millisecond, Rounds: 1, Connections: 1, Batch: 2},
		CollectorStand{Kafka: cfg, Ours: &inProcess{address: Address{Addr: liar.Listener.Addr().String()}}, Floor: floor})
	if !errors.Is(err, ErrInexact) {
		t.Errorf("got %v, want ErrInexact", err)
	}
}

// TestRefusedRequestEndsTheLoad: nothing but 2xx is measured.
func TestRefusedRequestEndsTheLoad(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusServiceUnavailable) }))
	defer srv.Close()
	events := newEvents(t)
	_, err := load{connections: 2, batch: 1, length: time.Second}.send(context.Background(), Address{Addr: srv.Listener.Addr().String()}, events)
	if !errors.Is(err, errRefused) || !strings.Contains(err.Error(), "503") {
		t.Errorf("got %v", err)
	}
}

func newEvents(t *testing.T) *pool {
	t.Helper()
	events, err := newPool(time.Date(2026, 11, 3, 9, 15, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// TestBodiesHaveNewIDs: every event sent is one of the contract's, with an id that no
// other has, also when the pool is used up and in any batch size.
func TestBodiesHaveNewIDs(t *testing.T) {
	events := newEvents(t)
	seen := map[string]bool{}
	for i, n := range []int{1, 50, 1, 3, poolSize, 7} {
		body := events.appendBody([]byte("x"), n)[1:]
		msgs, err := floorRecords(body)
		if err != nil || len(msgs) != n {
			t.Fatalf("body %d: %d records, %v", i, len(msgs), err)
		}
		for _, m := range msgs {
			var e floorEvent
			if err := json.Unmarshal(m.Value, &e); err != nil {
				t.Fatal(err)
			}
			if len(e.ID) != 36 || seen[e.ID] || e.PartnerID == "" || e.Type == "" || string(m.Key) != event.Key(floorTenant, e.PartnerID) {
				t.Fatalf("event %s, key %s, seen %v", m.Value, m.Key, seen[e.ID])
			}
			seen[e.ID] = true
		}
	}
}

// TestFloorDecodesAllOfAnEvent: what the floor decodes gives the event back, so it is
// not spared any field.
func TestFloorDecodesAllOfAnEvent(t *testing.T) {
	in := event.Event{
		ID: "i", Type: event.ContentViewed, Time: time.UnixMilli(1).UTC(), PartnerID: "p", UserID: "u", AnonymousID: "a", SessionID: "s", Internal: true,
		Context: event.Context{URL: "1", Referrer: "2", Title: "3", UserAgent: "4", Locale: "5", Timezone: "6", Screen: "7",
			UTMSource: "8", UTMMedium: "9", UTMCampaign: "10", UTMTerm: "11", UTMContent: "12"},
		Data: jsontext.Value(`{"a":[1]}`),
	}
	b, err := plan.Encode(&in)
	if err != nil {
		t.Fatal(err)
	}
	var e floorEvent
	if err := json.Unmarshal(b, &e, json.RejectUnknownMembers(true)); err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(time.RFC3339, e.Time)
	out := event.Event{
		ID: e.ID, Type: event.Type(e.Type), Time: at, PartnerID: e.PartnerID, UserID: e.UserID, AnonymousID: e.AnonymousID,
		SessionID: e.SessionID, Internal: e.Internal, Context: event.Context(e.Context), Data: e.Data,
	}
	if again, aerr := plan.Encode(&out); err != nil || aerr != nil || !bytes.Equal(again, b) {
		t.Errorf("got %s, want %s (%v, %v)", again, b, err, aerr)
	}
}

// TestFloorRefusesWhatIsNotJSON: it does decode.
func TestFloorRefusesWhatIsNotJSON(t *testing.T) {
	for _, body := range []string{`[{"id":1}]`, `[{"id":"a"}`, `{"id":"a"`, `[1]`, `"a"`} {
		if msgs, err := floorRecords([]byte(body)); err == nil && len(msgs) > 0 {
			t.Errorf("%s gives %d records and no error", body, len(msgs))
		}
	}
}

// TestConnReadsAnswers: bodies and headers of any size, and the next request finds its
// own answer.
func TestConnReadsAnswers(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.Header.Get("Authorization") != "Bearer k" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if len(b) == 0 {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.WriteHeader(200 + len(b)%100)
		_, _ = w.Write(bytes.Repeat([]byte("HTTP/1.1 500\r\n"), 100))
	}))
	defer srv.Close()
	for key, want := range map[string][]int{"k": {204, 201, 202, 250, 204}, "": {401}} {
		c, err := dial(context.Background(), Address{Addr: srv.Listener.Addr().String(), Key: key})
		if err != nil {
			t.Fatal(err)
		}
		for _, status := range want {
			n := (status - 200) % 200
			if status == 204 || key == "" {
				n = 0
			}
			if got, err := c.post(make([]byte, n)); err != nil || got != status {
				t.Errorf("got %d, %v; want %d", got, err, status)
			}
		}
		if err := c.close(); err != nil {
			t.Error(err)
		}
	}
}

// TestConnRefusesOtherAnswers: what it cannot read is an error, not a measurement.
func TestConnRefusesOtherAnswers(t *testing.T) {
	for _, answer := range []string{
		"", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 x\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, answer)
			_ = c.Close()
		}()
		c, err := dial(context.Background(), Address{Addr: l.Addr().String()})
		if err != nil {
			t.Fatal(err)
		}
		if status, err := c.post([]byte("{}")); err == nil {
			t.Errorf("%q is taken for status %d", answer, status)
		}
		_, _ = c.close(), l.Close()
	}
}

// TestServeAnswersUntilItsInputEnds is the protocol between parent and child.
func TestServeAnswersUntilItsInputEnds(t *testing.T) {
	in, ask := io.Pipe()
	told, out := io.Pipe()
	served := make(chan error, 1)
	go func() {
		served <- Serve(context.Background(), in, out, func(ctx context.Context, ready func(Address) error) error {
			if err := ready(Address{Addr: "a:1", Key: "k"}); err != nil {
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	var first, second int64
	var at string
	if _, err := fmt.Fscanln(told, &at); err != nil || at != `{"addr":"a:1","key":"k"}` {
		t.Fatalf("got %q, %v", at, err)
	}
	for _, into := range []*int64{&first, &second} {
		if _, err := io.WriteString(ask, cpuQuestion+"\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fscanln(told, into); err != nil {
			t.Fatal(err)
		}
	}
	if first <= 0 || second < first {
		t.Errorf("CPU time %d, then %d", first, second)
	}
	if err := ask.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestServeGivesTheErrorOfWhatItRuns: a part that fails does not look stopped.
func TestServeGivesTheErrorOfWhatItRuns(t *testing.T) {
	want := errors.New("no")
	err := Serve(context.Background(), strings.NewReader(""), io.Discard, func(context.Context, func(Address) error) error { return want })
	if !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
}

func TestQuantileAndMedian(t *testing.T) {
	var hundred []int
	for i := range 100 {
		hundred = append(hundred, i+1)
	}
	for _, c := range []struct {
		q    float64
		want int
	}{{0, 1}, {0.5, 50}, {0.99, 99}, {0.999, 100}, {1, 100}} {
		if got := quantile(hundred, c.q); got != c.want {
			t.Errorf("quantile %g is %d, want %d", c.q, got, c.want)
		}
	}
	if quantile([]int(nil), 0.5) != 0 || quantile([]int{7}, 0.99) != 7 {
		t.Error("quantile of none and of one")
	}
	values := []float64{9, 1, 5, 3}
	if median(values) != 4 || median(values[:3]) != 5 || median(nil) != 0 || !slices.Equal(values, []float64{9, 1, 5, 3}) {
		t.Error("median")
	}
}

func TestConfigIsChecked(t *testing.T) {
	if err := DefaultCollectorConfig().Validate(); err != nil {
		t.Error(err)
	}
	for _, change := range []func(*CollectorConfig){
		func(c *CollectorConfig) { c.Length = 0 }, func(c *CollectorConfig) { c.Rounds = 0 },
		func(c *CollectorConfig) { c.Connections = 0 }, func(c *CollectorConfig) { c.Batch = 1 }, func(c *CollectorConfig) { c.Batch = 1001 },
	} {
		c := DefaultCollectorConfig()
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}
