package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	adminRequestTimeout = 15 * time.Second
	leaderPollInterval  = 50 * time.Millisecond
	replicasForQuorum   = 3 // from here on a write needs two replicas
)

// EnsureTopics creates the topics that do not exist and waits until every
// partition of all of them has a leader or ctx ends. Existing topics are left
// as they are: changing their partition count would break the order per key.
// It can be called by many processes at once.
func EnsureTopics(ctx context.Context, cfg Config, topics []TopicSpec) error {
	transport, err := cfg.transport()
	if err != nil {
		return fmt.Errorf("creating topics: %w", err)
	}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(cfg.Brokers...), Timeout: adminRequestTimeout, Transport: transport}

	request := &kafka.CreateTopicsRequest{}
	for _, t := range topics {
		request.Topics = append(request.Topics, topicConfig(t, cfg.ReplicationFactor))
	}
	response, err := client.CreateTopics(ctx, request)
	if err != nil {
		return fmt.Errorf("creating topics at %v: %w", cfg.Brokers, err)
	}
	var failed []error
	for _, t := range topics {
		if e := response.Errors[t.Name]; e != nil && !errors.Is(e, kafka.TopicAlreadyExists) {
			failed = append(failed, fmt.Errorf("creating topic %s: %w", t.Name, e))
		}
	}
	if len(failed) > 0 {
		return errors.Join(failed...)
	}
	return awaitLeaders(ctx, client, topics)
}

func topicConfig(t TopicSpec, replicas int) kafka.TopicConfig {
	if replicas <= 0 {
		replicas = -1
	}
	out := kafka.TopicConfig{Topic: t.Name, NumPartitions: t.Partitions, ReplicationFactor: replicas}
	set := func(name, value string) {
		out.ConfigEntries = append(out.ConfigEntries, kafka.ConfigEntry{ConfigName: name, ConfigValue: value})
	}
	if t.Compact {
		set("cleanup.policy", "compact")
		set("retention.ms", "-1") // Apache Kafka ignores it here, but not every broker does
	} else {
		set("cleanup.policy", "delete")
		if t.Retention > 0 {
			set("retention.ms", strconv.FormatInt(t.Retention.Milliseconds(), 10))
		}
	}
	if replicas >= replicasForQuorum {
		set("min.insync.replicas", "2")
	}
	return out
}

// awaitLeaders returns when every partition of the topics can be written.
func awaitLeaders(ctx context.Context, client *kafka.Client, topics []TopicSpec) error {
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.Name
	}
	ticker := time.NewTicker(leaderPollInterval)
	defer ticker.Stop()
	for {
		missing, err := withoutLeader(ctx, client, names)
		if err == nil && missing == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			if err == nil {
				err = ctx.Err()
			}
			return fmt.Errorf("waiting for the leaders of the topics (%s): %w", missing, err)
		case <-ticker.C:
		}
	}
}

// withoutLeader names a topic or partition that is not usable yet, or "".
func withoutLeader(ctx context.Context, client *kafka.Client, names []string) (string, error) {
	if len(names) == 0 {
		return "", nil
	}
	metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: names})
	if err != nil {
		return "", err
	}
	seen := make(map[string]bool, len(names))
	for _, t := range metadata.Topics {
		if t.Error != nil { // it tells that the topic is not ready yet
			return t.Name, nil //nolint:nilerr // no failure of the look-up
		}
		for _, p := range t.Partitions {
			if p.Error != nil || p.Leader.Host == "" {
				return t.Name + "/" + strconv.Itoa(p.ID), nil //nolint:nilerr // no failure of the look-up
			}
		}
		seen[t.Name] = len(t.Partitions) > 0
	}
	for _, name := range names {
		if !seen[name] {
			return name, nil
		}
	}
	return "", nil
}

// Ping asks the brokers for metadata: an error means that none could be
// reached or authenticated with.
func Ping(ctx context.Context, cfg Config) error {
	transport, err := cfg.transport()
	if err != nil {
		return fmt.Errorf("pinging Kafka: %w", err)
	}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(cfg.Brokers...), Timeout: adminRequestTimeout, Transport: transport}
	if _, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{TopicEvents}}); err != nil {
		return fmt.Errorf("pinging Kafka at %v: %w", cfg.Brokers, err)
	}
	return nil
}
