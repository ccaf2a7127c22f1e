package kafkabus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/apachekafka"
	"partnerpulse/internal/kafkabus"
)

// TestOneRequestHoldsAllPartitions: as many records as there are partitions need one request.
func TestOneRequestHoldsAllPartitions(t *testing.T) {
	cluster, cfg := broker(t, 12)
	var requests, partitions atomic.Int64
	cluster.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if produce, ok := r.(*kmsg.ProduceRequest); ok {
			requests.Add(1)
			for _, topic := range produce.Topics {
				partitions.Add(int64(len(topic.Partitions)))
			}
		}
		return nil, nil, false
	})
	produce(t, producer(t, cfg), 0, 600)
	if requests.Load() != 1 || partitions.Load() != 12 {
		t.Errorf("%d requests for %d partitions", requests.Load(), partitions.Load())
	}
	if n := len(readAll(t, cfg, testTopic)); n != 600 {
		t.Errorf("%d records", n)
	}
}

// TestOrderHoldsWhileLeadersMove: a request is refused in part, again and again, and only
// that part is sent again, before anything newer of its partition.
func TestOrderHoldsWhileLeadersMove(t *testing.T) {
	cluster, cfg := broker(t, 6, kfake.NumBrokers(3))
	reg := prometheus.NewRegistry()
	p := kafkabus.NewProducer(kafkabus.ProducerConfig{Config: cfg, BatchRowsMax: 40, AttemptsMax: 100}, zaptest.NewLogger(t), reg)
	defer func() { _ = p.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	const calls, records, keys = 30, 300, 7
	for call := range calls {
		if call%3 == 1 {
			cluster.ShufflePartitionLeaders()
		}
		msgs := make([]kafkabus.Message, records)
		for i := range msgs {
			n := call*records + i
			msgs[i] = kafkabus.Message{Topic: testTopic, Key: fmt.Append(nil, "key-", n%keys), Value: fmt.Append(nil, n)}
		}
		if err := p.Publish(ctx, msgs...); err != nil {
			t.Fatalf("call %d: %v", call, err)
		}
	}
	last, seen := map[string]int{}, 0
	for _, r := range readAll(t, cfg, testTopic) {
		var n int
		if _, err := fmt.Sscan(string(r.Value), &n); err != nil {
			t.Fatal(err)
		}
		before, ok := last[string(r.Key)]
		switch {
		case !ok && n >= keys, ok && n > before+keys:
			t.Fatalf("key %s: %d after %d", r.Key, n, before)
		case !ok, n == before+keys:
			last[string(r.Key)] = n
			seen++
		}
		// Else a copy of what a connection broke for.
	}
	if seen != calls*records {
		t.Errorf("%d of %d records", seen, calls*records)
	}
	if counter(t, reg, "publish_retries_total") == 0 {
		t.Error("nothing was sent again: no leader moved at the right time")
	}
}

// TestARefusalFailsOnlyItsRecords: of two topics in a request, one refuses.
func TestARefusalFailsOnlyItsRecords(t *testing.T) {
	const narrow = "narrow"
	_, cfg := broker(t, 2)
	if err := kafkabus.EnsureTopics(t.Context(), cfg, []kafkabus.TopicSpec{{Name: narrow, Partitions: 2}}); err != nil {
		t.Fatal(err)
	}
	setMaxMessageBytes(t, cfg, narrow, "200")
	p := producer(t, cfg)
	noise := make([]byte, 4000)
	for i := range noise {
		noise[i] = byte(i * i >> 3)
	}
	err := p.Publish(t.Context(),
		kafkabus.Message{Topic: testTopic, Key: []byte("a"), Value: []byte("1")},
		kafkabus.Message{Topic: narrow, Key: []byte("b"), Value: noise},
		kafkabus.Message{Topic: testTopic, Key: []byte("c"), Value: noise},
	)
	var failed *kafkabus.PublishError
	if !errors.As(err, &failed) || !slices.Equal(failed.Failed, []int{1}) || failed.Total != 3 {
		t.Fatalf("error is %v", err)
	}
	if n := len(readAll(t, cfg, testTopic)); n != 2 {
		t.Errorf("%d records of the other topic", n)
	}
	if n := len(readAll(t, cfg, narrow)); n != 0 {
		t.Errorf("%d records were written and called refused", n)
	}
}

// TestRecordsThatNobodyWaitsForAreNotSent: what was given up before its turn came stays
// unwritten, and what is behind it goes.
func TestRecordsThatNobodyWaitsForAreNotSent(t *testing.T) {
	cluster, cfg := broker(t, 1)
	p := producer(t, cfg)
	produce(t, p, 0, 1)
	held, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		once.Do(func() {
			close(held)
			cluster.SleepControl(func() { <-release })
		})
		return nil, nil, false
	})
	publish := func(ctx context.Context, value string) <-chan error {
		done := make(chan error, 1)
		go func() {
			done <- p.Publish(ctx, kafkabus.Message{Topic: testTopic, Value: []byte(value)})
		}()
		return done
	}
	first := publish(t.Context(), "first")
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	given := publish(ctx, "given up")
	time.Sleep(20 * time.Millisecond) // so that it is queued; were it not, it would fail as well
	cancel()
	var failed *kafkabus.PublishError
	if err := <-given; !errors.As(err, &failed) || !errors.Is(err, context.Canceled) || len(failed.Failed) != 1 {
		t.Errorf("given up: %v", err)
	}
	last := publish(t.Context(), "last")
	close(release)
	for _, done := range []<-chan error{first, last} {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	var values []string
	for _, r := range readAll(t, cfg, testTopic) {
		values = append(values, string(r.Value))
	}
	if !slices.Equal(values, []string{"0", "first", "last"}) {
		t.Errorf("written: %q", values)
	}
}

// TestCloseSendsWhatWaitsForCompany at once.
func TestCloseSendsWhatWaitsForCompany(t *testing.T) {
	_, cfg := broker(t, 1)
	p := kafkabus.NewProducer(kafkabus.ProducerConfig{Config: cfg, BatchTimeout: time.Hour}, zaptest.NewLogger(t), prometheus.NewRegistry())
	done := make(chan error, 1)
	go func() { done <- p.Publish(t.Context(), kafkabus.Message{Topic: testTopic, Value: []byte("x")}) }()
	var err error
	for waited := false; !waited; {
		select {
		case err = <-done:
			t.Fatalf("Publish does not wait: %v", err)
		case <-time.After(100 * time.Millisecond):
			waited = true
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil && !errors.Is(err, kafkabus.ErrClosed) {
		t.Fatal(err)
	} else if n := len(readAll(t, cfg, testTopic)); (err == nil) != (n == 1) {
		t.Errorf("Publish says %v, %d records are written", err, n)
	}
}

// TestAckedRecordsSurviveTheirLeader on Apache Kafka: one broker of three is killed and
// comes back. What failed is published again, as the spool does.
func TestAckedRecordsSurviveTheirLeader(t *testing.T) {
	c := apachekafka.Start(t, 3)
	cfg := kafkabus.Config{Brokers: c.Brokers(), ReplicationFactor: 3}
	if err := kafkabus.EnsureTopics(t.Context(), cfg, []kafkabus.TopicSpec{{Name: testTopic, Partitions: 6}}); err != nil {
		t.Fatal(err)
	}
	p := producer(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var acked atomic.Int64
	var over atomic.Bool
	var publishing sync.WaitGroup
	const publishers, perCall = 4, 50
	counts := make([]int, publishers) // records acknowledged of each, without a gap
	for i := range publishers {
		publishing.Go(func() {
			for n := 0; !over.Load() && ctx.Err() == nil; n += perCall {
				msgs := make([]kafkabus.Message, perCall)
				for j := range msgs {
					msgs[j] = kafkabus.Message{Topic: testTopic, Key: fmt.Append(nil, i, "-", j%10), Value: fmt.Append(nil, i, "/", n+j)}
				}
				for {
					err := p.Publish(ctx, msgs...)
					var failed *kafkabus.PublishError
					if !errors.As(err, &failed) || ctx.Err() != nil {
						break
					}
					rest := make([]kafkabus.Message, 0, len(failed.Failed))
					for _, at := range failed.Failed {
						rest = append(rest, msgs[at])
					}
					msgs = rest
				}
				if ctx.Err() == nil {
					counts[i] = n + perCall
					acked.Add(perCall)
				}
			}
		})
	}
	more := func(what string) {
		t.Helper()
		from := acked.Load()
		await(t, what, func() bool { return acked.Load() >= from+1000 || ctx.Err() != nil })
	}
	more("acks")
	c.Kill(0)
	more("acks of two brokers")
	c.Restart(0)
	more("acks of all again")
	over.Store(true)
	publishing.Wait()
	if ctx.Err() != nil {
		t.Fatal(ctx.Err())
	}
	found := map[string]bool{}
	for _, r := range readAll(t, cfg, testTopic) {
		found[string(bytes.TrimSpace(r.Value))] = true
	}
	lost := 0
	for i, n := range counts {
		for j := range n {
			if !found[fmt.Sprint(i, "/", j)] {
				lost++
			}
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged records are lost", lost, acked.Load())
	}
	t.Logf("%d records acknowledged, %d written", acked.Load(), len(found))
}

// setMaxMessageBytes makes a topic refuse larger batches.
func setMaxMessageBytes(t *testing.T, cfg kafkabus.Config, topic, limit string) {
	t.Helper()
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(cfg.Brokers...), Timeout: 10 * time.Second, Transport: transport}
	answer, err := client.IncrementalAlterConfigs(t.Context(), &kafka.IncrementalAlterConfigsRequest{
		Resources: []kafka.IncrementalAlterConfigsRequestResource{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: topic,
			Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: "max.message.bytes", Value: limit, ConfigOperation: kafka.ConfigOperationSet}},
		}},
	})
	if err != nil || len(answer.Resources) != 1 || answer.Resources[0].Error != nil {
		t.Fatalf("limiting the topic: %v, %+v", err, answer)
	}
}
