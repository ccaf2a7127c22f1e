package collector

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"partnerpulse/internal/event"
	"partnerpulse/internal/keys"
	"partnerpulse/internal/segment"
)

// segmentWay is the way in for Segment's and RudderStack's SDKs.
type segmentWay struct {
	mappers *segment.Mappers
	ignored *prometheus.CounterVec
}

func newSegmentWay(cfg segment.Config, reg prometheus.Registerer) (*segmentWay, error) {
	mappers, err := segment.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	return &segmentWay{mappers: mappers, ignored: promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "partnerpulse_collector_segment_ignored_total",
		Help: "Segment calls that carry no event for us and were answered with success, by method.",
	}, []string{"method"})}, nil
}

// segmentRoutes are the addresses that the SDKs call.
func (c *Collector) segmentRoutes() []route {
	var out []route
	for _, m := range segment.Methods() {
		h := c.segmentCalls(m)
		out = append(out, route{"/v1/" + string(m), h})
		if short := m.Short(); short != "" {
			out = append(out, route{"/v1/" + short, h})
		}
	}
	return append(out,
		route{"/beacon/v1/batch", c.segmentCalls(segment.Batch)}, // RudderStack's browser SDK on leaving
		route{"/v1/m", c.segmentMetrics},
		route{"/v1/projects/{key}/settings", c.segmentSettings},
		route{"/sourceConfig/", c.rudderConfig},
	)
}

// segmentCalls takes calls of one method, or batches.
func (c *Collector) segmentCalls(m segment.Method) http.HandlerFunc {
	name := "segment_" + string(m)
	return func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodOptions:
			c.preflight(w, r, name)
			return
		case http.MethodPost:
		default:
			w.Header().Set("Allow", "POST, OPTIONS")
			c.refuse(w, name, &failure{http.StatusMethodNotAllowed, "method_not_allowed", "send calls with POST", 0})
			return
		}
		start := time.Now()
		out, fail := c.collectSegment(w, r, m)
		if fail != nil {
			c.refuse(w, name, fail)
		} else {
			c.metrics.requests.WithLabelValues(name, strconv.Itoa(c.answerSegment(w, out)), "").Inc()
		}
		c.metrics.requestSeconds.WithLabelValues(name).Observe(time.Since(start).Seconds())
	}
}

// collectSegment takes one request from key to durable. The key may be in the body,
// which then is read, within the limits, before the sender is known.
func (c *Collector) collectSegment(w http.ResponseWriter, r *http.Request, m segment.Method) (*outcome, *failure) {
	var key *keys.Key
	var fail *failure
	if hasKeyOutside(r) {
		if key, fail = c.authenticateSDK(w, r); fail != nil {
			return nil, fail
		}
	}
	body, fail := c.readBody(w, r)
	if fail != nil {
		c.letRead(w, r, key)
		return nil, fail
	}
	defer body.release()
	c.metrics.bodyBytes.Add(float64(len(body.bytes)))
	calls, fail := splitSegment(body.bytes, m, c.cfg.Segment.CallsMax())
	if key == nil {
		if fail != nil {
			c.letRead(w, r, nil)
			return nil, fail
		}
		if calls.WriteKey != "" {
			r.SetBasicAuth(calls.WriteKey, "")
		}
		if key, fail = c.authenticateSDK(w, r); fail != nil {
			return nil, fail
		}
	}
	a := c.arrivalOf(r, key)
	a.source = event.SourceSegment
	if fail != nil {
		return c.keepMalformed(r, body.bytes, a, fail)
	}
	// What a batch says once for all of its calls takes room in each of them.
	if calls.SharedBytes() > c.cfg.InflatedBytesMax {
		return nil, tooLarge("inflated", c.cfg.InflatedBytesMax)
	}
	if !c.budget.reserve(calls.SharedBytes()) {
		return nil, c.overloaded()
	}
	body.reserved += calls.SharedBytes()
	read, fail := c.readSegment(r, calls, a)
	if fail != nil {
		return nil, fail
	}
	out := c.judgeSegment(read, a)
	if fail := c.publish(r.Context(), out, a); fail != nil {
		return nil, fail
	}
	if len(out.accepted)+len(out.rejected) == 0 {
		c.teach(a) // nothing had to be durable first
	}
	return out, nil
}

// authenticateSDK finds the key. Without a signed identity beside the body the calls
// are asked for one.
func (c *Collector) authenticateSDK(w http.ResponseWriter, r *http.Request) (*keys.Key, *failure) {
	if identityToken(r) != "" {
		return c.authenticate(w, r)
	}
	return c.authenticateKey(w, r)
}

// keepMalformed keeps a body that nobody can read as one reject, without the key.
func (c *Collector) keepMalformed(r *http.Request, body []byte, a *arrival, fail *failure) (*outcome, *failure) {
	if fail.code != string(event.CodeMalformed) {
		c.noteTooLarge(r, len(body), fail)
		return nil, fail
	}
	secret, _, ok := r.BasicAuth()
	if !ok {
		_, secret, _ = strings.Cut(r.Header.Get("Authorization"), " ")
	}
	problem := event.Problem{Code: event.CodeMalformed, Message: fail.message}
	drafts := []draft{{original: segment.Redact(body, strings.TrimSpace(secret)), problem: &problem}}
	if failed := c.publish(r.Context(), c.judge(drafts, a), a); failed != nil {
		return nil, failed
	}
	return nil, fail
}

// hasKeyOutside tells whether the key is in a header or in the address. There,
// RudderStack's beacons call it writeKey.
func hasKeyOutside(r *http.Request) bool {
	if r.Header.Get("Authorization") != "" {
		return true
	}
	if r.URL.RawQuery == "" {
		return false
	}
	q := r.URL.Query()
	if q.Get("key") == "" && q.Get("writeKey") != "" {
		q.Set("key", q.Get("writeKey"))
		r.URL.RawQuery = q.Encode()
	}
	return q.Get("key") != ""
}

// letRead lets a page read a refusal that came before its key was known.
func (c *Collector) letRead(w http.ResponseWriter, r *http.Request, key *keys.Key) {
	if origin := r.Header.Get("Origin"); key == nil && origin != "" && c.deps.Keys.AllowsOrigin(origin) {
		allowOrigin(w, origin, false)
	}
}

// splitSegment splits a body within Segment's, or RudderStack's, size of a batch.
func splitSegment(body []byte, m segment.Method, callsMax int) (*segment.Body, *failure) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, &failure{http.StatusBadRequest, "empty_body", "the body is empty: send a call or a batch of calls as a JSON object", 0}
	}
	calls, err := segment.Split(body, m, callsMax)
	switch {
	case errors.Is(err, segment.ErrTooMany):
		return nil, &failure{http.StatusRequestEntityTooLarge, "batch_too_large",
			fmt.Sprintf("more than %d calls in one batch: send them in several", callsMax), 0}
	case errors.Is(err, segment.ErrShared):
		return nil, &failure{http.StatusRequestEntityTooLarge, "body_too_large", err.Error(), 0}
	case errors.Is(err, segment.ErrNotObject), errors.Is(err, segment.ErrNoBatch), errors.Is(err, segment.ErrTwice), errors.Is(err, segment.ErrTrailing):
		return nil, &failure{http.StatusBadRequest, string(event.CodeMalformed), err.Error() + "; no call of it was taken", 0}
	case err != nil:
		reason, at := syntax(err, len(body))
		return nil, malformed(reason, at)
	}
	if m.HasCalls() && len(calls.Calls) > 0 {
		sizeMax := int64(segment.BatchBytesMax)
		if segment.IsRudder(calls.Calls[0]) {
			sizeMax = segment.RudderBatchBytesMax
		}
		if int64(len(body)) > sizeMax {
			return nil, tooLarge("inflated", sizeMax)
		}
	}
	return calls, nil
}

// judgeSegment rewrites every call as events, which then go the way of all others.
// What it says about a refused one is in terms of the call.
func (c *Collector) judgeSegment(calls []segmentCall, a *arrival) *outcome {
	mapper := c.segment.mappers.For(a.key.Tenant)
	env := segment.Env{ReceivedAt: a.at, Directory: a.key.Has(keys.Directory), AllowCustom: a.tenant.AllowCustom, NewID: uuid.NewString}
	p := c.parsers.get()
	defer func() {
		p.reset(nil)
		c.parsers.put(p)
	}()
	var drafts []draft
	var from []int // the call of each draft
	results := make([]segment.Result, len(calls))
	for i := range calls {
		call := &calls[i]
		if call.problem != nil {
			drafts, from = append(drafts, draft{original: call.Original, problem: call.problem}), append(from, i)
			continue
		}
		result := mapper.Map(call.Call, env)
		results[i] = result
		if call.signed != nil {
			a.identity = call.signed.claims
		}
		if call.signed == nil || call.signed.problem == "" {
			learnMember(a, result.Member)
		}
		if result.Ignored {
			c.segment.ignored.WithLabelValues(string(call.Method())).Inc()
		}
		made := p.each(result.Events)
		if len(made) == 0 && result.Problem != nil {
			made = make([]draft, 1)
		}
		for j := range made {
			made[j].original, made[j].signed = call.Original, call.signed
			if result.Problem != nil {
				made[j].problem = result.Problem
			}
			drafts, from = append(drafts, made[j]), append(from, i)
		}
	}
	out := c.judge(drafts, a)
	for i := range out.rejected {
		r := &out.rejected[i]
		r.index = from[r.index]
		if own := results[r.index].Problem; own == nil {
			r.problem.Pointer = results[r.index].Pointer(r.problem.Pointer)
			r.problem.Message = results[r.index].Places(r.problem.Message)
		}
		if r.problem.Code == event.CodeUnresolvedPartner && results[r.index].Problem == nil {
			r.problem.Message = "nothing in the call tells which partner it belongs to: send context.groupId, or properties.partner_id, or describe the user to us first"
		}
	}
	return out
}

// learnMember notes whose somebody is, unless a signed identity says otherwise.
func learnMember(a *arrival, m segment.Member) {
	if !isName(m.PartnerID) || m.PartnerID == event.TenantWide {
		return
	}
	if id := a.identity; id != nil && (m.PartnerID != id.Partner || m.UserID != "" && m.UserID != id.User) {
		return
	}
	if isName(m.UserID) {
		a.learn(m.UserID, "", m.PartnerID)
	}
	if isName(m.AnonymousID) {
		a.learn("", m.AnonymousID, m.PartnerID)
	}
}

// segmentAnswer is what the SDKs expect, and for people what was refused.
type segmentAnswer struct {
	Success  bool       `json:"success"`
	Rejected int        `json:"rejected,omitzero"`
	Errors   []errorRow `json:"errors,omitempty"`
}

// answerSegment says 200 whatever became of single calls: for any other status an
// SDK drops or repeats its whole batch. Refused calls are on the rejects topic. Only
// when all of it claims to be somebody else's, it says 403.
func (c *Collector) answerSegment(w http.ResponseWriter, out *outcome) int {
	status := http.StatusOK
	if out.allForbidden() {
		status = http.StatusForbidden // no SDK repeats that
	}
	body := segmentAnswer{Success: status == http.StatusOK, Rejected: len(out.rejected)}
	for _, r := range out.rejected {
		body.Errors = append(body.Errors, errorRow{
			Index: r.index, ID: r.draft.event.ID, Code: r.problem.Code, Pointer: r.problem.Pointer, Message: r.problem.Message,
		})
	}
	c.writeJSON(w, status, &body)
	return status
}

// segmentMetrics takes what the browser SDK reports about itself, and forgets it. It
// comes without a key.
func (c *Collector) segmentMetrics(w http.ResponseWriter, r *http.Request) {
	const name = "segment_metrics"
	c.letRead(w, r, nil)
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		c.refuse(w, name, &failure{http.StatusMethodNotAllowed, "method_not_allowed", "send metrics with POST", 0})
		return
	}
	c.writeJSON(w, http.StatusOK, &segmentAnswer{Success: true})
	c.metrics.requests.WithLabelValues(name, "200", "").Inc()
}
