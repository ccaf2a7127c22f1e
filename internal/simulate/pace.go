package simulate

import (
	"context"
	"sync/atomic"
	"time"
)

// pace tells when a planned instant is due. The past is made up for at speed
// simulated seconds a second (≥ 1; 0: at once); nothing is due before its own time,
// because the collector refuses the future.
type pace struct {
	began time.Time // real time at the start
	from  time.Time // simulated time at the start
	speed float64
}

func (p pace) due(planned time.Time) time.Time {
	if p.speed == 0 || !planned.After(p.from) {
		return planned
	}
	made := p.began.Add(time.Duration(float64(planned.Sub(p.from)) / p.speed))
	if made.After(planned) {
		return made
	}
	return planned
}

// sleepUntil returns at t, or with the cause when ctx ends first.
func sleepUntil(ctx context.Context, t time.Time) error {
	d := time.Until(t)
	if d <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// budget is the number of events that may still be sent, shared by all sources.
type budget struct {
	left    *atomic.Int64
	limited bool
}

func newBudget(events int64) budget {
	b := budget{left: new(atomic.Int64), limited: events > 0}
	b.left.Store(events)
	return b
}

// take asks for one event; false when none is left.
func (b *budget) take() bool { return !b.limited || b.left.Add(-1) >= 0 }

// spent tells that a source was stopped by the budget.
func (b *budget) spent() bool { return b.limited && b.left.Load() < 0 }

// exhausted tells that nothing more may be sent.
func (b *budget) exhausted() bool { return b.limited && b.left.Load() <= 0 }
