package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"sync"
	"time"

	"go.uber.org/zap"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/enricher"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/obs"
)

// lastInsertWait is when the rows that are left, fewer than an insert, are taken for all.
const lastInsertWait = 15 * time.Second

// tableEvents is where the events go.
const tableEvents = "events"

// InsertFloor says what the floor of bare inserts works with.
type InsertFloor struct {
	Kafka      kafkabus.Config
	ClickHouse chstore.Config
	Enricher   enricher.Config // the same as ours, so that the inserts are as large
	Events     int             // on the topic
}

// Run takes the rows that an enricher makes of the topic into memory, column by column,
// and then inserts them each time that it is asked to by an HTTP request. Nothing but
// the insert happens then: no fetch, no decoding, no marks, no commit.
func (f InsertFloor) Run(ctx context.Context, log *zap.Logger, ready func(Address) error) error {
	inserts, err := f.prepare(ctx, log)
	if err != nil {
		return fmt.Errorf("preparing the floor's rows: %w", err)
	}
	store, err := chstore.Open(f.ClickHouse, log, obs.NewRegistry())
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening for the floor: %w", err)
	}
	srv := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, cols := range inserts {
			if err := store.InsertByDriver(r.Context(), tableEvents, cols); err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
		}
	})}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	if err := ready(Address{Addr: l.Addr().String()}); err != nil {
		return errors.Join(err, srv.Close())
	}
	select {
	case err = <-served:
	case <-ctx.Done():
		err = srv.Close()
		<-served //nolint:errcheck // http.ErrServerClosed, after Close
	}
	return err
}

// prepare runs an enricher over the whole topic with a store that remembers.
func (f InsertFloor) prepare(ctx context.Context, log *zap.Logger) ([][]chstore.Column, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	kept := &keeper{wanted: f.Events, stop: stop}
	source := kafkabus.DefaultConsumerConfig("partnerpulse-bench-insert")
	source.Config, source.Topics = f.Kafka, []string{kafkabus.TopicEvents}
	source.InFlightBytesMax = 2 * f.Enricher.FlushBytesMax
	cfg := f.Enricher
	cfg.HoldRowsMax, cfg.HoldBytesMax = cfg.FlushRowsMax, cfg.FlushBytesMax // inserts as large as streamed ones
	cfg.FlushAgeMax = lastInsertWait
	e := enricher.New(cfg, enricher.Deps{
		Source: kafkabus.NewConsumer(source, log, obs.NewRegistry()), Store: kept, Publisher: kept,
	}, log, obs.NewRegistry())
	if err := e.Run(ctx); err != nil {
		return nil, err
	}
	if kept.rows != f.Events {
		return nil, fmt.Errorf("%w: %d rows of %d events", ErrInexact, kept.rows, f.Events)
	}
	return kept.inserts, nil
}

// keeper is a store that keeps copies of the columns of events, and a publisher that
// ends it all.
type keeper struct {
	wanted int
	stop   func() // called when it has them all

	mu      sync.Mutex
	inserts [][]chstore.Column
	rows    int
}

// InsertColumns keeps the columns of events and drops those of other tables.
func (k *keeper) InsertColumns(_ context.Context, table string, cols []chstore.Column) error {
	if table != tableEvents {
		return nil
	}
	out := make([]chstore.Column, len(cols))
	for i, c := range cols {
		if texts, ok := c.Values.(*chstore.Texts); ok {
			out[i] = chstore.Column{Name: c.Name, Values: texts.Strings()}
			continue
		}
		values := reflect.ValueOf(c.Values)
		own := reflect.MakeSlice(values.Type(), values.Len(), values.Len())
		reflect.Copy(own, values)
		out[i] = chstore.Column{Name: c.Name, Values: own.Interface()}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.inserts = append(k.inserts, out)
	k.rows += cols[0].Len()
	if k.rows >= k.wanted {
		k.stop()
	}
	return nil
}

// errRejected says that an event of the measurement was refused.
var errRejected = errors.New("the enricher refuses events of the measurement")

// Publish is for rejects, of which there must be none.
func (k *keeper) Publish(context.Context, ...kafkabus.Message) error {
	k.stop()
	return errRejected
}
