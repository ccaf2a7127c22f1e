package enricher

import (
	"context"
	"maps"
	"time"

	"partnerpulse/internal/kafkabus"
)

// part is a chunk on its way from the filler to the flusher.
type part struct {
	batch    *batch // the filler's, until the last part is handed over
	chunk    *chunk // nil: no more rows
	streamed bool   // as its batch is
	last     bool   // of the batch
}

// filler decodes what one delivery fetches into batches.
type filler struct {
	*Enricher
	g       kafkabus.Generation
	decoder *decoder
	// Batches are held up to these offsets, of which what is passed is deleted, and until then.
	careful   kafkabus.Offsets
	heldUntil time.Time

	batch   *batch // the one that is filled
	chunk   *chunk // its last; nil: all are on their way
	aged    bool   // the batch has waited for FlushAgeMax
	overdue bool   // it has waited for FlushAgeBehindMax
	age     *time.Timer
	ready   []part // for the flusher, in order

	behind map[kafkabus.TopicPartition]int64 // records that are still on the log, by what the batch has heard
	lag    int64                             // the sum of behind
}

// run fills batches and hands them over when they are due. It returns when ctx ends,
// dropping what it holds, or after handing over everything when fetching has ended.
func (f *filler) run(ctx context.Context, full chan<- part) {
	f.age = time.NewTimer(f.cfg.FlushAgeMax)
	defer f.age.Stop()
	f.batch, f.behind = newBatch(), map[kafkabus.TopicPartition]int64{}
	in := f.g.Batches()
	for {
		fetched, free, handover := in, f.free, full
		if f.chunk == nil {
			fetched = nil // the flusher is behind: fetching pauses
		} else {
			free = nil
		}
		next, ok := f.next(in == nil)
		if !ok {
			handover = nil
			if in == nil {
				f.drop()
				return
			}
		}
		select {
		case <-ctx.Done():
			f.drop()
			return
		case f.chunk = <-free:
		case records, ok := <-fetched:
			if !ok {
				in = nil
				continue
			}
			f.add(records)
		case <-f.age.C:
			if f.overdue = f.aged; !f.aged {
				f.aged = true
				f.age.Reset(f.cfg.FlushAgeBehindMax - f.cfg.FlushAgeMax)
			}
		case handover <- next:
			f.handed()
		}
	}
}

// next gives the part to hand over: the first that is ready, or all there is if it is due.
// A batch grows beyond its age as long as more is waiting on the log than is in it: so a
// backlog is worked off in large inserts, and an event that has waited long for its turn
// waits a little for the ones behind it.
func (f *filler) next(ended bool) (part, bool) {
	if len(f.ready) > 0 {
		return f.ready[0], true
	}
	isDue := ended || f.overdue || f.aged && f.lag <= int64(f.batch.records)
	if f.batch.isEmpty() || !isDue {
		return part{}, false
	}
	return part{batch: f.batch, chunk: f.chunk, streamed: f.batch.streamed, last: true}, true
}

// handed notes that the part that next gave is the flusher's.
func (f *filler) handed() {
	if len(f.ready) > 0 {
		f.ready = append(f.ready[:0], f.ready[1:]...)
		return
	}
	f.chunk = nil
	f.begin()
}

// begin starts the next batch. What was behind counts again when it is heard of: else a
// partition that cannot be fetched would keep all others waiting.
func (f *filler) begin() {
	f.batch, f.aged, f.overdue = newBatch(), false, false
	f.lag = 0
	clear(f.behind)
}

// add decodes records. A full chunk is ready: as all of its batch, which then stays as
// small as that, or as the first of many.
func (f *filler) add(in kafkabus.Batch) {
	if f.batch.isEmpty() {
		f.aged, f.overdue = false, false
		f.age.Reset(f.cfg.FlushAgeMax)
	}
	tp := kafkabus.TopicPartition{Topic: in.Topic, Partition: in.Partition}
	f.lag += in.Behind - f.behind[tp]
	f.behind[tp] = in.Behind
	b, c := f.batch, f.chunk
	f.decoder.add(b, c, in)
	b.held = b.held || f.deps.Stream == nil || len(f.careful) > 0 || time.Now().Before(f.heldUntil)
	f.pass(tp, in.Records[len(in.Records)-1].Offset+1)
	// What a batch keeps beside its rows stays until it is committed, streamed or not.
	last := b.rows >= f.cfg.FlushRowsMax || b.bytes >= f.cfg.FlushBytesMax ||
		b.kept() >= f.cfg.HoldRowsMax || b.refusedBytes >= f.cfg.HoldBytesMax
	isFull := c.columns.rows >= f.cfg.HoldRowsMax || c.bytes >= f.cfg.HoldBytesMax
	if isFull && !last {
		b.streamed, last = !b.held, b.held
	}
	if b.streamed {
		c.releaseRecords()
	}
	if !isFull && !last {
		return
	}
	f.ready = append(f.ready, part{batch: b, chunk: c, streamed: b.streamed, last: last})
	f.chunk = nil
	if last {
		f.begin()
	}
}

// pass deletes what has been passed of the offsets up to which batches are held.
func (f *filler) pass(tp kafkabus.TopicPartition, next int64) {
	if until, ok := f.careful[tp]; ok && next >= until {
		delete(f.careful, tp)
	}
}

// drop gives up what has not been handed over; it is delivered again.
func (f *filler) drop() {
	if f.chunk != nil {
		f.ready = append(f.ready, part{chunk: f.chunk})
	}
	for _, p := range f.ready {
		if p.chunk != nil {
			f.metrics.dropped.Add(float64(p.chunk.columns.rows))
			f.recycle(p.chunk)
		}
	}
	f.ready, f.chunk = nil, nil
}

// carefully gives the offsets up to which batches of this generation are held.
func (e *Enricher) carefully(g kafkabus.Generation) kafkabus.Offsets {
	if e.carefulIn != g.ID() {
		e.careful = nil
	}
	return maps.Clone(e.careful)
}
