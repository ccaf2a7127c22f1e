package kafkabus_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"partnerpulse/internal/kafkabus"
)

// A handler that asks for it gets everything behind the committed offsets once more, in
// the same generation, and what was committed never again.
func TestErrAgainDeliversWhatIsNotCommitted(t *testing.T) {
	const records, committed = 900, 300
	_, cfg := broker(t, 3)
	produce(t, producer(t, cfg), 0, records)
	reg := prometheus.NewRegistry()
	var calls []int32 // generations
	var early, late ledger
	offsets := kafkabus.Offsets{} // committed in the first call
	stop := run(t, consumerConfig(cfg), reg, func(ctx context.Context, g kafkabus.Generation) error {
		calls = append(calls, g.ID())
		if len(calls) > 1 {
			return late.take(ctx, g)
		}
		var held []kafkabus.Batch
		for b := range g.Batches() {
			early.add(b)
			held = append(held, b)
			if len(offsets) == 0 || early.distinct() <= committed {
				if err := commit(g, b); err != nil {
					t.Errorf("committing: %v", err)
				}
				offsets[kafkabus.TopicPartition{Topic: b.Topic, Partition: b.Partition}] = b.Records[len(b.Records)-1].Offset + 1
			}
			if early.distinct() == records {
				break
			}
		}
		for i := range held {
			held[i].Release()
		}
		return kafkabus.ErrAgain
	})
	sum := int64(0)
	await(t, "the rest comes again", func() bool {
		sum = 0
		for _, offset := range groupOffsets(t, cfg) {
			sum += offset
		}
		return sum == records
	})
	stop()
	before := int64(0)
	for _, offset := range offsets {
		before += offset
	}
	if len(calls) != 2 || calls[0] != calls[1] {
		t.Errorf("called in generations %v", calls)
	}
	if before == 0 || before == records || int64(late.distinct()) != records-before {
		t.Errorf("%d of %d records were committed, %d came again", before, records, late.distinct())
	}
	for value, n := range late.copy() {
		if n != 1 {
			t.Errorf("record %s came %d times in the second call", value, n)
		}
	}
	if n := counter(t, reg, "delivered_again_total"); n != 1 {
		t.Errorf("counted %v", n)
	}
	if n := counter(t, reg, "in_flight_bytes"); n != 0 {
		t.Errorf("%v bytes are in flight at the end", n)
	}
}

// Where nothing was committed yet, all comes again, as often as it is asked for; and who asks
// when the consumer is being stopped is not called again.
func TestErrAgainFromTheStartAndAtTheEnd(t *testing.T) {
	const records, times = 200, 3
	_, cfg := broker(t, 2)
	produce(t, producer(t, cfg), 0, records)
	calls, full := 0, make(chan struct{})
	var l ledger
	stop := run(t, consumerConfig(cfg), prometheus.NewRegistry(), func(ctx context.Context, g kafkabus.Generation) error {
		calls++
		seen := 0
		for seen < records {
			b := <-g.Batches()
			l.add(b)
			seen += len(b.Records)
			b.Release()
		}
		if calls == times {
			close(full)
			<-ctx.Done()
		}
		return kafkabus.ErrAgain
	})
	<-full
	stop()
	if calls != times {
		t.Errorf("called %d times, want %d", calls, times)
	}
	for value, n := range l.copy() {
		if n != times {
			t.Errorf("record %s came %d times, want %d", value, n, times)
		}
	}
	if offsets := groupOffsets(t, cfg); len(offsets) > 0 && (offsets[0] > 0 || offsets[1] > 0) {
		t.Errorf("committed by nobody: %v", offsets)
	}
}

// Every batch tells how much of its partition is still to come.
func TestBatchesTellHowFarBehindTheyAre(t *testing.T) {
	const records = 3000
	_, cfg := broker(t, 2)
	produce(t, producer(t, cfg), 0, records)
	ends := map[int]int64{} // end of the partition's log, by what each batch said
	var l ledger
	var wrong []string
	c := consumerConfig(cfg)
	c.FetchBytesMax = 4 << 10
	stop := run(t, c, prometheus.NewRegistry(), func(_ context.Context, g kafkabus.Generation) error {
		for b := range g.Batches() {
			last := b.Records[len(b.Records)-1].Offset
			if end, known := ends[b.Partition]; known && end != last+1+b.Behind {
				wrong = append(wrong, fmt.Sprintf("partition %d ends at %d, or %d", b.Partition, end, last+1+b.Behind))
			}
			ends[b.Partition] = last + 1 + b.Behind
			l.add(b)
			b.Release()
		}
		return nil
	})
	await(t, "all are received", func() bool { return l.distinct() == records })
	stop()
	if len(wrong) > 0 || ends[0]+ends[1] != records {
		t.Errorf("ends %v: %v", ends, wrong)
	}
}
