package kafkabus

import "time"

// Message is one record to publish. Key decides the partition.
type Message struct {
	Topic string
	Key   []byte
	Value []byte
}

// Record is one record as fetched. Key and Value belong to the receiver and may
// be kept.
type Record struct {
	Topic     string
	Partition int
	Offset    int64
	Key       []byte
	Value     []byte    // nil is a tombstone
	Time      time.Time // the record's timestamp, as the producer or the broker set it
}

// Batch is what one fetch of one partition gave, in offset order and never
// empty. Its bytes count against ConsumerConfig.InFlightBytesMax until Release.
type Batch struct {
	Topic     string
	Partition int
	Records   []Record
	Bytes     int64 // keys and values
	Behind    int64 // how many offsets of the partition followed, when this was fetched

	release func()
}

// Release gives the batch's bytes back to the consumer's budget. Call it once,
// when the records are no longer held; the zero Batch has nothing to release.
func (b *Batch) Release() {
	if b.release != nil {
		b.release()
		b.release = nil
	}
}
