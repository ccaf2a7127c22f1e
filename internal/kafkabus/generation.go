package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"

	"partnerpulse/internal/fault"
)

// TopicPartition names one partition.
type TopicPartition struct {
	Topic     string
	Partition int
}

// Offsets says for partitions which offset to read next: one more than the last
// record that is done.
type Offsets map[TopicPartition]int64

// Generation is a member's share of the topics for one generation of the group.
type Generation interface {
	// ID is the broker's number of the generation.
	ID() int32
	// Batches gives what is fetched; of one partition in offset order. It is
	// closed when fetching has stopped.
	Batches() <-chan Batch
	// Commit stores offsets on this generation. Offsets that are already
	// committed are skipped; one that would go back is refused with
	// ErrBackward and nothing is committed. ErrGenerationEnded means that the
	// partitions have another owner: the offsets are discarded and counted.
	// Other errors may pass: a later Commit covers this one.
	Commit(offsets Offsets) error
}

// Errors of Commit, and of the context of a Handler as its cause.
var (
	ErrGenerationEnded = errors.New("generation of the consumer group has ended")
	ErrBackward        = errors.New("commit would go backwards")
	ErrDrainTimeout    = errors.New("handler did not finish within the drain timeout")
	errHandlerStopped  = errors.New("handler stopped before its generation ended")
)

// ErrAgain is what a Handler returns that wants everything behind the committed offsets
// once more: it is called again, in the same generation.
var ErrAgain = errors.New("deliver again what is not committed")

// generation implements Generation on kafka-go's.
type generation struct {
	consumer *Consumer
	gen      *kafka.Generation
	batches  chan Batch          // of the delivery under way
	budget   *semaphore.Weighted // of the delivery under way
	ended    func() bool

	mu         sync.Mutex
	partitions map[TopicPartition]*partitionState
}

// partitionState is what is known of one assigned partition; guarded by generation.mu.
type partitionState struct {
	committed int64 // next offset as the group has it; negative or below floor: none that counts
	floor     int64 // commits below are refused
	high      int64 // high watermark, as of the last fetch
}

// serve runs the handler and the fetchers of one generation to their end. A nil
// error means that the generation ended or ctx did.
func (c *Consumer) serve(ctx context.Context, gen *kafka.Generation, dialer *kafka.Dialer, handle Handler) error {
	live, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	finished := make(chan struct{})
	defer close(finished)
	// kafka-go joins the next generation only after this function returned. It
	// also must not return earlier than the generation ends: that would end it.
	gen.Start(func(generationCtx context.Context) {
		<-generationCtx.Done()
		end(ErrGenerationEnded)
		<-finished
	})

	g := &generation{
		consumer: c, gen: gen, partitions: map[TopicPartition]*partitionState{},
		ended: func() bool { return live.Err() != nil },
	}
	for topic, assigned := range gen.Assignments {
		for _, a := range assigned {
			tp := TopicPartition{Topic: topic, Partition: a.ID}
			g.partitions[tp] = &partitionState{committed: a.Offset, floor: max(a.Offset, 0)}
		}
	}
	c.metrics.generations.WithLabelValues(c.cfg.Group).Inc()
	c.log.Info("joined the consumer group", zap.Int32("generation", gen.ID), zap.Int("partitions", len(g.partitions)))
	defer g.forgetMetrics()
	for {
		err := g.deliver(ctx, live, end, dialer, handle)
		switch {
		case ctx.Err() != nil || live.Err() != nil:
			if err != nil && !errors.Is(err, ErrAgain) && !errors.Is(err, context.Canceled) && !errors.Is(err, ErrGenerationEnded) {
				return err
			}
			return nil
		case errors.Is(err, ErrAgain):
			c.metrics.again.WithLabelValues(c.cfg.Group).Inc()
		case err == nil:
			return errHandlerStopped
		default:
			return err
		}
	}
}

// deliver fetches from the committed offsets on and runs the handler. When it returns,
// neither does anything any more.
func (g *generation) deliver(ctx, live context.Context, end context.CancelCauseFunc, dialer *kafka.Dialer, handle Handler) error {
	g.batches, g.budget = make(chan Batch), semaphore.NewWeighted(g.consumer.cfg.InFlightBytesMax)
	fetching, stopFetching := context.WithCancel(live)
	defer stopFetching()
	defer context.AfterFunc(ctx, stopFetching)()
	var fetchers sync.WaitGroup
	for tp, offset := range g.start() {
		f := &fetcher{g: g, tp: tp, dialer: dialer, next: offset}
		fetchers.Go(func() { f.run(fetching) })
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		<-fetching.Done() // a member without partitions has no fetchers, and waits all the same
		fetchers.Wait()
		close(g.batches)
	}()
	err := g.consumer.runHandler(ctx, live, end, handle, g)
	stopFetching()
	<-closed
	return err
}

// start gives where to begin to fetch each partition; negative: at the start of the log.
func (g *generation) start() Offsets {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make(Offsets, len(g.partitions))
	for tp, state := range g.partitions {
		out[tp] = state.committed
		if state.floor > 0 { // what was committed before the log was reset does not count
			out[tp] = max(state.committed, state.floor)
		}
	}
	return out
}

// runHandler calls the handler and, once ctx has ended, bounds it.
func (c *Consumer) runHandler(ctx, live context.Context, end context.CancelCauseFunc, handle Handler, g *generation) error {
	drained := make(chan struct{})
	var watchdog sync.WaitGroup
	watchdog.Go(func() {
		select {
		case <-ctx.Done():
		case <-drained:
			return
		}
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.DrainTimeout)
		defer cancel()
		select {
		case <-bounded.Done():
			end(ErrDrainTimeout)
		case <-drained:
		}
	})
	err := handle(live, g)
	close(drained)
	watchdog.Wait()
	return err
}

// ID is the broker's number of the generation.
func (g *generation) ID() int32 { return g.gen.ID }

// Batches gives what is fetched.
func (g *generation) Batches() <-chan Batch { return g.batches }

// Commit stores offsets on this generation; see Generation.
func (g *generation) Commit(offsets Offsets) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	group := g.consumer.cfg.Group
	if g.ended() {
		g.consumer.metrics.lateCommits.WithLabelValues(group).Add(float64(len(offsets)))
		return ErrGenerationEnded
	}
	request := map[string]map[int]int64{}
	for tp, offset := range offsets {
		state, ok := g.partitions[tp]
		if !ok {
			return fmt.Errorf("committing offset of %s/%d: not assigned in generation %d", tp.Topic, tp.Partition, g.gen.ID)
		}
		if offset < state.floor {
			g.consumer.metrics.backward.WithLabelValues(group).Inc()
			return fmt.Errorf("%w: %s/%d from %d to %d", ErrBackward, tp.Topic, tp.Partition, state.floor, offset)
		}
		if offset == state.committed {
			continue
		}
		if request[tp.Topic] == nil {
			request[tp.Topic] = map[int]int64{}
		}
		request[tp.Topic][tp.Partition] = offset
	}
	if len(request) == 0 {
		return nil
	}
	if err := g.gen.CommitOffsets(request); err != nil {
		g.consumer.metrics.errors.WithLabelValues(group, "commit").Inc()
		if isFenced(err) {
			g.consumer.metrics.lateCommits.WithLabelValues(group).Add(float64(len(offsets)))
			return fmt.Errorf("%w: %w", ErrGenerationEnded, err)
		}
		return fmt.Errorf("committing offsets: %w", err)
	}
	fault.Point(fault.CommitSent)
	for topic, partitions := range request {
		for partition, offset := range partitions {
			tp := TopicPartition{Topic: topic, Partition: partition}
			state := g.partitions[tp]
			state.committed, state.floor = offset, offset
			g.reportLag(tp, state)
		}
	}
	return nil
}

// isFenced tells the answers by which a broker refuses an old generation.
func isFenced(err error) bool {
	return errors.Is(err, kafka.IllegalGeneration) || errors.Is(err, kafka.UnknownMemberId) ||
		errors.Is(err, kafka.RebalanceInProgress)
}

// resetFloor allows commits from offset on, after the log was found to end
// before the committed offset (recreated topic, truncated log).
func (g *generation) resetFloor(tp TopicPartition, offset int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.partitions[tp].committed, g.partitions[tp].floor = offset-1, offset
}

func (g *generation) observeHighWatermark(tp TopicPartition, high int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	state := g.partitions[tp]
	state.high = high
	g.reportLag(tp, state)
}

func (g *generation) reportLag(tp TopicPartition, state *partitionState) {
	lag := max(state.high-max(state.committed, state.floor), 0)
	g.consumer.metrics.lag.WithLabelValues(g.consumer.cfg.Group, tp.Topic, strconv.Itoa(tp.Partition)).Set(float64(lag))
}

// forgetMetrics drops the gauges of partitions that another member may own next.
func (g *generation) forgetMetrics() {
	for tp := range g.partitions {
		g.consumer.metrics.lag.DeleteLabelValues(g.consumer.cfg.Group, tp.Topic, strconv.Itoa(tp.Partition))
	}
	g.consumer.metrics.inFlight.WithLabelValues(g.consumer.cfg.Group).Set(0)
}

// Assigned lists the partitions of the generation, in no order. It is not part of
// Generation: few handlers need to know.
func (g *generation) Assigned() []TopicPartition {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]TopicPartition, 0, len(g.partitions))
	for tp := range g.partitions {
		out = append(out, tp)
	}
	return out
}
