// Package kafka is the embedded Kafka broker: franz-go's kfake, one broker on a
// loopback address, with its data on disk. Roles reach it over the network, as
// they would reach Apache Kafka.
//
// What it keeps: messages, topics and their configuration, and group offsets,
// over Close and over kill -9 (each batch is synced before it is acknowledged,
// unless Config.NoSync). The bound port may differ from run to run. A kill can
// leave a batch that was never acknowledged: producers that retry duplicate it.
//
// What it is not: there is no replication, no access control (hence loopback
// only) and no second process on the same directory. All requests go through
// one goroutine. Group membership is not kept: members join again.
//
// Groups: kfake begins the session of a member when it has sent the answer to its
// join. When the connection is gone by then (the client was killed while its join
// waited), the session never begins and so never ends: the member keeps its
// partitions, and nobody reads them, until another member happens to join. This
// package sends such a member the one heartbeat that lets its session end. What it
// cannot help: kfake lets sessions run on while members wait to join again, so a
// rebalance that takes longer than a session loses them, and they join once more.
//
// Retention: kfake deletes by age only on a timer that starts when a topic is
// created or altered, not after a restart, and it would delete a partition's
// last batch too, after which a restart numbers the partition from 0 again
// under the feet of the groups' offsets (both read and measured on this
// version). So its cleaner stays off, and this package deletes by age itself, a
// minute after the start and then hourly: whole batches, never the last one of
// a partition. A record can therefore outlive its retention by the age of its
// batch, and the last batch stays. Deletion frees disk space by whole segments
// of 100 MiB.
//
// Compaction: kfake compacts all topics in one go, and applies retention with
// it. So for the time of the compaction, after each deletion by age, topics
// that delete by age are set to keep everything; what their setting was is on
// disk meanwhile, and restored at the next start if the process dies between.
// Other requests wait while it runs. kfake applies retention.ms to compacted
// topics too, unlike Apache Kafka: create them with retention.ms=-1, as
// kafkabus does.
package kafka
