package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/produce"
)

// call is one Publish that waits. Guarded by sender.mu.
type call struct {
	left   int   // records without an answer
	failed []int // their indices, in any order
	err    error // the first failure
	gone   bool  // nobody waits any more
	done   chan struct{}
}

// queued is one record on its way.
type queued struct {
	key, value []byte
	call       *call
	index      int // in the call
}

// outgoing is what of one partition goes into one request.
type outgoing struct {
	queue    *queue
	records  []queued
	body     []byte // encoded, for the first attempt and all others
	attempts int
	after    time.Time // when the next attempt may be made
}

// queue holds the records of one partition. One batch of it is under way at a time, so
// that a repetition cannot overtake.
type queue struct {
	tp      TopicPartition
	records []queued
	bytes   int64
	since   time.Time // when the first of records came
	again   *outgoing // sent without success, to be sent again before anything else
	busy    bool      // a batch is under way
}

// sender brings records to their leaders: one request to each leader at a time, with
// records of all its partitions. What comes meanwhile is in the next one. kafka-go's own
// writer sends a request for every partition.
type sender struct {
	cfg       ProducerConfig
	layouts   *layouts
	transport *kafka.Transport
	addr      net.Addr
	retries   func()
	encoders  sync.Pool // of *batchEncoder

	mu      sync.Mutex
	queues  map[TopicPartition]*queue
	waiting map[*queue]struct{} // with records or a repetition, and not busy
	leaders map[int]bool        // with a request under way
	closing bool
	running int           // requests under way
	wake    chan struct{} // something changed
	stopped chan struct{}
}

func newSender(cfg ProducerConfig, transport *kafka.Transport, retries func()) *sender {
	addr := kafka.TCP(cfg.Brokers...)
	return &sender{
		cfg: cfg, transport: transport, addr: addr, retries: retries,
		layouts: &layouts{
			client:    &kafka.Client{Addr: addr, Timeout: cfg.WriteTimeout, Transport: transport},
			transport: transport, known: map[string]*layout{},
		},
		queues: map[TopicPartition]*queue{}, waiting: map[*queue]struct{}{}, leaders: map[int]bool{},
		wake: make(chan struct{}, 1), stopped: make(chan struct{}),
	}
}

// publish queues the records at their partitions and waits for their answers.
func (s *sender) publish(ctx context.Context, msgs []Message, at []int) error {
	c := &call{left: len(msgs), done: make(chan struct{})}
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return ErrClosed
	}
	now := time.Now()
	for i := range msgs {
		s.enqueue(TopicPartition{Topic: msgs[i].Topic, Partition: at[i]}, queued{key: msgs[i].Key, value: msgs[i].Value, call: c, index: i}, now)
	}
	s.mu.Unlock()
	s.poke()
	select {
	case <-c.done:
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		if c.left > 0 {
			c.gone = true
			return ctx.Err()
		}
	}
	if c.err == nil {
		return nil
	}
	slices.Sort(c.failed)
	return &PublishError{Failed: c.failed, Total: len(msgs), Err: c.err}
}

func (s *sender) enqueue(tp TopicPartition, r queued, now time.Time) {
	q := s.queues[tp]
	if q == nil {
		q = &queue{tp: tp}
		s.queues[tp] = q
	}
	if len(q.records) == 0 {
		q.since = now
		if !q.busy {
			s.waiting[q] = struct{}{}
		}
	}
	q.records = append(q.records, r)
	q.bytes += recordBytes(r)
}

func recordBytes(r queued) int64 { return int64(len(r.key) + len(r.value) + recordOverheadBytes) }

func (s *sender) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run sends until close was called and everything has its answer.
func (s *sender) run() {
	defer close(s.stopped)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next, done := s.dispatch()
		if done {
			return
		}
		if next > 0 {
			timer.Reset(next)
		}
		select {
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// dispatch starts every request that is due. It gives the time until the next one is, 0
// for none, and whether all is done for ever.
func (s *sender) dispatch() (next time.Duration, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	due := map[int]bool{}
	byLeader := map[int][]*queue{}
	for q := range s.waiting {
		wait := s.readyIn(q, now)
		leader := s.layouts.leader(q.tp)
		if s.leaders[leader] {
			continue // its end wakes us
		}
		if wait > 0 {
			if next == 0 || wait < next {
				next = wait
			}
			if q.again != nil {
				continue // must not go before its time
			}
		}
		byLeader[leader] = append(byLeader[leader], q)
		due[leader] = due[leader] || wait <= 0
	}
	for leader, queues := range byLeader {
		if !due[leader] {
			continue
		}
		var out []*outgoing
		for _, q := range queues {
			if o := s.take(q); o != nil {
				out = append(out, o)
			}
		}
		if len(out) > 0 {
			s.leaders[leader] = true
			s.running++
			go s.request(leader, out)
		}
	}
	return next, s.closing && s.running == 0 && len(s.waiting) == 0
}

// readyIn gives the time until a queue wants to be sent; not positive: now.
func (s *sender) readyIn(q *queue, now time.Time) time.Duration {
	if q.again != nil {
		return q.again.after.Sub(now)
	}
	if s.closing || q.bytes >= s.cfg.BatchBytesMax || len(q.records) >= s.cfg.BatchRowsMax {
		return 0
	}
	return q.since.Add(s.cfg.BatchTimeout).Sub(now)
}

// take gives what goes next: the repetition, else a batch from the front of the queue.
// Records that nobody waits for any more are left out; nil when no other is there.
func (s *sender) take(q *queue) *outgoing {
	delete(s.waiting, q)
	if o := q.again; o != nil {
		q.again, q.busy = nil, true
		return o
	}
	var bytes int64
	n, records := 0, make([]queued, 0, min(len(q.records), s.cfg.BatchRowsMax))
	for ; n < len(q.records) && len(records) < s.cfg.BatchRowsMax; n++ {
		r := q.records[n]
		if size := recordBytes(r); bytes+size <= s.cfg.BatchBytesMax || len(records) == 0 {
			q.bytes -= size
			if r.call.gone {
				continue
			}
			bytes += size
			records = append(records, r)
			continue
		}
		break
	}
	q.records = slices.Delete(q.records, 0, n)
	if len(records) == 0 {
		if len(q.records) > 0 {
			s.waiting[q] = struct{}{}
		}
		return nil
	}
	q.busy = true
	return &outgoing{queue: q, records: records}
}

// request sends one request and deals with its answer.
func (s *sender) request(leader int, out []*outgoing) {
	err := s.encode(out)
	var answers map[TopicPartition]error
	if err == nil {
		answers, err = s.roundTrip(out)
	}
	failures := make([]error, len(out))
	topics := map[string]struct{}{}
	for i, o := range out {
		failure := err
		if failure == nil {
			answer, ok := answers[o.queue.tp]
			if !ok {
				answer = errNoAnswer
			}
			failure = answer
		}
		if failures[i] = failure; failure != nil {
			topics[o.queue.tp.Topic] = struct{}{}
		}
	}
	for topic := range topics {
		s.lookAgain(topic)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for i, o := range out {
		s.settle(o, failures[i], now)
	}
	delete(s.leaders, leader)
	s.running--
	s.poke()
}

// lookTimeout bounds the search for a topic's leaders before records are sent again.
const lookTimeout = 2 * time.Second

// lookAgain finds out who leads a topic's partitions now. Should that fail, the next
// attempt goes where the last one went.
func (s *sender) lookAgain(topic string) {
	ctx, cancel := context.WithTimeout(context.Background(), min(lookTimeout, s.cfg.WriteTimeout))
	defer cancel()
	s.layouts.renew(topic)
	_, _ = s.layouts.of(ctx, topic)
}

// errNoAnswer says that a broker's answer lacks a partition.
var errNoAnswer = errors.New("the broker does not say whether the records are written")

// settle answers the records of a batch, or keeps it for another attempt.
func (s *sender) settle(o *outgoing, failure error, now time.Time) {
	q := o.queue
	q.busy = false
	o.attempts++
	switch {
	case failure == nil:
		o.answer(nil)
	case !mayPass(failure) || o.attempts >= s.cfg.AttemptsMax:
		o.answer(failure)
	default:
		s.retries()
		o.after = now.Add(min(attemptPauseMin<<(o.attempts-1), attemptPauseMax))
		q.again = o
	}
	if q.again != nil || len(q.records) > 0 {
		s.waiting[q] = struct{}{}
	}
}

// mayPass tells errors that another attempt can mend: all but a broker's final refusals.
func mayPass(err error) bool {
	var refused kafka.Error
	return !errors.As(err, &refused) || refused.Temporary()
}

// answer tells the calls how their records fared.
func (o *outgoing) answer(err error) {
	for i := range o.records {
		c := o.records[i].call
		if err != nil {
			c.failed = append(c.failed, o.records[i].index)
			if c.err == nil {
				c.err = err
			}
		}
		if c.left--; c.left == 0 {
			close(c.done)
		}
	}
}

// encode makes the bodies of batches that have none yet.
func (s *sender) encode(out []*outgoing) error {
	e, ok := s.encoders.Get().(*batchEncoder)
	if !ok {
		var err error
		if e, err = newBatchEncoder(); err != nil {
			return err
		}
	}
	defer s.encoders.Put(e)
	now := time.Now().UnixMilli()
	for _, o := range out {
		if o.body == nil {
			o.body = e.append(nil, o.records, now)
		}
	}
	return nil
}

// roundTrip sends the batches in one request, and gives the answer of each partition.
func (s *sender) roundTrip(out []*outgoing) (map[TopicPartition]error, error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.WriteTimeout)
	defer cancel()
	response, err := s.transport.RoundTrip(ctx, s.addr, produceRequest(out, s.cfg.WriteTimeout))
	if err != nil {
		return nil, fmt.Errorf("sending records: %w", err)
	}
	r, ok := response.(*produce.Response)
	if !ok {
		return nil, fmt.Errorf("sending records: %w", errNoAnswer)
	}
	answers := make(map[TopicPartition]error, len(out))
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			var failure error
			if p.ErrorCode != 0 {
				failure = fmt.Errorf("writing to %s/%d: %w", t.Topic, p.Partition, kafka.Error(p.ErrorCode))
				if p.ErrorMessage != "" {
					failure = fmt.Errorf("%w (%s)", failure, p.ErrorMessage)
				}
			}
			answers[TopicPartition{Topic: t.Topic, Partition: int(p.Partition)}] = failure
		}
	}
	return answers, nil
}

// close lets everything queued be sent and waits for it.
func (s *sender) close() {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.poke()
	<-s.stopped
}
