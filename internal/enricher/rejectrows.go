package enricher

import (
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/go-json-experiment/json"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/event"
	"partnerpulse/internal/forgotten"
	"partnerpulse/internal/kafkabus"
)

// stageRejects stands for the stage of a record on the rejects topic that is no reject.
const stageRejects = "rejects"

// rejectBatch is what is inserted and committed together.
type rejectBatch struct {
	rows       rejectRows
	unreadable int
	forgotten  int              // not taken
	list       *forgotten.List  // that the first record was held against
	offsets    kafkabus.Offsets // done and not yet committed, also of batches before
	fetched    []kafkabus.Batch // to release
	bytes      int64
}

// add takes all records of a fetched batch.
func (b *rejectBatch) add(in kafkabus.Batch, list *forgotten.List) {
	if len(b.fetched) == 0 {
		b.list = list
	}
	b.fetched = append(b.fetched, in)
	b.bytes += in.Bytes
	for i := range in.Records {
		record := &in.Records[i]
		switch {
		case b.isForgotten(record):
			b.forgotten++
		case !b.rows.append(record):
			b.unreadable++
		}
		b.offsets[kafkabus.TopicPartition{Topic: record.Topic, Partition: record.Partition}] = record.Offset + 1
	}
}

// reset releases what was fetched and empties the batch, apart from the offsets.
func (b *rejectBatch) reset() {
	for i := range b.fetched {
		b.fetched[i].Release()
	}
	b.fetched, b.rows, b.unreadable, b.bytes = empty(b.fetched), rejectRows{}, 0, 0
	b.forgotten, b.list = 0, nil
}

// rejectRows are rows of the table rejects, by column.
type rejectRows struct {
	tenant, code, stage, portal, keyID, source, eventID, eventType []string
	pointer, message, eventTopic, original, topic                  []string
	day, rejectedAt                                                []time.Time
	id                                                             []uint64
	eventPartition, partition                                      []int32
	eventOffset, offset                                            []int64
	truncated                                                      []bool
}

func (c *rejectRows) len() int { return len(c.id) }

// append takes one record. One that is no reject is kept with its bytes, too; that
// gives false.
func (c *rejectRows) append(record *kafkabus.Record) (readable bool) {
	r := new(event.Reject)
	err := json.Unmarshal(record.Value, r)
	var original []byte
	if err == nil {
		original, err = r.Bytes()
	}
	if err != nil {
		*r = event.Reject{Stage: stageRejects, Code: event.CodeUndecodable, Message: err.Error()}
		original = record.Value
	}
	at := rejectedAt(r, record)
	c.tenant, c.code, c.stage = append(c.tenant, r.Tenant), append(c.code, string(r.Code)), append(c.stage, r.Stage)
	c.portal, c.keyID, c.source = append(c.portal, r.Portal), append(c.keyID, r.KeyID), append(c.source, string(r.Source))
	c.eventID, c.eventType = append(c.eventID, r.EventID), append(c.eventType, r.EventType)
	c.pointer, c.message = append(c.pointer, r.Pointer), append(c.message, r.Message)
	c.eventTopic = append(c.eventTopic, r.Topic)
	c.eventPartition = append(c.eventPartition, int32(r.Partition))
	c.eventOffset = append(c.eventOffset, r.Offset)
	c.original, c.truncated = append(c.original, string(original)), append(c.truncated, r.Truncated)
	c.day, c.rejectedAt = append(c.day, at.Truncate(24*time.Hour)), append(c.rejectedAt, at)
	c.id, c.topic = append(c.id, rejectID(record)), append(c.topic, record.Topic)
	c.partition = append(c.partition, int32(record.Partition))
	c.offset = append(c.offset, record.Offset)
	return err == nil
}

// rejectedAt is when the reject says, else the record's own time: both are the same
// when the record is read again, as the row's key must be.
func rejectedAt(r *event.Reject, record *kafkabus.Record) time.Time {
	at, err := time.Parse(time.RFC3339, r.RejectedAt)
	if err != nil || at.UTC().Year() < receivedYearMin || at.UTC().Year() > dayYearMax {
		at = record.Time
	}
	if y := at.UTC().Year(); y < receivedYearMin || y > dayYearMax {
		at = time.Unix(0, 0)
	}
	return at.UTC().Truncate(time.Millisecond)
}

// rejectID is made of the record's place.
func rejectID(record *kafkabus.Record) uint64 {
	return xxhash.Sum64String(record.Topic + "/" + strconv.Itoa(record.Partition) + "/" + strconv.FormatInt(record.Offset, 10))
}

func (c *rejectRows) list() []chstore.Column {
	return []chstore.Column{
		{Name: "tenant", Values: c.tenant}, {Name: "day", Values: c.day}, {Name: "code", Values: c.code}, {Name: "id", Values: c.id},
		{Name: "rejected_at", Values: c.rejectedAt}, {Name: "stage", Values: c.stage}, {Name: "portal", Values: c.portal},
		{Name: "key_id", Values: c.keyID}, {Name: "source", Values: c.source}, {Name: "event_id", Values: c.eventID},
		{Name: "event_type", Values: c.eventType}, {Name: "pointer", Values: c.pointer}, {Name: "message", Values: c.message},
		{Name: "event_topic", Values: c.eventTopic}, {Name: "event_partition", Values: c.eventPartition},
		{Name: "event_offset", Values: c.eventOffset}, {Name: "original", Values: c.original}, {Name: "truncated", Values: c.truncated},
		{Name: "topic", Values: c.topic}, {Name: "partition", Values: c.partition}, {Name: "offset", Values: c.offset},
	}
}
