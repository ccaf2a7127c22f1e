package bench

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"partnerpulse/internal/event"
	"partnerpulse/internal/score"
	"partnerpulse/internal/simulate/plan"
)

// probesMax is how many probes a partner sends at most: so many deals registered each
// raise the sub-score of the default model, which 40 points of value make full.
const probesMax = 12

// probeSenders is how many connections probes go over. The probes of one partner all
// take the same, so they are accepted in order.
const probeSenders = 16

// visibleIn is what a probe is looked for in.
type visibleIn string

const (
	stored visibleIn = "stored" // the table events
	scored visibleIn = "scored" // the table partner_scores
)

// probe is one event whose way is timed.
type probe struct {
	partner int
	number  int  // of the partner, from 1
	counted bool // not sent while warming up
	due     time.Time

	accepted time.Time // the answer was read
	stored   time.Time // seen in events
	scored   time.Time // seen in partner_scores
}

// probes are all of a measurement. The events are deals registered by partners who do
// nothing else: each raises the pipeline's sub-score to a level that is known beforehand,
// so a row tells which of them it includes.
type probes struct {
	byPartner [][]*probe
	levels    []uint64 // sub-score after so many probes, thousandths of a point
	accepted  atomic.Int64

	mu      sync.Mutex
	looking map[visibleIn][]int // by partner: how many have been seen
	unseen  int                 // in scores
}

// newProbes makes the schedule: one probe of every partner in turn, the first of each
// while warming up, so that all have a row when counting begins.
func newProbes(cfg E2EConfig, start, counted time.Time) (*probes, error) {
	calc, err := score.NewCalculator(score.DefaultModel())
	if err != nil {
		return nil, err
	}
	p := &probes{levels: make([]uint64, probesMax+1), looking: map[visibleIn][]int{}}
	const today = 20_000
	for n := 1; n <= probesMax; n++ {
		day := score.Day{Day: today}
		day.Values[score.Pipeline] = int64(n) * score.ValueRegistered
		row := calc.Rows([]score.Day{day}, score.Feeds{}, today, today, score.Row{Score: score.NoScore})[0]
		p.levels[n] = uint64(row.Sub[score.Pipeline])
		if p.levels[n] <= p.levels[n-1] {
			return nil, fmt.Errorf("planning probes: the %d. changes nothing", n)
		}
	}
	total := int(float64(cfg.Probes) * (cfg.WarmUp + cfg.Length).Seconds())
	partners := max((total+probesMax-1)/probesMax, min(total, int(float64(cfg.Probes)*cfg.WarmUp.Seconds())))
	p.byPartner = make([][]*probe, partners)
	for i := range total {
		due := start.Add(time.Duration(float64(i) / float64(cfg.Probes) * float64(time.Second)))
		own := p.byPartner[i%partners]
		p.byPartner[i%partners] = append(own, &probe{
			partner: i % partners, number: len(own) + 1, counted: !due.Before(counted), due: due,
		})
	}
	for _, kind := range []visibleIn{stored, scored} {
		p.looking[kind] = make([]int, partners)
	}
	p.unseen = total
	return p, nil
}

func probePartner(i int) string { return fmt.Sprintf("probe-%06d", i) }

// span gives the first and the last partner.
func (p *probes) span() (first, last string) {
	return probePartner(0), probePartner(len(p.byPartner) - 1)
}

// send sends the probes, each when it is due.
func (p *probes) send(ctx context.Context, to Address) error {
	g, ctx := errgroup.WithContext(ctx)
	for sender := range probeSenders {
		var mine []*probe
		for i := sender; i < len(p.byPartner); i += probeSenders {
			mine = append(mine, p.byPartner[i]...)
		}
		slices.SortFunc(mine, func(a, b *probe) int { return a.due.Compare(b.due) })
		if len(mine) > 0 {
			g.Go(func() error { return p.sendAll(ctx, to, mine) })
		}
	}
	return g.Wait()
}

func (p *probes) sendAll(ctx context.Context, to Address, mine []*probe) error {
	c, err := dial(ctx, to)
	if err != nil {
		return err
	}
	defer func() { _ = c.close() }()
	for _, one := range mine {
		if !sleepUntil(ctx, one.due) {
			return ctx.Err()
		}
		body, err := one.body()
		if err != nil {
			return err
		}
		status, err := c.post(body)
		if err != nil {
			return err
		}
		if status < 200 || status > 299 {
			return fmt.Errorf("%w with status %d", errRefused, status)
		}
		p.mu.Lock()
		one.accepted = time.Now()
		p.mu.Unlock()
		p.accepted.Add(1)
	}
	return nil
}

// body is the probe's event.
func (o *probe) body() ([]byte, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("making an id: %w", err)
	}
	partner := probePartner(o.partner)
	data, err := jsontext.AppendQuote([]byte(`{"deal_id":`), fmt.Sprintf("%s-%d", partner, o.number))
	if err != nil {
		return nil, fmt.Errorf("encoding a probe: %w", err)
	}
	return plan.Encode(&event.Event{
		ID: id.String(), Type: event.DealRegistered, Time: o.due, PartnerID: partner, UserID: "probe", Data: append(data, '}'),
	})
}

// saw notes what a look at a table showed. Rows can show a probe before its answer has
// been read; it was visible from the answer on then.
func (p *probes) saw(kind visibleIn, found map[string]uint64, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, own := range p.byPartner {
		n := found[probePartner(i)]
		for next := p.looking[kind][i]; next < len(own); next++ {
			one := own[next]
			need := uint64(one.number)
			if kind == scored {
				need = p.levels[one.number]
			}
			if n < need || one.accepted.IsZero() {
				break
			}
			p.looking[kind][i]++
			if kind == stored {
				one.stored = at
				continue
			}
			one.scored = at
			p.unseen--
		}
	}
}

// all tells whether every probe is in a score.
func (p *probes) all() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.unseen == 0
}

// recent gives the 99th percentile of the probes that were due since a time and are
// visible, and how many of all that were accepted are not.
func (p *probes) recent(since time.Time) (p99 time.Duration, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var times []time.Duration
	for _, own := range p.byPartner {
		for _, one := range own {
			switch {
			case one.accepted.IsZero():
			case one.scored.IsZero():
				waiting++
			case one.due.After(since):
				times = append(times, one.scored.Sub(one.accepted))
			}
		}
	}
	slices.Sort(times)
	return quantile(times, .99), waiting
}

// counted gives the probes that count, in the order of their schedule.
func (p *probes) counted() []*probe {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*probe
	for _, own := range p.byPartner {
		for _, one := range own {
			if one.counted {
				out = append(out, one)
			}
		}
	}
	slices.SortFunc(out, func(a, b *probe) int { return a.due.Compare(b.due) })
	return out
}
