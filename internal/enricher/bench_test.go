package enricher_test

import (
	"context"
	"fmt"
	"testing"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/enricher"
	"partnerpulse/internal/kafkabus"
)

// discard is a store that takes everything.
type discard struct{}

func (discard) InsertColumns(context.Context, string, []chstore.Column) error { return nil }

// BenchmarkEnrich is everything between the fetch and the insert: decoding,
// enrichment, building columns.
func BenchmarkEnrich(b *testing.B) {
	const records = 5000
	values := make([][]byte, records)
	size := 0
	for i := range values {
		e := sample(fmt.Sprintf("0197f3c2-7a5e-7c31-9d0a-%012d", i))
		e.PartnerID = fmt.Sprintf("p-%04d", i%200)
		values[i] = value(b, e)
		size += len(values[i])
	}
	b.SetBytes(int64(size / records))
	b.ReportAllocs()
	g := newFakeGeneration()
	e, _ := newEnricher(enricher.Config{}, oneGeneration(g), discard{}, newFakePublisher())
	done := make(chan error, 1)
	b.ResetTimer()
	go func() { done <- e.Run(b.Context()) }()
	for sent := 0; sent < b.N; {
		n := min(records, b.N-sent)
		batch := fetch(0, int64(sent), values[:n]...)
		g.batches <- kafkabus.Batch{Topic: batch.Topic, Records: batch.Records, Bytes: batch.Bytes}
		sent += n
	}
	close(g.batches)
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}
