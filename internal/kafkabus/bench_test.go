package kafkabus_test

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"partnerpulse/internal/kafkabus"
)

// BenchmarkConsume reads 400-byte values as one member of a group.
func BenchmarkConsume(b *testing.B) {
	_, cfg := broker(b, 12)
	p := producer(b, cfg)
	value := bytes.Repeat([]byte(`{"field":"value"},`), 22)
	const chunk = 10_000
	for done := 0; done < b.N; done += chunk {
		msgs := make([]kafkabus.Message, min(chunk, b.N-done))
		for i := range msgs {
			key := []byte{byte(i), byte(i >> 8), byte(done)}
			msgs[i] = kafkabus.Message{Topic: testTopic, Key: key, Value: value}
		}
		if err := p.Publish(b.Context(), msgs...); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	var count atomic.Int64
	all := make(chan struct{})
	stop := run(b, consumerConfig(cfg), prometheus.NewRegistry(), func(_ context.Context, g kafkabus.Generation) error {
		for batch := range g.Batches() {
			if count.Add(int64(len(batch.Records))) == int64(b.N) {
				close(all)
			}
			batch.Release()
		}
		return nil
	})
	<-all
	b.StopTimer()
	b.SetBytes(int64(len(value)))
	stop()
}
