package collector

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.uber.org/zap"

	"partnerpulse/internal/event"
	"partnerpulse/internal/keys"
	"partnerpulse/internal/xapi"
)

// voiding is what is known of a statement that is voided.
type voiding struct {
	by     string       // id of the statement that voids it
	target *xapi.Stored // the voided one; nil: it is not here yet, or comes with this request
}

// voidedLead is how much before the statement's event the event is dated that takes
// its place. The store keeps the copy of an event that was taken first, whatever
// arrives when, so the voided one stays, also when the topic is read again. It is
// more than the time for which clients repeat a request.
const voidedLead = 24 * time.Hour

// mayVoid refuses voiding with a browser key: it is public, and could take back what
// others have sent.
func (b *xapiBatch) mayVoid() *failure {
	if b.arrival.key.Kind == keys.Server {
		return nil
	}
	for i := range b.items {
		if b.items[i].Statement.VoidedTarget() != "" {
			return &failure{http.StatusForbidden, "server_key_needed",
				fmt.Sprintf("statement %d voids another one: that needs a server key; no statement of the request was taken", i), 0}
		}
	}
	return nil
}

// xapiTargets finds what the request's statements void. A repetition looks again:
// its target may have become known since.
func (c *Collector) xapiTargets(ctx context.Context, b *xapiBatch) *failure {
	key := b.arrival.key
	for _, f := range b.fresh { // what another request, here, said of a statement that only comes now
		if by := c.xapi.recent.VoidedBy(key.Tenant, key.Portal, b.ids[f.item]); by != "" {
			b.void[b.ids[f.item]] = voiding{by: by}
		}
	}
	var ask []string
	for i := range b.items {
		target := b.items[i].Statement.VoidedTarget()
		if target == "" {
			continue
		}
		v := voiding{by: b.ids[i]}
		s, ok := c.xapi.recent.Get(key.Tenant, target)
		switch {
		case !ok || s.Portal != key.Portal:
			ask = append(ask, target)
		case xapi.Voids(s.Raw) != "":
			continue // what voids is never voided itself
		default:
			v.target = s
		}
		b.void[target] = v
	}
	if len(ask) == 0 {
		return nil
	}
	known, err := c.askByID(ctx, key.Tenant, ask)
	if err != nil {
		c.log.Warn("asking for statements to void", zap.Error(err), zap.String("key_id", key.ID))
		return &failure{http.StatusServiceUnavailable, "store_unavailable",
			"what is to be voided cannot be found at this moment: send the request again later; no statement of it was taken", c.cfg.RetryAfter}
	}
	for _, s := range known.Statements {
		if v := b.void[s.ID]; s.Portal == key.Portal {
			v.target = s
			b.void[s.ID] = v
		}
	}
	return nil
}

// xapiVoid adds to out the events that take the place of those of voided statements,
// and voids among the new ones those that are voided already. What voids is never
// voided itself.
func (c *Collector) xapiVoid(b *xapiBatch, out *outcome, p *parser) error {
	for _, e := range out.accepted {
		v, ok := b.void[e.ID]
		if !ok || e.Type == xapi.VoidedType {
			continue
		}
		if err := voidEvent(e, v.by); err != nil {
			return err
		}
	}
	for _, v := range b.void {
		s := v.target
		if s == nil || s.Partner == "" || s.VoidedBy != "" || xapi.Voids(s.Raw) != "" {
			continue
		}
		e, err := c.eventOf(s, p)
		if err != nil {
			return err
		}
		if err := voidEvent(e, v.by); err != nil {
			return err
		}
		out.accepted = append(out.accepted, e)
	}
	return nil
}

// eventOf makes the event of a statement again, with the same place in the store.
func (c *Collector) eventOf(s *xapi.Stored, p *parser) (*event.Event, error) {
	items, err := xapi.Split(s.Raw, 1)
	if err != nil || len(items) != 1 || items[0].Statement == nil {
		return nil, fmt.Errorf("decoding the stored statement %s: %w", s.ID, err)
	}
	mapped, err := c.xapi.mapper.Map(items[0].Statement, s.Raw, s.ID, s.Time)
	if err != nil {
		return nil, err
	}
	d := p.each([][]byte{mapped.Envelope})[0]
	if d.problem != nil {
		return nil, fmt.Errorf("mapping the stored statement %s: %w", s.ID, d.problem)
	}
	e := &d.event
	if err := e.Time.UnmarshalText([]byte(d.timeText)); err != nil {
		return nil, fmt.Errorf("decoding the time of the stored statement %s: %w", s.ID, err)
	}
	e.Time = e.Time.UTC().Truncate(time.Millisecond)
	e.Tenant, e.Portal, e.PartnerID, e.KeyID = s.Tenant, s.Portal, s.Partner, s.KeyID
	e.ReceivedAt, e.Source = s.At, event.SourceXAPI
	return e, nil
}

// voidEvent makes e the event that stays of a voided statement: stored, not scored,
// and the first of its copies. Its data say by what, and when it was really taken.
func voidEvent(e *event.Event, by string) error {
	var data map[string]jsontext.Value
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return fmt.Errorf("decoding data of event %s: %w", e.ID, err)
	}
	for name, v := range map[string]any{"voided_by": by, "taken_at": e.ReceivedAt.UTC()} {
		b, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("encoding data of event %s: %w", e.ID, err)
		}
		data[name] = b
	}
	b, err := json.Marshal(data, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("encoding data of event %s: %w", e.ID, err)
	}
	e.Data, e.Internal, e.ReceivedAt = b, true, e.ReceivedAt.Add(-voidedLead)
	return nil
}
