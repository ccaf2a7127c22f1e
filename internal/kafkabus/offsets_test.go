package kafkabus_test

import (
	"context"
	"testing"

	"partnerpulse/internal/kafkabus"
)

// TestEndOffsetsCountRecords: of every partition, also of those without records.
func TestEndOffsetsCountRecords(t *testing.T) {
	_, cfg := broker(t, 3)
	for _, want := range []int64{0, 40, 47} {
		if p := producer(t, cfg); want == 40 {
			produce(t, p, 0, 40)
		} else if want == 47 {
			produce(t, p, 40, 7)
		}
		ends, err := kafkabus.EndOffsets(t.Context(), cfg, testTopic)
		if err != nil {
			t.Fatal(err)
		}
		var sum int64
		for _, n := range ends {
			sum += n
		}
		if len(ends) != 3 || sum != want {
			t.Errorf("ends %v, want %d in 3 partitions", ends, want)
		}
	}
	if _, err := kafkabus.EndOffsets(t.Context(), cfg, "no.such.topic"); err == nil {
		t.Error("a topic that does not exist has an end")
	}
	if _, err := kafkabus.EndOffsets(context.Background(), kafkabus.Config{}, testTopic); err == nil {
		t.Error("no brokers and no error")
	}
}
