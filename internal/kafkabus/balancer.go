package kafkabus

import (
	"bytes"

	"github.com/segmentio/kafka-go"

	"partnerpulse/internal/event"
)

// ownerBalancer chooses the partition as Java's default partitioner does, so that
// any producer agrees, of the part of the key that names the owner: all of it, or
// what stands before event.EntitySeparator. So everything of a partner is in one
// partition, also on a compacted topic that tells his users apart by their keys.
type ownerBalancer struct{}

// Balance gives the partition of msg.
func (ownerBalancer) Balance(msg kafka.Message, partitions ...int) int {
	if i := bytes.Index(msg.Key, []byte(event.EntitySeparator)); i >= 0 {
		msg.Key = msg.Key[:i]
	}
	return kafka.Murmur2Balancer{}.Balance(msg, partitions...)
}
