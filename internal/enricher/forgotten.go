package enricher

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"partnerpulse/internal/event"
	"partnerpulse/internal/forgotten"
	"partnerpulse/internal/kafkabus"
)

// Guard keeps those who were erased from coming back.
type Guard interface {
	// Refresh reads the list of the forgotten.
	Refresh(ctx context.Context) error
	// List is the list as read last, the same pointer as long as nothing changed.
	List() *forgotten.List
	// EraseEvents removes rows that are there in spite of the list.
	EraseEvents(ctx context.Context, keys []forgotten.EventKey) error
	// EraseRejects does so with rows of rejects.
	EraseRejects(ctx context.Context, ids []uint64) error
}

// noGuard is for installations, and tests, in which nobody was ever erased.
type noGuard struct{}

// Refresh has nothing to read.
func (noGuard) Refresh(context.Context) error { return nil }

// List holds nobody.
func (noGuard) List() *forgotten.List { return nil }

// EraseEvents has nothing to erase.
func (noGuard) EraseEvents(context.Context, []forgotten.EventKey) error { return nil }

// EraseRejects has nothing to erase.
func (noGuard) EraseRejects(context.Context, []uint64) error { return nil }

// readForgotten reads the list before the first event is looked at.
func (e *Enricher) readForgotten(ctx context.Context) error {
	return e.retry(ctx, "forgotten", func() error { return e.deps.Guard.Refresh(ctx) })
}

// keepForgotten makes sure that no row of the forgotten outlives the batch. An
// erasure first writes its entry and then deletes. An insert that ended before is
// caught by that deletion. One that ended later sees the entry here, since the list
// is read after the insert, and deletes its rows itself; if it is killed between the
// two, the batch comes again, finds the rows by their keys and deletes them then. No
// clock or waiting is part of it. What is left is an insert that the store ends after its
// sender is gone and the batch has come again: the rows are there until they are erased
// once more, or until the batch is replayed.
//
// A streamed batch has no records any more, so c is nil then: when the list has changed it
// is read again.
func (e *Enricher) keepForgotten(ctx context.Context, b *batch, c *chunk) error {
	if err := e.readForgotten(ctx); err != nil {
		return err
	}
	if list := e.deps.Guard.List(); list != b.list {
		if c == nil {
			return errListChanged
		}
		for _, record := range c.records {
			if ev, err := event.UnmarshalCloudEvent(record.Value); err == nil && list.Holds(ev) {
				b.forget(ev)
			}
		}
	}
	if len(b.forgotten) == 0 {
		return nil
	}
	err := e.retry(ctx, "forgotten", func() error {
		if err := e.deps.Guard.EraseEvents(ctx, b.forgotten); err != nil {
			return fmt.Errorf("erasing %d events of the forgotten: %w", len(b.forgotten), err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	// Whether there was a row or not: a run that was killed here may have erased it.
	for _, key := range b.forgotten {
		b.dirty[dayKey{tenant: key.Tenant, partnerID: key.PartnerID, day: key.Day}] = struct{}{}
	}
	e.metrics.forgotten.Add(float64(len(b.forgotten)))
	return nil
}

var errListChanged = errors.New("somebody was forgotten meanwhile")

// forget notes an event that must not be stored, or that must be removed again. Its texts
// are copied: those of an event share the memory of its whole record.
func (b *batch) forget(e *event.Event) {
	b.forgotten = append(b.forgotten, forgotten.EventKey{
		Tenant: strings.Clone(e.Tenant), PartnerID: strings.Clone(e.PartnerID), ID: strings.Clone(e.ID), Day: dayOf(e.Time),
	})
}

// keepForgotten does for rejects what Enricher.keepForgotten does for events.
func (r *Rejects) keepForgotten(ctx context.Context, b *rejectBatch) error {
	if err := r.deps.Guard.Refresh(ctx); err != nil {
		return fmt.Errorf("reading the list of the forgotten: %w", err)
	}
	list := r.deps.Guard.List()
	if list == b.list {
		return nil
	}
	var ids []uint64
	for i := range b.rows.id {
		if list.HoldsText(b.rows.tenant[i], b.rows.original[i]+" "+b.rows.message[i], b.rows.rejectedAt[i]) {
			ids = append(ids, b.rows.id[i])
		}
	}
	if len(ids) == 0 {
		return nil
	}
	if err := r.deps.Guard.EraseRejects(ctx, ids); err != nil {
		return fmt.Errorf("erasing %d rejects of the forgotten: %w", len(ids), err)
	}
	return nil
}

// isForgotten tells whether a record of the rejects topic names one of the forgotten.
func (b *rejectBatch) isForgotten(record *kafkabus.Record) bool {
	if b.list.Len() == 0 {
		return false
	}
	var one rejectRows
	one.append(record)
	return b.list.HoldsText(one.tenant[0], one.original[0]+" "+one.message[0], one.rejectedAt[0])
}
