package kafkabus

import "time"

// The topics. The key is tenant/partner_id on all of them.
const (
	TopicEvents        = "engagement.events.v1"         // accepted events, structured CloudEvents JSON
	TopicRejects       = "engagement.rejects.v1"        // refused events: original bytes, reason, place
	TopicScores        = "engagement.scores.v1"         // latest score of a partner (compacted)
	TopicDrop          = "engagement.drop.v1"           // drop and ghosting transitions
	TopicTrainingLapse = "engagement.training-lapse.v1" // lapsed training and certification
	TopicCollateral    = "engagement.collateral.v1"     // neglected, seen-not-read, search-gap
	TopicAlertState    = "engagement.alert-state.v1"    // current state per fingerprint (compacted)
	TopicDirectory     = "engagement.directory.v1"      // partners, users, content, courses (compacted)
	TopicShards        = "engagement.shards.v1"         // nothing: its partitions are the aggregators' shards
)

// Partition counts. Changing the count of a topic with data moves keys to other
// partitions and so breaks the order of a partner's history across the change.
const (
	PartitionsDefault = 12
	partitionsSmall   = 3
)

const day = 24 * time.Hour

// TopicSpec is how a topic shall be created.
type TopicSpec struct {
	Name       string
	Partitions int
	Compact    bool          // keep the latest record of each key for ever; else delete by age
	Retention  time.Duration // for topics that are not compacted
}

// Topics lists every topic of the programme. The topics that carry one record
// per event or per partner get the given number of partitions (0: the default),
// the low-volume ones at most three.
func Topics(partitions int) []TopicSpec {
	if partitions <= 0 {
		partitions = PartitionsDefault
	}
	small := min(partitions, partitionsSmall)
	return []TopicSpec{
		{Name: TopicEvents, Partitions: partitions, Retention: 7 * day},
		{Name: TopicRejects, Partitions: small, Retention: 30 * day},
		{Name: TopicScores, Partitions: partitions, Compact: true},
		{Name: TopicDrop, Partitions: small, Retention: 30 * day},
		{Name: TopicTrainingLapse, Partitions: small, Retention: 30 * day},
		{Name: TopicCollateral, Partitions: small, Retention: 30 * day},
		{Name: TopicAlertState, Partitions: small, Compact: true},
		{Name: TopicDirectory, Partitions: small, Compact: true},
		{Name: TopicShards, Partitions: partitions, Retention: day},
	}
}
