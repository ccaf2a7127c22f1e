package kafka

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	retentionKey = "retention.ms"
	cleanupKey   = "cleanup.policy"
)

// applyRetention deletes the records that are older than their topic's
// retention.ms at the given time, but never the last batch of a partition.
func applyRetention(ctx context.Context, client *kgo.Client, now time.Time) error {
	retention, err := retentions(ctx, client)
	if err != nil {
		return fmt.Errorf("reading retention: %w", err)
	}
	for topic, r := range retention {
		keep, err := firstKept(ctx, client, topic, r.partitions, now.Add(-r.age))
		if err != nil {
			return fmt.Errorf("finding old records of %s: %w", topic, err)
		}
		if err := deleteBefore(ctx, client, topic, keep); err != nil {
			return fmt.Errorf("deleting old records of %s: %w", topic, err)
		}
	}
	return nil
}

type topicRetention struct {
	partitions int32
	age        time.Duration
}

// retentions finds the topics that delete by age.
func retentions(ctx context.Context, client *kgo.Client) (map[string]topicRetention, error) {
	metadata, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	out := map[string]topicRetention{}
	request := kmsg.NewPtrDescribeConfigsRequest()
	for _, t := range metadata.Topics {
		if t.Topic == nil {
			continue
		}
		out[*t.Topic] = topicRetention{partitions: int32(len(t.Partitions))}
		resource := kmsg.NewDescribeConfigsRequestResource()
		resource.ResourceType = kmsg.ConfigResourceTypeTopic
		resource.ResourceName = *t.Topic
		resource.ConfigNames = []string{retentionKey, cleanupKey}
		request.Resources = append(request.Resources, resource)
	}
	configs, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	for _, resource := range configs.Resources {
		if err := kerr.ErrorForCode(resource.ErrorCode); err != nil {
			return nil, err
		}
		topic := out[resource.ResourceName]
		for _, c := range resource.Configs {
			switch {
			case c.Value == nil:
			case c.Name == retentionKey:
				ms, err := strconv.ParseInt(*c.Value, 10, 64)
				if err == nil && ms > 0 {
					topic.age = time.Duration(ms) * time.Millisecond
				}
			case c.Name == cleanupKey && *c.Value != "delete":
				topic.partitions = 0
			}
		}
		out[resource.ResourceName] = topic
		if topic.partitions == 0 || topic.age == 0 {
			delete(out, resource.ResourceName)
		}
	}
	return out, nil
}

// firstKept gives for each partition with something to delete the offset of the
// first record to keep: the first one as young as since, at most the last one.
func firstKept(ctx context.Context, client *kgo.Client, topic string, partitions int32, since time.Time) (map[int32]int64, error) {
	young, err := listOffsets(ctx, client, topic, partitions, since.UnixMilli())
	if err != nil {
		return nil, err
	}
	ends, err := listOffsets(ctx, client, topic, partitions, -1)
	if err != nil {
		return nil, err
	}
	starts, err := listOffsets(ctx, client, topic, partitions, -2)
	if err != nil {
		return nil, err
	}
	out := map[int32]int64{}
	for p, end := range ends {
		keep := young[p]
		if keep < 0 || keep >= end {
			keep = end - 1 // all are old: the last one stays, and with it the numbering
		}
		if keep > starts[p] {
			out[p] = keep
		}
	}
	return out, nil
}

// listOffsets asks for the offset at a timestamp: Unix milliseconds, -1 the end, -2 the start.
func listOffsets(ctx context.Context, client *kgo.Client, topic string, partitions int32, timestamp int64) (map[int32]int64, error) {
	request := kmsg.NewPtrListOffsetsRequest()
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	for p := range partitions {
		partition := kmsg.NewListOffsetsRequestTopicPartition()
		partition.Partition, partition.Timestamp = p, timestamp
		t.Partitions = append(t.Partitions, partition)
	}
	request.Topics = append(request.Topics, t)
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	out := map[int32]int64{}
	for _, t := range response.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, err
			}
			out[p.Partition] = p.Offset
		}
	}
	return out, nil
}

func deleteBefore(ctx context.Context, client *kgo.Client, topic string, keep map[int32]int64) error {
	if len(keep) == 0 {
		return nil
	}
	request := kmsg.NewPtrDeleteRecordsRequest()
	request.TimeoutMillis = int32(cleanTimeout.Milliseconds())
	t := kmsg.NewDeleteRecordsRequestTopic()
	t.Topic = topic
	for p, offset := range keep {
		partition := kmsg.NewDeleteRecordsRequestTopicPartition()
		partition.Partition, partition.Offset = p, offset
		t.Partitions = append(t.Partitions, partition)
	}
	request.Topics = append(request.Topics, t)
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	for _, t := range response.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return err
			}
		}
	}
	return nil
}
