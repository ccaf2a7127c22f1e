package kafkabus_test

import (
	"maps"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"partnerpulse/internal/kafkabus"
)

// lateTopic is created when its consumer is there already.
var lateTopic = []kafkabus.TopicSpec{{Name: "late", Partitions: 2}}

// A consumer may be there before its topic.
func TestTopicMayComeLater(t *testing.T) {
	_, cfg := broker(t, 1)
	consumesLateTopic(t, cfg, func() {
		if err := kafkabus.EnsureTopics(t.Context(), cfg, lateTopic); err != nil {
			t.Fatal(err)
		}
	})
}

// The topic comes when the leader has just found that there is none, and before anybody
// looks again: nobody can tell from what is there later that something changed.
func TestTopicComesBehindTheAssignment(t *testing.T) {
	cluster, cfg := broker(t, 1)
	cluster.ControlKey(int16(kmsg.SyncGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.SleepControl(func() {
			if err := kafkabus.EnsureTopics(t.Context(), cfg, lateTopic); err != nil {
				t.Error(err)
			}
		})
		return nil, nil, false
	})
	consumesLateTopic(t, cfg, func() {}) // it was created while the consumer joined
}

// consumesLateTopic starts a consumer, lets the topic come and wants its record consumed.
func consumesLateTopic(t *testing.T, cfg kafkabus.Config, create func()) {
	t.Helper()
	late := consumerConfig(cfg)
	late.Topics = []string{lateTopic[0].Name}
	reg := prometheus.NewRegistry()
	var l ledger
	stop := run(t, late, reg, l.take)
	await(t, "it waits", func() bool { return counter(t, reg, "generations_total") > 0 })
	create()
	if err := producer(t, cfg).Publish(t.Context(), kafkabus.Message{Topic: lateTopic[0].Name, Value: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	await(t, "the record", func() bool { return l.distinct() == 1 })
	stop()
}

// Partitions that are added are consumed, whoever of the group leads it.
func TestPartitionsAdded(t *testing.T) {
	_, cfg := broker(t, 1)
	p := producer(t, cfg)
	produce(t, p, 0, 10)
	reg1, reg2 := prometheus.NewRegistry(), prometheus.NewRegistry()
	var first, second ledger
	stop1 := run(t, consumerConfig(cfg), reg1, first.take)
	stop2 := run(t, consumerConfig(cfg), reg2, second.take)
	read := func() int {
		all := map[string]int{}
		maps.Copy(all, first.copy())
		maps.Copy(all, second.copy())
		return len(all)
	}
	await(t, "one of them reads", func() bool { return read() == 10 })
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(cfg.Brokers...), Transport: transport}
	response, err := client.CreatePartitions(t.Context(), &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: testTopic, Count: 4}}})
	if err == nil {
		err = response.Errors[testTopic]
	}
	if err != nil {
		t.Fatalf("adding partitions: %v", err)
	}
	sent := 10
	await(t, "both read", func() bool { // also once the producer has seen the partitions
		produce(t, p, sent, 20)
		sent += 20
		return first.distinct() > 10 && second.distinct() > 10
	})
	await(t, "everything read", func() bool { return read() == sent })
	stop1()
	stop2()
	if offsets := groupOffsets(t, cfg); len(offsets) != 4 {
		t.Errorf("offsets committed for %d partitions, want 4", len(offsets))
	}
}
