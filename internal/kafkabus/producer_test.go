package kafkabus_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/kafkabus"
)

func readAll(t testing.TB, cfg kafkabus.Config, topic string) []kafkabus.Record {
	t.Helper()
	var out []kafkabus.Record
	err := kafkabus.ReadAll(t.Context(), cfg, topic, func(r kafkabus.Record) error {
		out = append(out, r)
		return nil
	})
	if err != nil {
		t.Fatalf("reading all: %v", err)
	}
	return out
}

func TestPublishedRecordsCanBeReadInOrder(t *testing.T) {
	_, cfg := broker(t, 3)
	p := producer(t, cfg)
	var msgs []kafkabus.Message
	for i := range 900 {
		msgs = append(msgs, kafkabus.Message{Topic: testTopic, Key: fmt.Append(nil, "key-", i%7), Value: fmt.Append(nil, i)})
	}
	for chunk := range slices.Chunk(msgs, 100) {
		if err := p.Publish(t.Context(), chunk...); err != nil {
			t.Fatal(err)
		}
	}
	records := readAll(t, cfg, testTopic)
	if len(records) != len(msgs) {
		t.Fatalf("read %d records, published %d", len(records), len(msgs))
	}
	partition, last := map[string]int{}, map[string]int{}
	for _, r := range records {
		key := string(r.Key)
		if p, ok := partition[key]; ok && p != r.Partition {
			t.Errorf("key %s is in partitions %d and %d", key, p, r.Partition)
		}
		partition[key] = r.Partition
		var value int
		if _, err := fmt.Sscan(string(r.Value), &value); err != nil {
			t.Fatal(err)
		}
		if before, ok := last[key]; ok && value <= before {
			t.Errorf("key %s: %d after %d", key, value, before)
		}
		last[key] = value
	}
}

// The partitions are those of Java's default partitioner, which other producers
// of the topics use: values computed with org.apache.kafka's Utils.murmur2.
func TestPartitionsAreThoseOfJava(t *testing.T) {
	_, cfg := broker(t, 12)
	p := producer(t, cfg)
	// murmur2("21") = -973932308 and murmur2("foobar") = -790332482 (Kafka's UtilsTest)
	want := map[string]int{"21": (-973932308 & 0x7fffffff) % 12, "foobar": (-790332482 & 0x7fffffff) % 12}
	for key := range want {
		if err := p.Publish(t.Context(), kafkabus.Message{Topic: testTopic, Key: []byte(key), Value: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range readAll(t, cfg, testTopic) {
		if r.Partition != want[string(r.Key)] {
			t.Errorf("key %s is in partition %d, want %d", r.Key, r.Partition, want[string(r.Key)])
		}
	}
}

func TestPublishSaysWhichRecordsFailed(t *testing.T) {
	_, cfg := broker(t, 3)
	reg := prometheus.NewRegistry()
	p := kafkabus.NewProducer(kafkabus.ProducerConfig{Config: cfg, BatchBytesMax: 10_000}, zaptest.NewLogger(t), reg)
	defer func() { _ = p.Close() }()
	huge := bytes.Repeat([]byte("x"), 20_000)
	err := p.Publish(t.Context(),
		kafkabus.Message{Topic: testTopic, Key: []byte("a"), Value: []byte("1")},
		kafkabus.Message{Topic: testTopic, Key: []byte("b"), Value: huge},
		kafkabus.Message{Topic: testTopic, Key: []byte("c"), Value: []byte("2")},
		kafkabus.Message{Topic: testTopic, Key: []byte("d"), Value: huge},
	)
	var failed *kafkabus.PublishError
	if !errors.As(err, &failed) || !errors.Is(err, kafkabus.ErrTooLarge) {
		t.Fatalf("error is %v", err)
	}
	if !slices.Equal(failed.Failed, []int{1, 3}) || failed.Total != 4 {
		t.Errorf("failed are %v of %d", failed.Failed, failed.Total)
	}
	if n := len(readAll(t, cfg, testTopic)); n != 2 {
		t.Errorf("%d records were written, want the two small ones", n)
	}
	if n := testutil.CollectAndCount(reg, "partnerpulse_kafka_published_records_total"); n != 2 {
		t.Errorf("metric has %d series, want ok and failed", n)
	}
}

// An incompressible record just below our limit must pass the broker's.
func TestLargestRecordIsAccepted(t *testing.T) {
	_, cfg := broker(t, 1)
	p := producer(t, cfg)
	value := make([]byte, 899_000)
	if _, err := rand.Read(value); err != nil {
		t.Fatal(err)
	}
	if err := p.Publish(t.Context(), kafkabus.Message{Topic: testTopic, Value: value}); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, cfg, testTopic); len(got) != 1 || !bytes.Equal(got[0].Value, value) {
		t.Error("the record came back different")
	}
}

func TestPublishWithoutBrokerFailsForAll(t *testing.T) {
	cfg := kafkabus.Config{Brokers: []string{fmt.Sprintf("127.0.0.1:%d", freePort(t))}}
	p := producer(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := p.Publish(ctx, kafkabus.Message{Topic: testTopic, Value: []byte("x")}, kafkabus.Message{Topic: testTopic, Value: []byte("y")})
	var failed *kafkabus.PublishError
	if !errors.As(err, &failed) || !slices.Equal(failed.Failed, []int{0, 1}) {
		t.Fatalf("error is %v", err)
	}
}

func TestPublishToAMissingTopicDoesNotCreateIt(t *testing.T) {
	_, cfg := broker(t, 1, kfake.AllowAutoTopicCreation())
	p := producer(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := p.Publish(ctx, kafkabus.Message{Topic: "missing", Value: []byte("x")}); err == nil {
		t.Error("publishing to a missing topic succeeded")
	}
}

func TestPublishAfterClose(t *testing.T) {
	_, cfg := broker(t, 1)
	for _, used := range []bool{false, true} {
		p := kafkabus.NewProducer(kafkabus.ProducerConfig{Config: cfg}, zaptest.NewLogger(t), prometheus.NewRegistry())
		if used {
			produce(t, p, 0, 1)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		err := p.Publish(t.Context(), kafkabus.Message{Topic: testTopic, Value: []byte("x")})
		if !errors.Is(err, kafkabus.ErrClosed) {
			t.Errorf("used %v: error after Close is %v", used, err)
		}
	}
}

func TestProducersShareARegistry(t *testing.T) {
	_, cfg := broker(t, 1)
	reg := prometheus.NewRegistry()
	for range 2 {
		p := kafkabus.NewProducer(kafkabus.ProducerConfig{Config: cfg}, zaptest.NewLogger(t), reg)
		produce(t, p, 0, 3)
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "partnerpulse_kafka_published_records_total" {
			if got := family.GetMetric()[0].GetCounter().GetValue(); got != 6 {
				t.Errorf("counted %v records, want 6", got)
			}
		}
	}
}
