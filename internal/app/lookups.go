package app

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"partnerpulse/internal/directory"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/keys"
)

// lookups is what the collector looks up with each request, and what keeps it fresh:
// the write keys, and the directory of users.
type lookups struct {
	ring      *keys.Ring
	directory *directory.Directory
	watcher   *keys.Watcher // nil without a file of keys
	tail      *kafkabus.Tail
	log       *zap.Logger
}

// lookups reads the keys; the directory is read when run begins.
func (a *app) lookups() (*lookups, error) {
	log, reg := a.log.Named("collector"), a.registerer("collector")
	l := &lookups{ring: new(keys.Ring), log: log}
	var err error
	if a.cfg.Collector.KeysFile != "" {
		l.watcher = keys.NewWatcher(a.cfg.Collector.KeysFile, a.cfg.Keys, a.cfg.Reload, l.ring, log, reg)
		err = l.watcher.Load()
	} else {
		err = l.ring.Replace(a.cfg.Keys)
	}
	if err != nil {
		return nil, fmt.Errorf("reading keys: %w", err)
	}
	if l.directory, err = directory.New(a.cfg.Collector.Directory, reg); err != nil {
		return nil, err
	}
	l.tail = kafkabus.NewTail(a.cfg.Kafka.Config, kafkabus.TopicDirectory, log, reg)
	return l, nil
}

// run keeps keys and directory fresh while serve runs.
func (l *lookups) run(ctx context.Context, serve func(context.Context) error) error {
	// Requests under way while serve drains still look things up.
	fresh, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var following errgroup.Group
	if l.watcher != nil {
		following.Go(func() error { return l.watcher.Run(fresh) })
	}
	following.Go(func() error { return l.tail.Run(fresh, l.apply, l.directory.MarkLoaded) })
	err := serve(ctx)
	stop()
	return errors.Join(err, following.Wait())
}

// apply takes a record of the directory topic in. One that nobody can read is
// counted there, told, and passed over: it must not stop those after it.
func (l *lookups) apply(r kafkabus.Record) {
	if err := l.directory.Apply(r.Key, r.Value); err != nil {
		l.log.Warn("a record of the directory is passed over", zap.Int("partition", r.Partition), zap.Int64("offset", r.Offset), zap.Error(err))
	}
}

// allKeys gives the keys of the configuration and of its file of keys.
func (c *Config) allKeys() ([]keys.Key, error) {
	if c.Collector.KeysFile == "" {
		return c.Keys, nil
	}
	more, err := keys.ReadFile(c.Collector.KeysFile)
	if err != nil {
		return nil, err
	}
	return append(append([]keys.Key(nil), c.Keys...), more...), nil
}

// checkKeys checks all keys.
func (c *Config) checkKeys() error {
	ks, err := c.allKeys()
	if err == nil {
		_, err = keys.NewRing(ks)
	}
	return err
}
