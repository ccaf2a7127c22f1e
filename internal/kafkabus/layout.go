package kafkabus

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	// layoutAge is how long a topic's layout is used before it is looked up again, and
	// how old the transport's own view may be.
	layoutAge = 3 * time.Second
	// layoutResetPause is the least time between two fresh looks at the cluster.
	layoutResetPause = 200 * time.Millisecond
)

// layout is where a topic's partitions are.
type layout struct {
	partitions []int         // ascending
	leaders    map[int]int   // broker by partition
	looked     time.Time     // when
	looking    chan struct{} // closed when a look under way has ended; nil: none is
}

// layouts remembers them. It is safe for concurrent use.
type layouts struct {
	client    *kafka.Client
	transport *kafka.Transport

	mu    sync.Mutex
	known map[string]*layout
	reset time.Time
}

// of gives a topic's layout, looking it up if there is none, or in passing if it is old.
func (l *layouts) of(ctx context.Context, topic string) (*layout, error) {
	l.mu.Lock()
	known := l.known[topic]
	if known != nil && (time.Since(known.looked) < layoutAge || known.looking != nil) {
		l.mu.Unlock()
		return known, nil
	}
	if known != nil {
		known.looking = make(chan struct{}) // others go on with what is known
	}
	l.mu.Unlock()
	fresh, err := l.look(ctx, topic)
	l.mu.Lock()
	defer l.mu.Unlock()
	if known != nil {
		close(known.looking)
		known.looking = nil
	}
	if err != nil {
		if known != nil {
			known.looked = time.Now() // a cluster that is away is not asked by every call
			return known, nil
		}
		return nil, err
	}
	l.known[topic] = fresh
	return fresh, nil
}

// leader gives the broker that leads a partition, as far as known.
func (l *layouts) leader(tp TopicPartition) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := l.known[tp.Topic]; known != nil {
		if leader, ok := known.leaders[tp.Partition]; ok {
			return leader
		}
	}
	return -1
}

// renew forgets who leads what, after a request failed. The transport would go on with
// what it knows for a while; it looks afresh once its connections are given up.
func (l *layouts) renew(topic string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := l.known[topic]; known != nil && known.looking == nil {
		known.looked = time.Time{}
	}
	if now := time.Now(); now.Sub(l.reset) > layoutResetPause {
		l.reset = now
		l.transport.CloseIdleConnections()
	}
}

func (l *layouts) look(ctx context.Context, topic string) (*layout, error) {
	response, err := l.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return nil, fmt.Errorf("looking up topic %s: %w", topic, err)
	}
	for _, t := range response.Topics {
		if t.Name != topic {
			continue
		}
		if t.Error != nil {
			return nil, fmt.Errorf("looking up topic %s: %w", topic, t.Error)
		}
		out := &layout{leaders: make(map[int]int, len(t.Partitions)), looked: time.Now()}
		for _, p := range t.Partitions {
			out.partitions = append(out.partitions, p.ID)
			out.leaders[p.ID] = p.Leader.ID
		}
		slices.Sort(out.partitions)
		if len(out.partitions) > 0 {
			return out, nil
		}
	}
	return nil, fmt.Errorf("looking up topic %s: %w", topic, kafka.UnknownTopicOrPartition)
}
