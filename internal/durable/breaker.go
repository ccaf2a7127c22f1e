package durable

import (
	"sync"
	"time"
)

// state of a breaker.
type state int

const (
	closed   state = iota // Kafka takes records, nothing waits: requests go to Kafka
	halfOpen              // Kafka takes what waits: the last requests before the end wait, others queue
	open                  // Kafka does not take records: requests go to disk at once
)

// breaker remembers how the last attempt on Kafka ended. What waits in the spool
// is tried first after a failure, so a request never serves as the probe, unless
// the spool took nothing: then requests may try again after restPause.
type breaker struct {
	mu       sync.Mutex
	failed   bool
	failedAt time.Time
}

// restPause is how long requests stay away from Kafka after a failure if nothing
// in the spool can tell sooner that it is back.
const restPause = time.Second

// note takes the result of an attempt.
func (b *breaker) note(ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failed = !ok
	if !ok {
		b.failedAt = time.Now()
	}
}

// state judges with what waits in the spool.
func (b *breaker) state(waiting bool) state {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.failed && (waiting || time.Since(b.failedAt) < restPause):
		return open
	case waiting:
		return halfOpen
	}
	return closed
}
