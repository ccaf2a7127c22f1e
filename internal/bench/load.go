package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// load is what is sent: closed loop, each connection one request at a time.
type load struct {
	connections int
	batch       int // events of a request
	length      time.Duration
}

// result is what one load saw.
type result struct {
	requests  int
	events    int // acknowledged
	took      time.Duration
	latencies []time.Duration // of every request, sorted
}

// errRefused says that a request was not answered by a 2xx.
var errRefused = errors.New("a request was refused")

// send loads a collector for a while. Any answer but 2xx is an error: then there is
// nothing to measure.
func (l load) send(ctx context.Context, to Address, events *pool) (result, error) {
	var g errgroup.Group
	conns := make([]*conn, 0, l.connections)
	defer func() {
		for _, c := range conns {
			_ = c.close()
		}
	}()
	for range l.connections {
		c, err := dial(ctx, to)
		if err != nil {
			return result{}, err
		}
		conns = append(conns, c)
	}
	parts := make([][]time.Duration, len(conns))
	start := time.Now()
	for i, c := range conns {
		g.Go(func() (err error) {
			parts[i], err = l.loop(ctx, c, events, start.Add(l.length))
			return err
		})
	}
	err := g.Wait()
	r := result{took: time.Since(start)}
	r.latencies = slices.Concat(parts...)
	slices.Sort(r.latencies)
	r.requests = len(r.latencies)
	r.events = r.requests * l.batch
	return r, err
}

// loop sends over one connection until the deadline, and gives each request's latency.
func (l load) loop(ctx context.Context, c *conn, events *pool, until time.Time) ([]time.Duration, error) {
	latencies := make([]time.Duration, 0, 4096)
	var body []byte
	for {
		body = events.appendBody(body[:0], l.batch)
		sent := time.Now()
		if sent.After(until) || ctx.Err() != nil {
			return latencies, ctx.Err()
		}
		status, err := c.post(body)
		if err != nil {
			return latencies, err
		}
		if status < 200 || status > 299 {
			return latencies, fmt.Errorf("%w with status %d", errRefused, status)
		}
		latencies = append(latencies, time.Since(sent))
	}
}

// quantile gives the smallest value of sorted that at least the share q of all values
// does not exceed; 0 when there are none.
func quantile[T any](sorted []T, q float64) T {
	var none T
	if len(sorted) == 0 {
		return none
	}
	i := int(q*float64(len(sorted))+0.999999999) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// median gives the middle value; the mean of the two middle ones of an even number.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}
