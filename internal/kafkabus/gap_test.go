package kafkabus_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"partnerpulse/internal/kafkabus"
)

func deleteRecords(t *testing.T, cfg kafkabus.Config, before int64) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(cfg.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	request := kmsg.NewPtrDeleteRecordsRequest()
	topic := kmsg.NewDeleteRecordsRequestTopic()
	topic.Topic = testTopic
	partition := kmsg.NewDeleteRecordsRequestTopicPartition()
	partition.Offset = before
	topic.Partitions = append(topic.Partitions, partition)
	request.Topics = append(request.Topics, topic)
	if _, err := request.RequestWith(t.Context(), client); err != nil {
		t.Fatal(err)
	}
}

func TestRecordsDeletedBeforeTheyWereReadAreCounted(t *testing.T) {
	_, cfg := broker(t, 1)
	p := producer(t, cfg)
	for i := range 10 {
		produce(t, p, i*10, 10)
	}
	commitAt(t, cfg, "group", 5)
	deleteRecords(t, cfg, 30)
	reg := prometheus.NewRegistry()
	var l ledger
	stop := run(t, consumerConfig(cfg), reg, l.take)
	await(t, "what is left", func() bool { return l.distinct() == 70 })
	stop()
	if n := counter(t, reg, "gap_records_total"); n != 25 {
		t.Errorf("%v lost records counted, want 25", n)
	}
	if n := counter(t, reg, "gaps_total"); n != 1 {
		t.Errorf("%v gaps counted, want 1", n)
	}
}

// commitAt sets a group's offset of partition 0 from outside.
func commitAt(t *testing.T, cfg kafkabus.Config, group string, offset int64) {
	t.Helper()
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(cfg.Brokers...), Transport: transport}
	response, err := client.OffsetCommit(t.Context(), &kafka.OffsetCommitRequest{
		GroupID: group, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{testTopic: {{Offset: offset}}},
	})
	if err == nil {
		err = response.Topics[testTopic][0].Error
	}
	if err != nil {
		t.Fatalf("committing: %v", err)
	}
}

// A topic that was created again is shorter than the group remembers.
func TestLogShorterThanTheCommittedOffsetIsReadFromItsStart(t *testing.T) {
	_, cfg := broker(t, 1)
	p := producer(t, cfg)
	produce(t, p, 0, 10)
	commitAt(t, cfg, "group", 1000)
	reg := prometheus.NewRegistry()
	var l ledger
	stop := run(t, consumerConfig(cfg), reg, l.take)
	await(t, "the records of the new log", func() bool { return l.distinct() == 10 })
	await(t, "the offset of the new log", func() bool { return groupOffsets(t, cfg)[0] == 10 })
	stop()
	if n := counter(t, reg, "gaps_total"); n != 1 {
		t.Errorf("%v gaps counted, want 1", n)
	}
}
