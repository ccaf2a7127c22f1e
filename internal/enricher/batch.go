package enricher

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/enrich"
	"partnerpulse/internal/event"
	"partnerpulse/internal/forgotten"
	"partnerpulse/internal/kafkabus"
)

// dayKey is one key of the dirty list.
type dayKey struct {
	tenant, partnerID string
	day               time.Time
}

// refusal is one record that cannot become a row.
type refusal struct {
	record  kafkabus.Record
	problem event.Problem
}

// chunk is memory for rows, which is used again. As long as it is held, their records are
// there too: whatever becomes of the insert, it can be repeated, row by row if need be.
type chunk struct {
	columns columns
	records []*kafkabus.Record // of each row
	fetched []kafkabus.Batch   // to release
	bytes   int64              // of what was fetched
}

// releaseRecords lets go of the records, whose memory is fetched into again; the rows stay.
func (c *chunk) releaseRecords() {
	for i := range c.fetched {
		c.fetched[i].Release()
	}
	c.records, c.fetched = empty(c.records), empty(c.fetched)
}

// reset empties the chunk.
func (c *chunk) reset() {
	c.releaseRecords()
	c.columns.reset()
	c.bytes = 0
}

// batch is what is inserted and committed together: the rows of one chunk, which is held
// until it is done, or, streamed, of any number of them; the refused records among them,
// and the offsets behind them.
type batch struct {
	held         bool // must not be streamed
	streamed     bool // more than a chunk: its records are let go, its rows sent as they come
	records      int
	rows         int
	bytes        int64 // of the records
	refused      []refusal
	refusedBytes int64
	dirty        map[dayKey]struct{}
	offsets      kafkabus.Offsets
	oldest       time.Time // receipt of the oldest event; zero without rows

	list      *forgotten.List      // that the first record was held against
	forgotten []forgotten.EventKey // what must not be stored
}

func newBatch() *batch {
	return &batch{dirty: map[dayKey]struct{}{}, offsets: kafkabus.Offsets{}}
}

// isEmpty tells that there is nothing to commit.
func (b *batch) isEmpty() bool { return len(b.offsets) == 0 }

// daysPerRow is how many days may be marked for each row that may be held.
const daysPerRow = 2

// kept weighs what stands beside the rows, in rows that may be held: refused records, keys
// of the forgotten, and days to mark, which are smaller.
func (b *batch) kept() int { return len(b.refused) + len(b.forgotten) + len(b.dirty)/daysPerRow }

// refuse keeps the record for the rejects topic.
func (b *batch) refuse(r *kafkabus.Record, problem event.Problem) {
	b.refused = append(b.refused, refusal{record: *r, problem: problem})
	b.refusedBytes += int64(len(r.Key) + len(r.Value))
}

// decoder turns records into rows. It is not safe for concurrent use.
type decoder struct {
	worker    *enrich.Worker
	extractor *enrich.Extractor
	event     event.Event     // the one at hand
	enriched  enrich.Enriched // of its row
	guard     Guard
	list      *forgotten.List // of the fetched batch at hand
	days      int             // that are accepted; 0: all
	oldest    time.Time       // day that is accepted just now; zero: every day
}

func newDecoder(chain *enrich.Chain, guard Guard, days int) *decoder {
	return &decoder{worker: chain.Worker(), extractor: enrich.NewExtractor(), guard: guard, days: days}
}

// add takes all records of a fetched batch into b, their rows into c. What cannot be
// decoded or stored joins the refused ones.
func (d *decoder) add(b *batch, c *chunk, in kafkabus.Batch) {
	if d.days > 0 {
		d.oldest = dayOf(time.Now()).AddDate(0, 0, -d.days)
	}
	d.list = d.guard.List()
	if b.isEmpty() {
		b.list = d.list
	}
	before := c.columns.rows
	d.worker.Refresh()
	for i := range in.Records {
		record := &in.Records[i]
		if problem := d.row(b, c, record); problem != nil {
			b.refuse(record, *problem)
		}
		b.offsets[kafkabus.TopicPartition{Topic: record.Topic, Partition: record.Partition}] = record.Offset + 1
	}
	c.fetched = append(c.fetched, in)
	c.bytes += in.Bytes
	b.bytes += in.Bytes
	b.records += len(in.Records)
	b.rows += c.columns.rows - before
}

// The store's ranges: Date, and DateTime64(3).
const (
	dayYearMax      = 2148
	receivedYearMin = 1970
	receivedYearMax = 2261
)

// row appends the record's event, or says why it cannot.
func (d *decoder) row(b *batch, c *chunk, record *kafkabus.Record) *event.Problem {
	e := &d.event
	if err := event.DecodeCloudEvent(record.Value, e); err != nil {
		return &event.Problem{Code: event.CodeUndecodable, Message: err.Error()}
	}
	if d.list.Holds(e) {
		b.forget(e)
		return nil
	}
	if y := e.Time.Year(); y > dayYearMax {
		return &event.Problem{Code: event.CodeUnstorable, Pointer: "/time", Message: fmt.Sprintf("year %d is after %d", y, dayYearMax)}
	}
	if e.Time.Before(d.oldest) {
		return &event.Problem{Code: event.CodeTooOld, Pointer: "/time", Message: fmt.Sprintf("the day is older than %d days: what is stored of such days is about to expire (retention.events_days)", d.days)}
	}
	if y := e.ReceivedAt.Year(); y < receivedYearMin || y > receivedYearMax {
		return &event.Problem{Code: event.CodeUnstorable, Pointer: "/receivedat", Message: fmt.Sprintf("year %d is outside %d–%d", y, receivedYearMin, receivedYearMax)}
	}
	fields := d.extractor.Extract(e.Type, e.Data)
	d.worker.Enrich(e, &fields, &d.enriched)
	c.columns.append(e, record.Value, &fields, &d.enriched)
	c.records = append(c.records, record)
	b.markDay(e)
	if b.oldest.IsZero() || e.ReceivedAt.Before(b.oldest) {
		b.oldest = e.ReceivedAt
	}
	return nil
}

// markDay notes the day of an event. The texts of a new key are copied: those of an event
// share the memory of its whole record.
func (b *batch) markDay(e *event.Event) {
	key := dayKey{tenant: e.Tenant, partnerID: e.PartnerID, day: dayOf(e.Time)}
	if _, ok := b.dirty[key]; ok {
		return
	}
	key.tenant, key.partnerID = strings.Clone(key.tenant), strings.Clone(key.partnerID)
	b.dirty[key] = struct{}{}
}

// dirtyColumns are rows of dirty_days.
type dirtyColumns struct {
	hour, day         []time.Time
	tenant, partnerID []string
	marked, done      []uint64
}

// list gives one more mark for each key, in the hour of now.
func (c *dirtyColumns) list(keys map[dayKey]struct{}, now time.Time) []chstore.Column {
	c.hour, c.day = empty(c.hour), empty(c.day)
	c.tenant, c.partnerID = empty(c.tenant), empty(c.partnerID)
	c.marked, c.done = empty(c.marked), empty(c.done)
	hour := now.UTC().Truncate(time.Hour)
	for key := range keys {
		c.hour, c.day = append(c.hour, hour), append(c.day, key.day)
		c.tenant, c.partnerID = append(c.tenant, key.tenant), append(c.partnerID, key.partnerID)
		c.marked, c.done = append(c.marked, 1), append(c.done, 0)
	}
	return []chstore.Column{
		{Name: "hour", Values: c.hour}, {Name: "tenant", Values: c.tenant}, {Name: "partner_id", Values: c.partnerID},
		{Name: "day", Values: c.day}, {Name: "marked", Values: c.marked}, {Name: "done", Values: c.done},
	}
}

// originalBytesMax is how much of a refused record goes into its reject. An
// accepted event is far smaller; foreign bytes on the topic need not be, and
// JSON can write one byte as six.
const originalBytesMax = 128 << 10

const stage = "enricher"

// message makes the record for the rejects topic.
func (r *refusal) message(now time.Time) (kafkabus.Message, error) {
	original, problem := r.record.Value, r.problem
	problem.Message = strings.ToValidUTF8(problem.Message, "?") // it may quote the record
	if len(original) > originalBytesMax {
		problem.Message += fmt.Sprintf(" (only the first %d of %d bytes are kept here)", originalBytesMax, len(original))
		original = original[:originalBytesMax]
	}
	reject := event.NewReject(now, stage, &problem, original)
	reject.Topic, reject.Partition, reject.Offset = r.record.Topic, r.record.Partition, r.record.Offset
	if tenant, _, ok := bytes.Cut(r.record.Key, []byte("/")); ok {
		reject.Tenant = string(bytes.ToValidUTF8(tenant, []byte("?")))
	}
	if e, err := event.UnmarshalCloudEvent(r.record.Value); err == nil {
		reject.Tenant, reject.Portal, reject.KeyID, reject.Source = e.Tenant, e.Portal, e.KeyID, e.Source
		reject.EventID, reject.EventType = e.ID, string(e.Type)
	}
	value, err := reject.Marshal()
	if err != nil {
		return kafkabus.Message{}, fmt.Errorf("encoding reject: %w", err)
	}
	return kafkabus.Message{Topic: kafkabus.TopicRejects, Key: r.record.Key, Value: value}, nil
}
