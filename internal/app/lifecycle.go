package app

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"
)

// Part is something that runs for as long as the process: an engine, a role, a
// listener.
type Part struct {
	Name string
	// Run works until ctx ends; it returns only when its goroutines are gone.
	Run func(ctx context.Context) error
	// Ready is closed when later parts may start; nil is ready at once.
	Ready <-chan struct{}
}

// running is a part that was started.
type running struct {
	name string
	stop context.CancelFunc
	done chan error
}

// parts starts parts in order and stops them in reverse order.
type parts struct {
	log     *zap.Logger
	started []*running
	failed  chan error // the first part that ended by itself
}

func newParts(log *zap.Logger) *parts {
	return &parts{log: log, failed: make(chan error, 1)}
}

// start runs p and waits until it is ready. It gives p's error if p ends first,
// and ctx's if that ends first. The part's own context outlives ctx: only stop
// ends it, so that parts end one after another.
func (ps *parts) start(ctx context.Context, p Part) error {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &running{name: p.Name, stop: cancel, done: make(chan error, 1)}
	ps.started = append(ps.started, r)
	go func() {
		err := p.Run(own)
		if own.Err() == nil { // nobody asked it to end
			if err == nil {
				err = errors.New("ended unexpectedly")
			}
			err = fmt.Errorf("%s: %w", p.Name, err)
			select {
			case ps.failed <- err:
				err = nil // told there, once
			default:
			}
		}
		r.done <- err
	}()
	if p.Ready == nil {
		return nil
	}
	select {
	case <-p.Ready:
		ps.log.Debug("part is ready", zap.String("part", p.Name))
		return nil
	case err := <-ps.failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wait blocks until ctx ends (nil) or a part ends by itself (its error).
func (ps *parts) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-ps.failed:
		return err
	}
}

// stop ends all parts, the last started first, each before the next.
func (ps *parts) stop() error {
	var errs []error
	for i := len(ps.started) - 1; i >= 0; i-- {
		r := ps.started[i]
		r.stop()
		if err := <-r.done; err != nil && !errors.Is(err, context.Canceled) {
			errs = append(errs, fmt.Errorf("stopping %s: %w", r.name, err))
		}
		ps.log.Debug("part has stopped", zap.String("part", r.name))
	}
	ps.started = nil
	return errors.Join(errs...)
}
