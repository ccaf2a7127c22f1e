package collector

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.uber.org/zap"

	"partnerpulse/internal/event"
	"partnerpulse/internal/fault"
	"partnerpulse/internal/kafkabus"
)

// stage names the collector on the rejects topic.
const stage = "collector"

// publish makes all of out durable, or gives the 503 that asks for a repetition.
func (c *Collector) publish(ctx context.Context, out *outcome, a *arrival) *failure {
	c.limits.charge(a.key, len(out.accepted)+len(out.rejected))
	if fail := c.stillLoading(ctx, a); fail != nil {
		return fail
	}
	msgs, err := records(out, a)
	if err != nil {
		c.log.Error("encoding records", zap.Error(err), zap.String("key_id", a.key.ID))
		return &failure{http.StatusInternalServerError, "internal", "the events could not be encoded: this is a fault of the server", 0}
	}
	if len(msgs) == 0 {
		c.teach(a) // a call that only says whose a user is
		return nil
	}
	// A page that sends on leaving closes its connection at once; its events count all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.PublishTimeout)
	defer cancel()
	start := time.Now()
	err = c.deps.Publisher.Publish(ctx, msgs...)
	c.metrics.publishSeconds.Observe(time.Since(start).Seconds())
	if err != nil {
		c.failedAt.Store(time.Now().UnixMilli())
		c.metrics.publishErrors.Inc()
		c.log.Warn("publishing events", zap.Error(err), zap.Int("records", len(msgs)), zap.String("key_id", a.key.ID))
		return &failure{http.StatusServiceUnavailable, "not_durable",
			"the events could not be made durable at this moment: send the request again with the same ids, which is safe: each event counts once", c.cfg.RetryAfter}
	}
	fault.Point(fault.CollectorPublished)
	c.failedAt.Store(0)
	c.teach(a)
	c.metrics.accepted.WithLabelValues(string(a.source)).Add(float64(len(out.accepted)))
	for i := range out.rejected {
		c.metrics.rejected.WithLabelValues(string(out.rejected[i].problem.Code)).Inc()
	}
	return nil
}

// records encodes what is to be published: events, those that describe something a
// second time for the directory, then rejects.
func records(out *outcome, a *arrival) ([]kafkabus.Message, error) {
	msgs := make([]kafkabus.Message, 0, len(out.accepted)+len(out.rejected))
	size := 0
	for _, e := range out.accepted {
		size += event.CloudEventBytes(e) + len(e.Tenant) + len("/") + len(e.PartnerID)
	}
	room := make([]byte, 0, size) // of all keys and values, allocated at once
	for _, e := range out.accepted {
		start := len(room)
		room = e.AppendKey(room)
		key := room[start:len(room):len(room)]
		start = len(room)
		var err error
		if room, err = event.AppendDecodedCloudEvent(room, e); err != nil { // the parser has decoded Data
			return nil, fmt.Errorf("encoding event: %w", err)
		}
		value := room[start:len(room):len(room)]
		msgs = append(msgs, kafkabus.Message{Topic: kafkabus.TopicEvents, Key: key, Value: value})
		if e.Type.IsDirectory() {
			key, err := event.DirectoryKey(e)
			if err != nil {
				return nil, err
			}
			msgs = append(msgs, kafkabus.Message{Topic: kafkabus.TopicDirectory, Key: []byte(key), Value: value})
		}
	}
	for i := range out.rejected {
		value, err := rejectOf(&out.rejected[i], a).Marshal()
		if err != nil {
			return nil, fmt.Errorf("encoding reject: %w", err)
		}
		partner := out.rejected[i].draft.event.PartnerID
		if !isName(partner) {
			partner = event.TenantWide
		}
		msgs = append(msgs, kafkabus.Message{Topic: kafkabus.TopicRejects, Key: []byte(event.Key(a.key.Tenant, partner)), Value: value})
	}
	return msgs, nil
}

// rejectOf describes a refused event with its original bytes. Of an event above
// the size limit only the first part is kept: the whole may not fit a record.
func rejectOf(r *rejection, a *arrival) *event.Reject {
	original := r.draft.original
	cut := len(original) > event.EventSizeBytesMax
	if cut {
		original = cutRunes(original, event.EventSizeBytesMax)
	}
	reject := event.NewReject(a.at, stage, &r.problem, original)
	reject.Truncated = cut
	reject.Tenant, reject.Portal, reject.KeyID, reject.Source = a.key.Tenant, a.key.Portal, a.key.ID, a.source
	reject.EventID, reject.EventType = r.draft.event.ID, string(r.draft.event.Type)
	return reject
}

// cutRunes gives the first n bytes of b, less if that would split a character.
func cutRunes(b []byte, n int) []byte {
	b = b[:n]
	for i := 1; i < utf8.UTFMax && i <= n; i++ {
		if last := b[n-i:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				return b[:n-i]
			}
			break
		}
	}
	return b
}

// isName tells whether s can be an identifier of the envelope.
func isName(s string) bool {
	return s != "" && utf8.RuneCountInString(s) <= event.NameLengthMax && !hasControls(s)
}

// hasControls tells whether s has control characters, which would make keys and
// logs unreadable.
func hasControls(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c == 0x7f:
			return true
		case c >= utf8.RuneSelf:
			return strings.ContainsFunc(s[i:], unicode.IsControl)
		}
	}
	return false
}
