package kafkabus

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"
)

// TestObserveCountsEveryRecord: grouping neighbours counts as looking at each record does.
func TestObserveCountsEveryRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newProducerMetrics(prometheus.NewRegistry())
		msgs := make([]Message, rapid.IntRange(0, 20).Draw(t, "records"))
		want := map[string]int{}
		var failure *PublishError
		for i := range msgs {
			topic := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "topic")
			msgs[i] = Message{Topic: topic, Key: []byte("k"), Value: make([]byte, i)}
			if rapid.IntRange(0, 2).Draw(t, "failed") == 0 {
				if failure == nil {
					failure = &PublishError{Total: len(msgs)}
				}
				failure.Failed = append(failure.Failed, i)
				want[topic+" failed"]++
				continue
			}
			want[topic+" ok"]++
			want[topic+" bytes"] += 1 + i
		}
		m.observe(msgs, failure, 0)
		for _, topic := range []string{"a", "b"} {
			got := map[string]float64{
				" ok":     testutil.ToFloat64(m.records.WithLabelValues(topic, "ok")),
				" failed": testutil.ToFloat64(m.records.WithLabelValues(topic, "failed")),
				" bytes":  testutil.ToFloat64(m.bytes.WithLabelValues(topic)),
			}
			for what, n := range got {
				if fmt.Sprint(n) != fmt.Sprint(want[topic+what]) {
					t.Fatalf("%s%s: %g, want %d", topic, what, n, want[topic+what])
				}
			}
		}
	})
}
