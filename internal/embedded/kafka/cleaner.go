package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// kfake's own cleaner is off; the package's documentation says why.
const (
	cleanerIntervalKey   = "log.cleaner.backoff.ms"
	cleanerIntervalNever = "3000000000000" // 95 years
)

const (
	cleanFirst    = time.Minute // after the start
	cleanInterval = time.Hour
	cleanTimeout  = time.Minute
	savedFile     = "retention.json" // exists while topics are set to keep everything
)

// cleaner deletes old records and compacts.
type cleaner struct {
	cluster *kfake.Cluster
	addr    string
	dataDir string // empty: all is in memory, and nothing is cleaned
	log     *zap.Logger
}

// run cleans now and then until ctx ends.
func (c *cleaner) run(ctx context.Context) {
	if c.dataDir == "" {
		<-ctx.Done()
		return
	}
	timer := time.NewTimer(cleanFirst)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := c.clean(ctx, time.Now()); err != nil && ctx.Err() == nil {
			c.log.Warn("cleaning the embedded Kafka failed; trying again in an hour", zap.Error(err))
		}
		timer.Reset(cleanInterval)
	}
}

// clean deletes what is too old at the given time, then compacts.
func (c *cleaner) clean(ctx context.Context, now time.Time) error {
	return c.connected(ctx, func(ctx context.Context, client *kgo.Client) error {
		if err := applyRetention(ctx, client, now); err != nil {
			return err
		}
		return c.compact(ctx, client)
	})
}

// connected calls do with a client of our own broker.
func (c *cleaner) connected(ctx context.Context, do func(context.Context, *kgo.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, cleanTimeout)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.addr), kgo.ClientID("cleaner"))
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer client.Close()
	return do(ctx, client)
}

// compact keeps the latest record of each key of the compacted topics, and
// nothing but that: see the package's documentation.
func (c *cleaner) compact(ctx context.Context, client *kgo.Client) error {
	retention, err := retentions(ctx, client)
	if err != nil {
		return fmt.Errorf("reading retention: %w", err)
	}
	saved, keep := map[string]int64{}, map[string]int64{}
	for topic, r := range retention {
		saved[topic], keep[topic] = r.age.Milliseconds(), -1
	}
	if err := c.save(saved); err != nil {
		return fmt.Errorf("saving retention: %w", err)
	}
	if err := setRetention(ctx, client, keep); err == nil {
		c.cluster.Compact()
	}
	// Restoring must not be cut short by a shutdown; if the process dies, the next start does it.
	return c.restore(context.WithoutCancel(ctx))
}

// save writes the retention of topics, so that a kill cannot lose it.
func (c *cleaner) save(retention map[string]int64) error {
	content, err := json.Marshal(retention)
	if err != nil {
		return err
	}
	temporary := c.savedPath() + ".tmp"
	file, err := os.Create(temporary)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(temporary, c.savedPath())
}

// restore sets the retention that was saved, if any, and forgets it.
func (c *cleaner) restore(ctx context.Context) error {
	if c.dataDir == "" {
		return nil
	}
	content, err := os.ReadFile(c.savedPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var retention map[string]int64
	if err := json.Unmarshal(content, &retention); err != nil {
		return fmt.Errorf("reading %s: %w", c.savedPath(), err)
	}
	err = c.connected(ctx, func(ctx context.Context, client *kgo.Client) error { return setRetention(ctx, client, retention) })
	if err != nil {
		return err
	}
	return os.Remove(c.savedPath())
}

func (c *cleaner) savedPath() string { return filepath.Join(c.dataDir, savedFile) }

// setRetention sets retention.ms of topics, in milliseconds. A topic that is gone is no error.
func setRetention(ctx context.Context, client *kgo.Client, retention map[string]int64) error {
	if len(retention) == 0 {
		return nil
	}
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	for topic, ms := range retention {
		resource := kmsg.NewIncrementalAlterConfigsRequestResource()
		resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, topic
		config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		config.Name, config.Value = retentionKey, kmsg.StringPtr(strconv.FormatInt(ms, 10))
		resource.Configs = append(resource.Configs, config)
		request.Resources = append(request.Resources, resource)
	}
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("setting retention: %w", err)
	}
	for _, resource := range response.Resources {
		err := kerr.ErrorForCode(resource.ErrorCode)
		if err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return fmt.Errorf("setting retention of %s: %w", resource.ResourceName, err)
		}
	}
	return nil
}
