package bench

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"time"

	"partnerpulse/internal/event"
	"partnerpulse/internal/simulate/plan"
)

// poolSize is how many different events are encoded before the measurement; they are
// sent again and again with new ids.
const poolSize = 10_000

// idDigits is how many hexadecimal digits of an id number its sending. The others
// stay those of the planned event, so an id has the usual form.
const idDigits = 12

// pool holds encoded events, and gives each one a new id whenever it is sent.
type pool struct {
	events [][]byte
	idAt   []int // where the last idDigits of the id begin
	sent   atomic.Uint64
	bytes  int
}

// newPool plans and encodes visits to a portal of 2,000 partners.
func newPool(now time.Time) (*pool, error) {
	cfg := plan.DefaultConfig(plan.DayOf(now, time.UTC))
	cfg.Partners = 2000
	world, err := plan.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("planning events: %w", err)
	}
	p := &pool{events: make([][]byte, 0, poolSize), idAt: make([]int, 0, poolSize)}
	for e := range world.Load(1) {
		e.Time = now
		if err := p.add(e); err != nil {
			return nil, err
		}
		if len(p.events) == poolSize {
			break
		}
	}
	return p, nil
}

func (p *pool) add(e *event.Event) error {
	b, err := plan.Encode(e)
	if err != nil {
		return err
	}
	at := bytes.Index(b, []byte(e.ID))
	if at < 0 || len(e.ID) < idDigits {
		return fmt.Errorf("event %s: its id cannot be replaced", e.ID)
	}
	p.events = append(p.events, b)
	p.idAt = append(p.idAt, at+len(e.ID)-idDigits)
	p.bytes += len(b)
	return nil
}

// meanBytes is the mean size of an event.
func (p *pool) meanBytes() int { return p.bytes / len(p.events) }

// appendBody adds a body of n events, as an array unless it is one, to dst.
func (p *pool) appendBody(dst []byte, n int) []byte {
	last := p.sent.Add(uint64(n))
	if n > 1 {
		dst = append(dst, '[')
	}
	for number := last - uint64(n); number < last; number++ {
		if number > last-uint64(n) {
			dst = append(dst, ',')
		}
		i := number % uint64(len(p.events))
		at := len(dst) + p.idAt[i]
		dst = append(dst, p.events[i]...)
		writeHex(dst[at:at+idDigits], number)
	}
	if n > 1 {
		dst = append(dst, ']')
	}
	return dst
}

// writeHex fills dst with the last digits of n.
func writeHex(dst []byte, n uint64) {
	const digits = "0123456789abcdef"
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = digits[n&15]
		n >>= 4
	}
}
