package collector

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"partnerpulse/internal/cloudevents"
	"partnerpulse/internal/event"
)

// cloudEvents is the way in for CloudEvents in every mode of the HTTP binding.
func (c *Collector) cloudEvents(w http.ResponseWriter, r *http.Request) {
	const name = "cloudevents"
	switch r.Method {
	case http.MethodOptions:
		c.preflightFor(w, r, name, "POST", preflightHeaders+attributeHeaders(r))
		return
	case http.MethodPost:
	default:
		w.Header().Set("Allow", "POST, OPTIONS")
		c.refuse(w, name, &failure{http.StatusMethodNotAllowed, "method_not_allowed", "send CloudEvents with POST", 0})
		return
	}
	start := time.Now()
	out, fail := c.collectCloudEvents(w, r)
	if fail != nil {
		c.refuse(w, name, fail)
	} else {
		c.metrics.requests.WithLabelValues(name, strconv.Itoa(c.answerEvents(w, out)), "").Inc()
	}
	c.metrics.requestSeconds.WithLabelValues(name).Observe(time.Since(start).Seconds())
}

// attributeHeaders lists the ce-* headers that a browser asks to send: their names
// are the sender's, a star does not cover them beside Authorization.
func attributeHeaders(r *http.Request) string {
	var b strings.Builder
	for name := range strings.SplitSeq(r.Header.Get("Access-Control-Request-Headers"), ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		if attribute, ok := strings.CutPrefix(name, "ce-"); ok && len(name) <= 100 && isAttribute(attribute) {
			b.WriteString(", " + name)
		}
	}
	return b.String()
}

// isAttribute tells a CloudEvents attribute name: lower-case letters and digits.
func isAttribute(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// collectCloudEvents takes one request from key to durable.
func (c *Collector) collectCloudEvents(w http.ResponseWriter, r *http.Request) (*outcome, *failure) {
	key, fail := c.authenticate(w, r)
	if fail != nil {
		return nil, fail
	}
	body, fail := c.readBody(w, r)
	if fail != nil {
		return nil, fail
	}
	defer body.release()
	c.metrics.bodyBytes.Add(float64(len(body.bytes)))
	a := c.arrivalOf(r, key)
	a.source = event.SourceCloudEvents
	messages, fail := c.readCloudEvents(r, body.bytes)
	if fail != nil {
		return nil, c.keepBody(r, body.bytes, a, fail)
	}
	out := c.judge(c.draftsOf(messages), a)
	for i := range out.rejected {
		if p := &out.rejected[i]; messages[p.index].Problem == nil {
			p.problem.Pointer = cloudevents.Pointer(p.problem.Pointer)
		}
	}
	return out, c.publish(r.Context(), out, a)
}

// keepBody keeps a body that nobody can read as one reject and gives the failure to
// answer.
func (c *Collector) keepBody(r *http.Request, body []byte, a *arrival, fail *failure) *failure {
	if fail.code != string(event.CodeMalformed) {
		c.noteTooLarge(r, len(body), fail)
		return fail
	}
	problem := event.Problem{Code: event.CodeMalformed, Message: fail.message}
	out := c.judge([]draft{{original: body, problem: &problem}}, a)
	if failed := c.publish(r.Context(), out, a); failed != nil {
		return failed
	}
	return fail
}

// readCloudEvents reads the body in the mode that the request is in.
func (c *Collector) readCloudEvents(r *http.Request, body []byte) ([]cloudevents.Message, *failure) {
	mode, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		mode = ""
	}
	unsupported := func(message string) ([]cloudevents.Message, *failure) {
		return nil, &failure{http.StatusUnsupportedMediaType, "not_a_cloudevent", message, 0}
	}
	format, structured := strings.CutPrefix(mode, "application/cloudevents")
	switch {
	case !structured && cloudevents.IsBinary(r.Header):
		return []cloudevents.Message{c.cfg.CloudEvents.Binary(r.Header, body)}, nil
	case !structured:
		return unsupported("this is no CloudEvent: send Content-Type application/cloudevents+json or application/cloudevents-batch+json, or the attributes as ce-* headers")
	case format != "+json" && format != "-batch+json":
		return unsupported("CloudEvents are taken in JSON: application/cloudevents+json or application/cloudevents-batch+json")
	case params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8"):
		return unsupported("JSON is UTF-8: send no other charset")
	case len(bytes.TrimSpace(body)) == 0:
		return nil, &failure{http.StatusBadRequest, "empty_body", "the body is empty: send the CloudEvent as JSON", 0}
	case format == "+json":
		m, err := c.cfg.CloudEvents.Structured(body)
		if err != nil {
			return nil, notJSON(err, len(body))
		}
		return []cloudevents.Message{m}, nil
	}
	messages, err := c.cfg.CloudEvents.Batch(body, c.cfg.BatchEventsMax)
	switch {
	case errors.Is(err, cloudevents.ErrTooMany):
		return nil, &failure{http.StatusRequestEntityTooLarge, "batch_too_large",
			fmt.Sprintf("more than %d events in one request: send them in several", c.cfg.BatchEventsMax), 0}
	case err != nil:
		return nil, notJSON(err, len(body))
	}
	return messages, nil
}

// notJSON is the refusal of a body that is not JSON, or not of the right shape.
func notJSON(err error, size int) *failure {
	reason, at := syntax(err, size)
	return malformed(reason, at)
}

// draftsOf makes the drafts of messages; what is kept of a refused one is what was
// sent.
func (c *Collector) draftsOf(messages []cloudevents.Message) []draft {
	p := c.parsers.get()
	defer func() {
		p.reset(nil)
		c.parsers.put(p)
	}()
	drafts := make([]draft, len(messages))
	for i := range messages {
		m := &messages[i]
		if m.Problem != nil {
			drafts[i].problem = m.Problem
			if isName(m.ID) {
				drafts[i].event.ID = limit(m.ID, event.IDLengthMax)
			}
			drafts[i].event.Type = event.Type(limit(m.Type, typeLengthMax))
		} else {
			drafts[i] = p.each([][]byte{m.Envelope})[0]
		}
		drafts[i].original = m.Original
	}
	return drafts
}
