package kafkabus_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/kafkabus"
)

const testTopic = "test.events"

// broker starts an in-memory broker with testTopic of the given partitions.
func broker(t testing.TB, partitions int, opts ...kfake.Opt) (*kfake.Cluster, kafkabus.Config) {
	t.Helper()
	opts = append([]kfake.Opt{
		kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second), kfake.SeedTopics(int32(partitions), testTopic),
	}, opts...)
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatalf("starting the broker: %v", err)
	}
	t.Cleanup(cluster.Close)
	return cluster, kafkabus.Config{Brokers: cluster.ListenAddrs(), ClientID: "test", DialTimeout: 2 * time.Second}
}

func producer(t testing.TB, cfg kafkabus.Config) *kafkabus.Producer {
	t.Helper()
	p := kafkabus.NewProducer(kafkabus.ProducerConfig{Config: cfg}, zaptest.NewLogger(t), prometheus.NewRegistry())
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("closing the producer: %v", err)
		}
	})
	return p
}

// produce publishes n records with the keys and values "i", i from the given one on.
func produce(t testing.TB, p *kafkabus.Producer, from, n int) {
	t.Helper()
	msgs := make([]kafkabus.Message, n)
	for i := range msgs {
		name := []byte(fmt.Sprint(from + i))
		msgs[i] = kafkabus.Message{Topic: testTopic, Key: name, Value: name}
	}
	if err := p.Publish(t.Context(), msgs...); err != nil {
		t.Fatalf("publishing: %v", err)
	}
}

func consumerConfig(cfg kafkabus.Config) kafkabus.ConsumerConfig {
	return kafkabus.ConsumerConfig{
		Config: cfg, Group: "group", Topics: []string{testTopic}, FetchWait: 50 * time.Millisecond,
		SessionTimeout: 3 * time.Second, HeartbeatInterval: 100 * time.Millisecond, RebalanceTimeout: 5 * time.Second,
		DrainTimeout: 5 * time.Second,
	}
}

// run starts a consumer and gives a function that stops it and waits.
func run(t testing.TB, cfg kafkabus.ConsumerConfig, reg prometheus.Registerer, handle kafkabus.Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	consumer := kafkabus.NewConsumer(cfg, zaptest.NewLogger(t), reg)
	go func() { done <- consumer.Run(ctx, handle) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("consumer: %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("consumer did not stop")
		}
	}
	t.Cleanup(stop)
	return stop
}

// await polls until ok or fails the test after a generous time.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// freePort finds a port that was free a moment ago.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listening: %v", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// commit commits the position after the last record of a batch.
func commit(g kafkabus.Generation, b kafkabus.Batch) error {
	last := b.Records[len(b.Records)-1]
	return g.Commit(kafkabus.Offsets{{Topic: b.Topic, Partition: b.Partition}: last.Offset + 1})
}
