// Package kafkabus is the only place that talks to Kafka (through
// segmentio/kafka-go): topics, a producer that answers only when everything is
// durable, and a consumer group whose offsets cannot go backwards.
//
// The consumer is built on kafka.ConsumerGroup and kafka.Generation, not on
// kafka.Reader: Reader commits on whatever generation is current, so a late
// commit after a rebalance can rewind a group. Here an offset is committed on
// the generation that fetched the record, or not at all. The partitions are watched here
// too: kafka-go's watch compares two looks of its own, neither of them the one by which
// the partitions were given out, so that it can miss a topic for ever.
package kafkabus
