package collector

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"partnerpulse/internal/event"
	"partnerpulse/internal/xapi"
)

// xapiBatch is the statements of one request on their way to the log. As xAPI
// demands, either all of them are taken or none.
type xapiBatch struct {
	arrival *arrival
	items   []xapi.Item
	ids     []string // lower case
	made    []bool   // the id was made here, so nobody can know it
	fresh   []fresh
	// void is who voids which statements: what the request's own statements say, and
	// what was said before of statements that only come now.
	void map[string]voiding // by the id of what is voided
	// partner is whose events the accepted statements are, by id.
	partner map[string]string
}

// fresh is a statement that is to be published.
type fresh struct {
	item int
	at   *xapi.Stored
	own  bool // this request noted it, not another one at the same instant
}

// xapiWrite takes one request from body to durable.
func (c *Collector) xapiWrite(call *xapiCall) (xapiAnswer, *failure) {
	if fail := jsonOnly(call.r); fail != nil {
		return nil, fail
	}
	putID, fail := statementIDOf(call)
	if fail != nil {
		return nil, fail
	}
	body, fail := c.readBody(call.w, call.r)
	if fail != nil {
		return nil, fail
	}
	defer body.release()
	c.metrics.bodyBytes.Add(float64(len(body.bytes)))
	b := &xapiBatch{arrival: c.arrivalOf(call.r, call.key), void: map[string]voiding{}}
	b.arrival.source = event.SourceXAPI
	var err error
	b.items, err = xapi.Split(body.bytes, c.cfg.BatchEventsMax)
	switch {
	case errors.Is(err, xapi.ErrTooMany):
		fail := &failure{http.StatusRequestEntityTooLarge, "batch_too_large",
			fmt.Sprintf("more than %d statements in one request: send them in several", c.cfg.BatchEventsMax), 0}
		c.noteTooLarge(call.r, len(body.bytes), fail)
		return nil, fail
	case err != nil:
		return nil, c.keepBody(call.r, body.bytes, b.arrival, notJSON(err, len(body.bytes)))
	}
	if fail := c.xapiCheck(call.r.Context(), b, putID); fail != nil {
		return nil, fail
	}
	if fail := b.mayVoid(); fail != nil {
		return nil, fail
	}
	defer func() { c.xapiSettle(b, false) }() // does nothing to what was settled before
	if fail := c.xapiBegin(call.r.Context(), b); fail != nil {
		return nil, fail
	}
	if fail := c.xapiTargets(call.r.Context(), b); fail != nil {
		return nil, fail
	}
	kept, fail := c.xapiPublish(call.r.Context(), b)
	if fail != nil {
		return nil, fail
	}
	c.xapiSettle(b, true)
	return c.xapiTaken(b, putID != "", kept), nil
}

// xapiTaken is the answer to statements that were taken.
func (c *Collector) xapiTaken(b *xapiBatch, put bool, kept int) xapiAnswer {
	return func(w http.ResponseWriter) int {
		if kept > 0 { // for people who look: clients have no use for it
			w.Header().Set("X-PartnerPulse-Not-Counted", strconv.Itoa(kept))
		}
		if put {
			return status(http.StatusNoContent)(w)
		}
		c.writeJSON(w, http.StatusOK, b.ids)
		return http.StatusOK
	}
}

// jsonOnly refuses attachments that are sent along.
func jsonOnly(r *http.Request) *failure {
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && t == "application/json":
		return nil
	case err == nil && t == "multipart/mixed":
		return &failure{http.StatusUnsupportedMediaType, "attachments_not_taken",
			"the content of attachments is not kept here: send the statements alone as application/json, attachments with fileUrl", 0}
	}
	return &failure{http.StatusUnsupportedMediaType, "not_json", "statements are sent with Content-Type application/json", 0}
}

// statementIDOf gives the id that a PUT is for.
func statementIDOf(call *xapiCall) (string, *failure) {
	for name := range call.query {
		if name != "statementId" && name != "key" && name != "cachebuster" {
			return "", badParameter(name, "is no parameter of "+call.r.Method)
		}
	}
	id := call.query.Get("statementId")
	switch {
	case call.r.Method == http.MethodPost && id != "":
		return "", badParameter("statementId", "goes with PUT; with POST the id is in the statement")
	case call.r.Method == http.MethodPost:
		return "", nil
	case uuid.Validate(id) != nil || len(id) != 36:
		return "", badParameter("statementId", "must be a UUID")
	}
	return strings.ToLower(id), nil
}

func badParameter(name, message string) *failure {
	return &failure{http.StatusBadRequest, "bad_parameter", fmt.Sprintf("the parameter %s %s", strings.ToValidUTF8(limit(name, 60), "?"), message), 0}
}

// xapiCheck refuses a request with a statement that breaks the specification; such
// statements are kept as rejects. It settles the ids of the others.
func (c *Collector) xapiCheck(ctx context.Context, b *xapiBatch, putID string) *failure {
	var drafts []draft
	var first *xapi.Invalid
	b.ids, b.made = make([]string, len(b.items)), make([]bool, len(b.items))
	seen := make(map[string]bool, len(b.items))
	for i := range b.items {
		item := &b.items[i]
		if item.Invalid == nil {
			item.Invalid = b.identify(i, putID, seen)
		}
		if item.Invalid == nil {
			continue
		}
		if first == nil {
			first = item.Invalid
		}
		d := draft{original: item.Raw, problem: &event.Problem{Code: event.CodeSchema, Pointer: item.Invalid.Pointer, Message: item.Invalid.Message}}
		if item.Statement != nil {
			d.event.ID = strings.ToLower(item.Statement.ID)
		}
		drafts = append(drafts, d)
	}
	if putID != "" && len(b.items) != 1 {
		return &failure{http.StatusBadRequest, "invalid_statement", "PUT takes one statement", 0}
	}
	if first == nil {
		return nil
	}
	if failed := c.publish(ctx, c.judge(drafts, b.arrival), b.arrival); failed != nil {
		return failed
	}
	return &failure{http.StatusBadRequest, "invalid_statement", first.Error() + "; no statement of the request was taken", 0}
}

// identify settles the id of one statement.
func (b *xapiBatch) identify(i int, putID string, seen map[string]bool) *xapi.Invalid {
	id := strings.ToLower(b.items[i].Statement.ID)
	switch {
	case id == "" && putID != "":
		id = putID
	case id == "":
		made, err := uuid.NewV7()
		if err != nil {
			made = uuid.New()
		}
		id, b.made[i] = made.String(), true
	case putID != "" && id != putID:
		return &xapi.Invalid{Index: i, Pointer: "/id", Message: "differs from the parameter statementId"}
	}
	if seen[id] {
		return &xapi.Invalid{Index: i, Pointer: "/id", Message: "stands twice in the request"}
	}
	seen[id] = true
	b.ids[i] = id
	return nil
}

// xapiBegin tells new statements from those that are known: a repetition is not
// published again, another statement with a known id is a conflict.
func (c *Collector) xapiBegin(ctx context.Context, b *xapiBatch) *failure {
	stored := c.xapiKnown(ctx, b)
	for i := range b.items {
		own := &xapi.Stored{
			ID: b.ids[i], Raw: append([]byte(nil), b.items[i].Raw...), Time: b.arrival.at, At: b.arrival.at,
			KeyID: b.arrival.key.ID, Portal: b.arrival.key.Portal, Tenant: b.arrival.key.Tenant,
		}
		known, pending := stored[b.ids[i]], false
		if known == nil {
			known, pending = c.xapi.recent.Begin(own)
		}
		switch {
		case known == nil:
			b.fresh = append(b.fresh, fresh{i, own, true})
		case !sameStatement(known.Raw, own.Raw):
			return c.xapiConflict(ctx, b, i)
		case pending: // another request is at it: this one waits for no one, and is the same event
			b.fresh = append(b.fresh, fresh{i, known, false})
		}
	}
	return nil
}

func sameStatement(a, b []byte) bool {
	da, erra := xapi.DigestOf(a)
	db, errb := xapi.DigestOf(b)
	return erra == nil && errb == nil && da == db
}

// xapiKnown asks the store for the ids that clients chose and memory does not have.
func (c *Collector) xapiKnown(ctx context.Context, b *xapiBatch) map[string]*xapi.Stored {
	var ids []string
	for i := range b.items {
		if b.made[i] {
			continue
		}
		if _, ok := c.xapi.recent.Get(b.arrival.key.Tenant, b.ids[i]); !ok {
			ids = append(ids, b.ids[i])
		}
	}
	if len(ids) == 0 {
		return nil
	}
	found, err := c.askByID(ctx, b.arrival.key.Tenant, ids)
	if err != nil {
		c.log.Warn("asking for known statements", zap.Error(err), zap.String("key_id", b.arrival.key.ID))
	}
	known := make(map[string]*xapi.Stored, len(found.Statements))
	for _, s := range found.Statements {
		known[s.ID] = s
	}
	for _, v := range found.Voided {
		if v.Portal == b.arrival.key.Portal && known[v.Target] == nil {
			b.void[v.Target] = voiding{by: v.By}
		}
	}
	return known
}

// xapiConflict refuses a request whose statement i has the id of another one.
func (c *Collector) xapiConflict(ctx context.Context, b *xapiBatch, i int) *failure {
	message := "another statement with this id was taken before: statements never change, a new one needs a new id"
	d := draft{original: b.items[i].Raw, problem: &event.Problem{Code: event.CodeConflict, Pointer: "/id", Message: message}}
	d.event.ID = b.ids[i]
	if failed := c.publish(ctx, c.judge([]draft{d}, b.arrival), b.arrival); failed != nil {
		return failed
	}
	return &failure{http.StatusConflict, "statement_conflict", fmt.Sprintf("statement %d, %s: %s; no statement of the request was taken", i, b.ids[i], message), 0}
}

// xapiPublish makes the new statements durable, as events or as rejects, whose
// number it gives.
func (c *Collector) xapiPublish(ctx context.Context, b *xapiBatch) (kept int, fail *failure) {
	internal := func(err error) *failure {
		c.log.Error("mapping statements", zap.Error(err))
		return &failure{http.StatusInternalServerError, "internal", "a statement could not be mapped: this is a fault of the server", 0}
	}
	p := c.parsers.get()
	defer func() {
		p.reset(nil)
		c.parsers.put(p)
	}()
	drafts, err := c.xapiDrafts(b, p)
	if err != nil {
		return 0, internal(err)
	}
	out := c.judge(drafts, b.arrival)
	if c.cfg.XAPI.Strict && len(out.rejected) > 0 {
		out.accepted = nil
		if failed := c.publish(ctx, out, b.arrival); failed != nil {
			return 0, failed
		}
		r := out.rejected[0]
		return 0, &failure{http.StatusBadRequest, "statement_not_counted", fmt.Sprintf("statement %d: %s; no statement of the request was taken",
			b.fresh[r.index].item, r.problem.Error()), 0}
	}
	if err := c.xapiVoid(b, out, p); err != nil {
		return 0, internal(err)
	}
	b.partner = make(map[string]string, len(out.accepted))
	for _, e := range out.accepted {
		b.partner[e.ID] = e.PartnerID
	}
	return len(out.rejected), c.publish(ctx, out, b.arrival)
}

// xapiDrafts maps the new statements.
func (c *Collector) xapiDrafts(b *xapiBatch, p *parser) ([]draft, error) {
	drafts := make([]draft, 0, len(b.fresh))
	for _, f := range b.fresh {
		item := &b.items[f.item]
		mapped, err := c.xapi.mapper.Map(item.Statement, item.Raw, b.ids[f.item], f.at.Time)
		if err != nil {
			return nil, err
		}
		d := p.each([][]byte{mapped.Envelope})[0]
		d.original = item.Raw
		if mapped.Unmapped != "" && !b.arrival.tenant.AllowCustom {
			d.problem = &event.Problem{Code: event.CodeUnknownType, Pointer: "/verb/id", Message: mapped.Unmapped}
		}
		if target := item.Statement.VoidedTarget(); target != "" {
			d.ours = true
			if known := b.void[target].target; known != nil && known.Partner != "" {
				d.event.PartnerID = known.Partner // it belongs to the event that it takes back
			}
		}
		drafts = append(drafts, d)
	}
	return drafts, nil
}

// xapiSettle tells memory what became of the statements.
func (c *Collector) xapiSettle(b *xapiBatch, durable bool) {
	for _, f := range b.fresh {
		if durable || f.own {
			c.xapi.recent.Settle(f.at, durable, b.partner[f.at.ID])
		}
	}
	b.fresh = nil
	if !durable {
		return
	}
	key := b.arrival.key
	for target, v := range b.void {
		c.xapi.recent.Void(key.Tenant, xapi.Voiding{Portal: key.Portal, Target: target, By: v.by})
	}
}
