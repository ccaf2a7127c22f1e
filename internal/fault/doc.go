// Package fault names the instants at which a process may die or freeze in a test of
// what it leaves behind: in the middle of an INSERT, between an insert and the commit
// that follows, and so on. Code marks such an instant with
//
//	fault.Point(fault.EnricherInserted)
//
// In a normal build Point is an empty function that the compiler removes. In a build
// with the tag faultpoints, the variable PARTNERPULSE_FAULT arms points:
//
//	point:when[:how][,…]
//
// when is a whole number, the pass at which it happens (1 is the first), or a
// probability below 1 for every pass, such as 0.01. how is kill (SIGKILL to the
// process itself, the default), stop (SIGSTOP), or a duration such as 5ms: SIGKILL so
// long after the pass, while the work goes on. The process says so on standard error
// just before: "fault: kill at enricher.inserted".
package fault

// Variable arms the points of a process.
const Variable = "PARTNERPULSE_FAULT"

// The points.
const (
	// CollectorPublished: Kafka or the spool has the events, the client has no answer.
	CollectorPublished = "collector.published"

	// InsertBody: some of the body of an INSERT into a table of events is on its way.
	InsertBody = "enricher.insert_body"
	// EnricherSent: rows of a streamed INSERT are on their way, its end is not.
	EnricherSent = "enricher.sent"
	// EnricherInserted: the rows are stored, their days are not marked.
	EnricherInserted = "enricher.inserted"
	// EnricherMarked: the days are marked, the offsets not committed.
	EnricherMarked = "enricher.marked"
	// EnricherCommitted: the offsets are committed.
	EnricherCommitted = "enricher.committed"
	// CommitSent: the broker has answered a commit, the member has not noted it.
	CommitSent = "kafkabus.commit_sent"

	// AggregatorTaken: the batch's keys are in the work table.
	AggregatorTaken = "aggregator.taken"
	// AggregatorRollup: one more statement of the rollup is done.
	AggregatorRollup = "aggregator.rollup"
	// AggregatorScored: the score rows are written, nothing is published.
	AggregatorScored = "aggregator.scored"
	// AggregatorPublished: the messages are on the topic, progress is not recorded.
	AggregatorPublished = "aggregator.published"
	// AggregatorProgress: progress is recorded, the keys are still dirty.
	AggregatorProgress = "aggregator.progress"
	// AggregatorDone: the keys are marked done.
	AggregatorDone = "aggregator.done"

	// StoreInsert: the embedded ClickHouse has all of an INSERT and begins to run it.
	StoreInsert = "store.insert"
	// StoreInserted: it has run it and not answered.
	StoreInserted = "store.inserted"
)
