package simulate

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"partnerpulse/internal/event"
	"partnerpulse/internal/simulate/plan"
)

// sender delivers events in batches. A partner's events all go through one lane,
// one request at a time, so they arrive in order.
type sender struct {
	cfg       Config
	deps      Deps
	log       *zap.Logger
	metrics   *metrics
	client    *http.Client
	transport *http.Transport // nil when injected
	encoder   *bodyEncoder
	tally     *tally
	ackMu     sync.Mutex // one batch's ids at a time in AckLog
}

func newSender(cfg Config, deps Deps, log *zap.Logger) (*sender, error) {
	s := &sender{cfg: cfg, deps: deps, log: log, metrics: newMetrics(deps.Registerer), tally: newTally(cfg.Workers)}
	s.cfg.URL = strings.TrimRight(cfg.URL, "/") + "/v1/events"
	transport := deps.Transport
	if transport == nil {
		s.transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: cfg.Workers, MaxConnsPerHost: cfg.Workers, IdleConnTimeout: time.Minute,
		}
		transport = s.transport
	}
	s.client = &http.Client{Transport: transport, Timeout: cfg.RequestTimeout}
	var err error
	s.encoder, err = newBodyEncoder(cfg.Compression)
	return s, err
}

func (s *sender) close() {
	if s.transport != nil {
		s.transport.CloseIdleConnections()
	}
}

// outgoing is an event to send. Planned ones move the instant from which a later
// run resumes; synthetic load does not.
type outgoing struct {
	*event.Event
	planned bool
}

type emitFunc func(context.Context, outgoing) error

// item is an event of a batch, encoded once so that every attempt sends the same bytes.
type item struct {
	id      string
	time    time.Time
	planned bool
	body    []byte
}

// run starts the lanes, lets source emit into them, and returns when everything
// emitted is answered, or on the first hard error or the end of ctx.
func (s *sender) run(ctx context.Context, source func(context.Context, emitFunc) error) error {
	g, ctx := errgroup.WithContext(ctx)
	lanes := make([]chan outgoing, s.cfg.Workers)
	for n := range lanes {
		lanes[n] = make(chan outgoing, s.cfg.BatchEventsMax)
		g.Go(func() error { return s.lane(ctx, n, lanes[n]) })
	}
	g.Go(func() error {
		defer func() {
			for _, lane := range lanes {
				close(lane)
			}
		}()
		return source(ctx, func(ctx context.Context, e outgoing) error {
			n := laneOf(e.PartnerID, len(lanes))
			s.tally.emitted(n, e)
			select {
			case lanes[n] <- e:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	})
	return g.Wait()
}

func laneOf(partner string, lanes int) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(partner)) // a hash never fails
	return int(h.Sum32() % uint32(lanes))
}

// lane sends one batch after the other.
func (s *sender) lane(ctx context.Context, n int, events <-chan outgoing) error {
	for {
		batch, err := s.collect(ctx, events)
		if err != nil {
			return err
		}
		if len(batch) == 0 {
			return nil
		}
		if err := s.deliver(ctx, batch); err != nil {
			return err
		}
		s.tally.answered(n, batch)
	}
}

// collect waits for an event, then takes what comes within the linger time until
// the batch is full. Empty: the source is finished.
func (s *sender) collect(ctx context.Context, events <-chan outgoing) ([]item, error) {
	var batch []item
	var full <-chan time.Time // nil, so it never fires, before the first event
	for len(batch) < s.cfg.BatchEventsMax {
		select {
		case e, ok := <-events:
			if !ok {
				return batch, nil
			}
			body, err := plan.Encode(e.Event)
			if err != nil {
				return nil, err
			}
			batch = append(batch, item{id: e.ID, time: e.Time, planned: e.planned, body: body})
			if full == nil {
				timer := time.NewTimer(s.cfg.Linger)
				defer timer.Stop()
				full = timer.C
			}
		case <-full:
			return batch, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return batch, nil
}

// confirm records the answer to a batch: ids into the log first, then the counts.
func (s *sender) confirm(batch []item, refused map[int]problem) error {
	lines := make([]byte, 0, 40*len(batch))
	for i := range batch {
		if _, bad := refused[i]; !bad {
			lines = append(append(lines, batch[i].id...), '\n')
		}
	}
	if err := s.logAcked(lines); err != nil {
		return fmt.Errorf("writing the list of accepted events: %w", err)
	}
	accepted := len(batch) - len(refused)
	s.metrics.acked.Add(float64(accepted))
	s.metrics.rejected.Add(float64(len(refused)))
	s.tally.settled(accepted, refused)
	return nil
}

// logAcked writes a batch's ids in one call, unbuffered, so that a killed
// simulator leaves all that it knew to be accepted.
func (s *sender) logAcked(lines []byte) error {
	if s.deps.AckLog == nil || len(lines) == 0 {
		return nil
	}
	s.ackMu.Lock()
	defer s.ackMu.Unlock()
	_, err := s.deps.AckLog.Write(lines)
	return err
}
