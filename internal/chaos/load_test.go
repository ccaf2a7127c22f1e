package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	nethttp "net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"partnerpulse/internal/kafkabus"
)

// load sends a world, each event until it is acknowledged.
type load struct {
	w      *world
	c      *cluster
	within time.Duration // the pace: the last event is due after this time

	sent    atomic.Int64 // events of the world acknowledged at least once
	records atomic.Int64 // produced and acknowledged, copies included
	resent  atomic.Int64 // produced again because the first acknowledgement failed
	posted  atomic.Int64 // accepted by the collector, copies included
	retries atomic.Int64 // requests that got no 202
}

// sending is one copy of an event.
type sending struct {
	happening
	copied int
}

const (
	publishChunk = 1000
	postChunk    = 50
	publishers   = 4
	posters      = 8 // each waits for its answer: fewer would hold the whole load up while the broker is away
)

func (l *load) run(ctx context.Context) error {
	producer := kafkabus.NewProducer(kafkabus.ProducerConfig{
		Config: kafkabus.Config{Brokers: l.c.broker.addrs(), ClientID: "chaos"}, BatchRowsMax: publishChunk, BatchTimeout: 5 * time.Millisecond,
	}, zap.NewNop(), prometheus.NewRegistry())
	defer producer.Close()
	g, ctx := errgroup.WithContext(ctx)
	posts := make(chan []sending, 4*posters)
	for range posters {
		g.Go(func() error {
			for batch := range posts {
				if err := l.post(ctx, batch); err != nil {
					return err
				}
			}
			return nil
		})
	}
	chunks := make(chan []sending)
	for range publishers {
		g.Go(func() error {
			for chunk := range chunks {
				if err := l.publish(ctx, producer, chunk); err != nil {
					return err
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		defer close(posts)
		defer close(chunks)
		return l.produce(ctx, chunks, posts)
	})
	return g.Wait()
}

// produce goes through the days of the world, in each of them in a random order.
func (l *load) produce(ctx context.Context, chunks, posts chan<- []sending) error {
	rng := rand.New(rand.NewPCG(l.w.seed, 4))
	due := make([][]sending, l.w.days+1) // of slots to come
	waiting := make([][]sending, len(tenants))
	begin := time.Now()
	for day := range l.w.days {
		for p := range l.w.partners {
			for _, h := range l.w.day(p, day) {
				for copied := range h.Copies {
					slot := h.Slot
					if copied > 1 { // the last copy comes a day later
						slot = min(slot+1, l.w.days-1)
					}
					due[slot] = append(due[slot], sending{h, copied})
				}
			}
		}
		list := due[day]
		due[day] = nil
		rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		var chunk []sending
		for i := range list {
			if s := &list[i]; s.Door == http {
				t := s.Partner % len(tenants)
				if waiting[t] = append(waiting[t], *s); len(waiting[t]) == postChunk {
					if err := hand(ctx, posts, waiting[t]); err != nil {
						return err
					}
					waiting[t] = nil
				}
				continue
			}
			if chunk = append(chunk, list[i]); len(chunk) < publishChunk && i < len(list)-1 {
				continue
			}
			if err := hand(ctx, chunks, chunk); err != nil {
				return err
			}
			chunk = nil
			l.pace(ctx, begin)
		}
		if err := hand(ctx, chunks, chunk); err != nil {
			return err
		}
	}
	for _, rest := range waiting {
		if err := hand(ctx, posts, rest); err != nil {
			return err
		}
	}
	return nil
}

func hand(ctx context.Context, to chan<- []sending, batch []sending) error {
	if len(batch) == 0 {
		return nil
	}
	select {
	case to <- batch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pace waits until what was sent is due.
func (l *load) pace(ctx context.Context, begin time.Time) {
	at := time.Duration(float64(l.within) * float64(l.sent.Load()) / float64(l.w.events))
	select {
	case <-ctx.Done():
	case <-time.After(at - time.Since(begin)):
	}
}

// publish repeats what is not acknowledged, as a producer must.
func (l *load) publish(ctx context.Context, producer *kafkabus.Producer, chunk []sending) error {
	msgs := make([]kafkabus.Message, len(chunk))
	for i := range chunk {
		var err error
		if msgs[i], err = l.w.frozen(&chunk[i].happening, chunk[i].copied); err != nil {
			return err
		}
	}
	for len(msgs) > 0 {
		err := producer.Publish(ctx, msgs...)
		var partial *kafkabus.PublishError
		switch {
		case err == nil:
			l.records.Add(int64(len(msgs)))
			msgs = nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &partial):
			l.records.Add(int64(len(msgs) - len(partial.Failed)))
			rest := make([]kafkabus.Message, 0, len(partial.Failed))
			for _, i := range partial.Failed {
				rest = append(rest, msgs[i])
			}
			msgs = rest
			l.resent.Add(int64(len(rest)))
			time.Sleep(100 * time.Millisecond)
		default:
			return err
		}
	}
	l.count(chunk)
	return nil
}

func (l *load) count(chunk []sending) {
	for i := range chunk {
		if chunk[i].copied == 0 {
			l.sent.Add(1)
		}
	}
}

// post repeats a request until all of it is accepted.
func (l *load) post(ctx context.Context, batch []sending) error {
	body := []byte{'['}
	for i := range batch {
		if i > 0 {
			body = append(body, ',')
		}
		body = batch[i].posted(body)
	}
	body = append(body, ']')
	key := l.c.keys[l.w.tenant(batch[0].Partner)]
	for {
		err := l.request(ctx, key, body, len(batch))
		if err == nil {
			l.posted.Add(int64(len(batch)))
			l.count(batch)
			return nil
		}
		var fatal errFatal
		if errors.As(err, &fatal) {
			return err
		}
		l.retries.Add(1)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (l *load) request(ctx context.Context, key string, body []byte, events int) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := nethttp.NewRequestWithContext(ctx, nethttp.MethodPost, "http://"+l.c.at("collector")+"/v1/events", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := nethttp.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var got struct{ Accepted int }
	switch {
	case res.StatusCode >= 500 || res.StatusCode == nethttp.StatusTooManyRequests:
		return fmt.Errorf("%s: %.500s", res.Status, answer)
	case res.StatusCode != nethttp.StatusAccepted || json.Unmarshal(answer, &got) != nil || got.Accepted != events:
		return errFatal{fmt.Errorf("%d events got %s: %.500s", events, res.Status, answer)}
	}
	return nil
}
