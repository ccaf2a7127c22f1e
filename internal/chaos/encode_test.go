package chaos

import (
	"strconv"
	"time"

	"partnerpulse/internal/event"
	"partnerpulse/internal/kafkabus"
)

// data is the event's own fields, as JSON that the contract's schemas accept.
func (h *happening) data() []byte {
	b := append(make([]byte, 0, 128), '{')
	text := func(name, value string) {
		if value != "" {
			b = append(append(append(append(b, '"'), name...), `":"`...), value...)
			b = append(b, '"', ',')
		}
	}
	number := func(name string, value int64) {
		b = append(append(append(b, '"'), name...), `":`...)
		b = append(strconv.AppendInt(b, value, 10), ',')
	}
	text("view_id", h.ViewID)
	text("content_id", h.ContentID)
	text("playbook_id", h.PlaybookID)
	switch h.Type {
	case event.PageViewed:
		text("path", "/"+h.ViewID)
	case event.ContentViewed:
		if h.Words > 0 {
			number("words", int64(h.Words))
		}
		if h.DurationS > 0 {
			number("duration_s", int64(h.DurationS))
		}
	case event.ContentEngaged:
		number("engaged_ms", int64(h.EngagedMs))
		number("max_scroll_pct", int64(h.ScrollPct))
	case event.SearchPerformed:
		text("search_id", h.ID)
		text("query", "pricing")
		number("results_count", int64(h.Results))
	case event.SearchClicked:
		text("search_id", h.ID)
		number("position", 1)
	case event.PortalLogin:
		b = append(b, `"success":`...)
		b = append(strconv.AppendBool(b, !h.FailedLogin), ',')
	case event.LeadReferred:
		text("lead_id", h.ID)
	case event.DealRegistered, event.DealAccepted, event.DealRejected, event.DealStageChanged, event.DealWon, event.DealLost:
		text("deal_id", "d-1")
		text("stage", h.Stage)
		text("prev_stage", h.Prev)
	case event.MeetingHeld:
		text("meeting_id", h.ID)
	case event.SupportRequested, event.SupportResolved:
		text("ticket_id", h.ID)
	case event.SurveySent:
		text("survey_id", "q")
	case event.SurveyNPSAnswered:
		text("survey_id", "q")
		number("score", int64(*h.NPS))
	case event.PartnerUpserted:
		text("partner_id", partnerName(h.Partner))
	case event.UserUpserted:
		text("user_id", h.Actor)
	case event.CommitmentSet:
		number("cadence_days", h.Cadence)
	default: // training
		text("course_id", "course")
	}
	b[len(b)-1] = '}'
	return b
}

// received is when the collector would have taken it: in its slot.
func (w *world) received(h *happening) time.Time {
	at := h.Time.Add(1500 * time.Millisecond)
	if slot := w.start.AddDate(0, 0, h.Slot); slot.After(at) {
		at = slot.Add(time.Duration(h.Time.UnixMilli()%3_600_000) * time.Millisecond)
	}
	return at
}

// frozen is the record of the event on the topic. A later copy arrived later and may
// say something else; the first one counts.
func (w *world) frozen(h *happening, copied int) (kafkabus.Message, error) {
	told := *h
	if copied > 0 && told.Type == event.ContentEngaged {
		told.EngagedMs += 10_000
	}
	e := event.Event{
		ID: told.ID, Type: told.Type, Time: told.Time, PartnerID: partnerName(told.Partner), UserID: told.Actor,
		SessionID: told.SessionID, Internal: told.Internal, Data: told.data(),
		Tenant: w.tenant(told.Partner), Portal: "main", Source: event.SourceAPI, KeyID: "chaos",
		ReceivedAt: w.received(h).Add(time.Duration(copied) * time.Second),
	}
	value, err := event.AppendDecodedCloudEvent(make([]byte, 0, 420), &e)
	return kafkabus.Message{Topic: kafkabus.TopicEvents, Key: []byte(e.Key()), Value: value}, err
}

// posted is the event as a producer sends it to the collector.
func (h *happening) posted(b []byte) []byte {
	b = append(append(append(b, `{"id":"`...), h.ID...), `","type":"`...)
	b = append(append(append(b, h.Type...), `","partner_id":"`...), partnerName(h.Partner)...)
	b = append(append(b, `","user_id":"`...), h.Actor...)
	b = h.Time.UTC().AppendFormat(append(b, `","time":"`...), "2006-01-02T15:04:05.000Z07:00")
	b = append(b, '"')
	if h.SessionID != "" {
		b = append(append(append(b, `,"session_id":"`...), h.SessionID...), '"')
	}
	if h.Internal {
		b = append(b, `,"internal":true`...)
	}
	b = append(b, `,"data":`...)
	return append(append(b, h.data()...), '}')
}
