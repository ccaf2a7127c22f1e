package segment

import (
	"time"
)

// skewStep is what clock corrections are rounded to. Segment's formula, time =
// receivedAt − (sentAt − timestamp), also adds the time that a request travels, which
// differs when it is sent again; a rounded correction is the same for both, so that
// the copies have one time and count once. A clock that is less than half a step off
// is left alone.
const skewStep = time.Minute

// layouts are the forms of time that SDKs send; one without a zone is UTC.
func layouts() []string {
	return []string{
		time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", time.DateOnly,
	}
}

// parseTime reads a time.
func parseTime(text string) (time.Time, bool) {
	if len(text) > 40 {
		return time.Time{}, false
	}
	for _, layout := range layouts() {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// timeLayout is RFC 3339 with the precision that is kept.
const timeLayout = "2006-01-02T15:04:05.000Z"

// time gives when the call happened, as text, and which field said so; "" when the
// call does not say. A text that is no time is given as it is, to be refused.
//
// A call with both timestamp and originalTimestamp was corrected, or its time chosen,
// before it came here: timestamp counts. Otherwise the one that is there is the
// sender's clock, which sentAt corrects. Imports tell history: never corrected.
func (c *Call) time(receivedAt time.Time) (text, field string) {
	field = "timestamp"
	final := c.isImport
	switch stamp, original := c.members.get("timestamp"), c.members.get("originalTimestamp"); {
	case stamp != nil && original != nil:
		final = true
	case stamp == nil && original != nil:
		field = "originalTimestamp"
	case stamp == nil:
		return "", ""
	}
	text = c.members.text(field)
	at, ok := parseTime(text)
	if !ok {
		if text == "" {
			text = "?"
		}
		return text, field
	}
	if sent, ok := parseTime(c.members.text("sentAt")); ok && !final {
		at = at.Add(receivedAt.Sub(sent).Round(skewStep))
	}
	return at.Truncate(time.Millisecond).Format(timeLayout), field
}
