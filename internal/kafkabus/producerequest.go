package kafkabus

import (
	"bytes"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/rawproduce"
)

// produceRequest puts batches of several partitions, and topics, into one request, to be
// acknowledged by all in-sync replicas.
func produceRequest(out []*outgoing, timeout time.Duration) *rawproduce.Request {
	r := &rawproduce.Request{Acks: int16(kafka.RequireAll), Timeout: int32(timeout.Milliseconds())}
	at := map[string]int{}
	for _, o := range out {
		i, ok := at[o.queue.tp.Topic]
		if !ok {
			i = len(r.Topics)
			at[o.queue.tp.Topic] = i
			r.Topics = append(r.Topics, rawproduce.RequestTopic{Topic: o.queue.tp.Topic})
		}
		r.Topics[i].Partitions = append(r.Topics[i].Partitions, rawproduce.RequestPartition{
			Partition: int32(o.queue.tp.Partition), RecordSet: protocol.RawRecordSet{Reader: bytes.NewReader(o.body)},
		})
	}
	return r
}
