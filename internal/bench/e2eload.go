package bench

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"partnerpulse/internal/event"
	"partnerpulse/internal/simulate/plan"
)

// loadVisits is how many visits one synthetic load of the plan has going at once.
const loadVisits = 64

// bodiesAhead is how many requests are encoded before they are due.
const bodiesAhead = 128

// pacedLoad is an open loop: each request is due at a time of the schedule, whatever
// became of those before it. Waiting for a connection counts as waiting for the answer,
// since a portal's visitors do not wait for each other.
type pacedLoad struct {
	cfg        E2EConfig
	start, end time.Time
	counted    time.Time // requests that are due before it are not counted

	accepted atomic.Int64 // events, those of warming up included

	mu       sync.Mutex
	answers  []time.Duration // from due to the answer, of what is counted
	lateness []time.Duration // from due to sent
	events   int64           // of what is counted
}

// pacedRequest is a request and when it is to be sent.
type pacedRequest struct {
	due  time.Time
	body []byte
}

// send sends all requests. Any answer but 2xx is an error.
func (l *pacedLoad) send(ctx context.Context, to Address) error {
	g, ctx := errgroup.WithContext(ctx)
	requests := make(chan pacedRequest, bodiesAhead)
	g.Go(func() error {
		defer close(requests)
		return l.prepare(ctx, requests)
	})
	for range l.cfg.Connections {
		g.Go(func() error { return l.work(ctx, to, requests) })
	}
	return g.Wait()
}

// prepare plans and encodes the requests in the order of the schedule.
func (l *pacedLoad) prepare(ctx context.Context, to chan<- pacedRequest) error {
	events, stop, err := l.visits()
	if err != nil {
		return err
	}
	defer stop()
	step := time.Duration(float64(l.cfg.Batch) / float64(l.cfg.Rate) * float64(time.Second))
	for n := 0; ; n++ {
		due := l.start.Add(time.Duration(n) * step)
		if !due.Before(l.end) {
			return nil
		}
		body := make([]byte, 0, l.cfg.Batch*700)
		for i := range l.cfg.Batch {
			e := events()
			e.Time = due
			b, err := plan.Encode(e)
			if err != nil {
				return err
			}
			if i == 0 && l.cfg.Batch > 1 {
				body = append(body, '[')
			} else if i > 0 {
				body = append(body, ',')
			}
			body = append(body, b...)
		}
		if l.cfg.Batch > 1 {
			body = append(body, ']')
		}
		select {
		case to <- pacedRequest{due, body}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// visits gives the events of as many visits at once as are configured.
func (l *pacedLoad) visits() (next func() *event.Event, stop func(), err error) {
	cfg := plan.DefaultConfig(plan.DayOf(l.start, time.UTC))
	cfg.Partners = l.cfg.Partners
	world, err := plan.New(cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("planning events: %w", err)
	}
	var pulls []func() (*event.Event, bool)
	var stops []func()
	for run := range (l.cfg.Visits + loadVisits - 1) / loadVisits {
		pull, end := iter.Pull(world.Load(uint64(run + 1)))
		pulls, stops = append(pulls, pull), append(stops, end)
	}
	n := 0
	next = func() *event.Event {
		e, _ := pulls[n%len(pulls)]() // a load has no end
		n++
		return e
	}
	return next, func() {
		for _, end := range stops {
			end()
		}
	}, nil
}

// work sends requests over one connection, each when it is due.
func (l *pacedLoad) work(ctx context.Context, to Address, requests <-chan pacedRequest) error {
	c, err := dial(ctx, to)
	if err != nil {
		return err
	}
	defer func() { _ = c.close() }()
	for r := range requests {
		if !sleepUntil(ctx, r.due) {
			return ctx.Err()
		}
		sent := time.Now()
		status, err := c.post(r.body)
		if err != nil {
			return err
		}
		if status < 200 || status > 299 {
			return fmt.Errorf("%w with status %d", errRefused, status)
		}
		l.accepted.Add(int64(l.cfg.Batch))
		if r.due.Before(l.counted) {
			continue
		}
		l.mu.Lock()
		l.answers, l.lateness = append(l.answers, time.Since(r.due)), append(l.lateness, sent.Sub(r.due))
		l.events += int64(l.cfg.Batch)
		l.mu.Unlock()
	}
	return nil
}

// sorted gives what was measured, in order.
func (l *pacedLoad) sorted() (answers, lateness []time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.answers)
	slices.Sort(l.lateness)
	return l.answers, l.lateness
}
