package app

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"partnerpulse/internal/enrich"
	"partnerpulse/internal/enrich/refdata"
	"partnerpulse/internal/kafkabus"
)

// EnrichmentConfig is the chain of steps and the data that they look things up in.
type EnrichmentConfig struct {
	enrich.Config `yaml:",inline"`
	Reference     refdata.Config `yaml:",inline"`
}

// enrichment gives the chain's configuration with the tenants' part.
func (c *Config) enrichment() enrich.Config {
	out := c.Enricher.Enrichment.Config
	out.AgentCacheSize = c.Enricher.AgentCacheSize
	out.PseudonymKeys = c.PseudonymKeys
	return out
}

// enriching is the chain and what keeps its data fresh.
type enriching struct {
	chain     *enrich.Chain
	files     *refdata.Files
	directory *refdata.Directory
	tail      *kafkabus.Tail // nil: the step directory is off
	log       *zap.Logger
}

// enriching reads the files; the directory is read when run begins.
func (a *app) enriching(reload <-chan struct{}) (*enriching, error) {
	log, reg := a.log.Named("enrichment"), a.registerer("enricher")
	cfg := a.cfg.enrichment()
	e := &enriching{log: log, directory: refdata.NewDirectory(a.cfg.Enricher.Enrichment.Reference.Directory, reg)}
	var err error
	if e.chain, err = enrich.New(cfg, e.directory); err != nil {
		return nil, err
	}
	if e.chain.Uses(enrich.StepDirectory) {
		e.tail = kafkabus.NewTail(a.cfg.Kafka.Config, kafkabus.TopicDirectory, log, reg)
	}
	e.files = refdata.NewFiles(a.cfg.Enricher.Enrichment.Reference, reload, e.chain, log, reg)
	e.files.Load()
	return e, nil
}

// directoryWait is how long events wait for the directory to be read at the start:
// they are worth more than its columns.
const directoryWait = 30 * time.Second

// run keeps the data fresh while serve runs, which begins when the directory has
// been read.
func (e *enriching) run(ctx context.Context, serve func(context.Context) error) error {
	fresh, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var following errgroup.Group
	following.Go(func() error { return e.files.Run(fresh) })
	loaded := make(chan struct{})
	if e.tail == nil {
		close(loaded)
	} else {
		following.Go(func() error { return e.tail.Run(fresh, e.apply, func() { close(loaded) }) })
	}
	wait := time.NewTimer(directoryWait)
	defer wait.Stop()
	select {
	case <-loaded:
	case <-ctx.Done():
	case <-wait.C:
		e.log.Warn("the directory could not be read yet: rows lack its columns until it is", zap.Duration("waited", directoryWait))
	}
	err := serve(ctx)
	stop()
	if ferr := following.Wait(); err == nil && ferr != nil {
		err = fmt.Errorf("following reference data: %w", ferr)
	}
	return err
}

func (e *enriching) apply(r kafkabus.Record) {
	if err := e.directory.Apply(r.Key, r.Value); err != nil {
		e.log.Warn("a record of the directory is passed over", zap.Int("partition", r.Partition), zap.Int64("offset", r.Offset), zap.Error(err))
	}
}
