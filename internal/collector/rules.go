package collector

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
	"partnerpulse/internal/eventschema"
	"partnerpulse/internal/keys"
)

// problemsShown is how many problems of one event its message tells.
const problemsShown = 3

// judge checks and stamps every draft.
func (c *Collector) judge(drafts []draft, a *arrival) *outcome {
	out := &outcome{accepted: make([]*event.Event, 0, len(drafts))}
	for i := range drafts {
		d := &drafts[i]
		if p := c.check(d, a); p != nil {
			out.rejected = append(out.rejected, rejection{index: i, draft: d, problem: *p})
			continue
		}
		out.accepted = append(out.accepted, &d.event)
		a.learnFrom(&d.event)
	}
	return out
}

// check applies the contract's rules to one event and stamps what it lacks; nil
// accepts it. Nothing that the producer said is changed.
func (c *Collector) check(d *draft, a *arrival) *event.Problem {
	if d.problem != nil {
		return d.problem
	}
	e := &d.event
	if e.ID == "" {
		return &event.Problem{Code: event.CodeMissing, Pointer: "/id",
			Message: "id is required: a text of 1–100 characters, unique per event, the same when the event is sent again"}
	}
	for _, rule := range []func(*draft, *arrival) *event.Problem{c.checkType, c.checkTime, c.checkClaim, c.checkPartner, checkActor, c.checkData} {
		if p := rule(d, a); p != nil {
			return p
		}
	}
	e.Tenant, e.Portal, e.ReceivedAt = a.key.Tenant, a.key.Portal, a.at
	e.Source, e.IP, e.KeyID = a.source, a.ip, a.key.ID
	if e.Context.UserAgent == "" {
		e.Context.UserAgent = a.userAgent
	}
	return nil
}

func (c *Collector) checkType(d *draft, a *arrival) *event.Problem {
	t := d.event.Type
	refuse := func(code event.Code, message string) *event.Problem {
		return &event.Problem{Code: code, Pointer: "/type", Message: message}
	}
	switch {
	case t == "":
		return refuse(event.CodeMissing, "type is required, for example content.viewed")
	case t.IsCustom() && !a.tenant.AllowCustom && !d.ours:
		return refuse(event.CodeUnknownType, "custom types are not allowed for this tenant: set allow_custom, or use one of the contract's types")
	case t.IsCustom() && !isCustomName(string(t)):
		return refuse(event.CodeUnknownType, "a custom type is custom. and letters, digits, dots, dashes and underscores")
	case !c.deps.Schemas.Known(t):
		return refuse(event.CodeUnknownType, fmt.Sprintf("there is no event type %q%s", t, suggestion(string(t))))
	case t.IsDirectory() && !a.key.Has(keys.Directory):
		return refuse(event.CodeForbiddenType, fmt.Sprintf("%s needs a server key with the scope \"directory\"", t))
	}
	return nil
}

func isCustomName(t string) bool {
	for _, r := range strings.TrimPrefix(t, event.CustomPrefix) {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '_', r == '-':
		default:
			return false
		}
	}
	return true
}

// checkTime reads the time, or stamps the arrival's. Times are kept to milliseconds.
func (c *Collector) checkTime(d *draft, a *arrival) *event.Problem {
	e := &d.event
	if !d.hasTime {
		e.Time = a.at
		return nil
	}
	refuse := func(code event.Code, message string) *event.Problem {
		return &event.Problem{Code: code, Pointer: "/time", Message: message}
	}
	at, err := event.ParseTime(d.timeText)
	if err != nil {
		return refuse(event.CodeSchema, fmt.Sprintf("%q is not RFC 3339 with a zone, such as 2026-11-03T09:15:00.000Z", d.timeText))
	}
	e.Time = at.UTC().Truncate(time.Millisecond)
	late := c.cfg.lateMax(a.key.Tenant)
	switch {
	case at.Sub(a.at) > event.FutureSkewMax:
		return refuse(event.CodeInFuture, fmt.Sprintf("is %s after now (%s): check the sender's clock and zone",
			at.Sub(a.at).Round(time.Second), a.at.Format(time.RFC3339)))
	case at.Year() < 1970:
		return refuse(event.CodeTooOld, "is before 1970")
	case a.at.Sub(at) > late && !a.key.Has(keys.Backfill):
		return refuse(event.CodeTooOld, fmt.Sprintf("is %s before now (%s), at most %s are taken: send history with a server key that has the scope \"backfill\"",
			age(a.at.Sub(at)), a.at.Format(time.RFC3339), age(late)))
	}
	return nil
}

// age words a duration in the unit that people think of it in.
func age(d time.Duration) string {
	const day = 24 * time.Hour
	if d < 2*day {
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%.4g days", d.Hours()/24)
}

// checkPartner settles whose event it is, before the log: the partner is part of
// the primary key.
func (c *Collector) checkPartner(d *draft, a *arrival) *event.Problem {
	e := &d.event
	refuse := func(code event.Code, message string) *event.Problem {
		return &event.Problem{Code: code, Pointer: "/partner_id", Message: message}
	}
	switch {
	case e.Type.IsTenantWide() && e.PartnerID != "":
		return refuse(event.CodeSchema, fmt.Sprintf("must be absent: %s belongs to the whole tenant", e.Type))
	case e.Type.IsTenantWide():
		e.PartnerID = event.TenantWide
	case e.PartnerID == event.TenantWide:
		return refuse(event.CodeSchema, fmt.Sprintf("%q is reserved for what belongs to the whole tenant", event.TenantWide))
	case e.Type == event.PartnerUpserted:
		return describedPartner(e)
	case e.PartnerID == "":
		partner, ok := c.resolve(e, a)
		if !ok {
			return refuse(event.CodeUnresolvedPartner, "partner_id is required: nothing else in the event tells which partner it belongs to, and its user is not in the directory")
		}
		e.PartnerID = partner
	}
	return nil
}

// describedPartner takes the partner of partner.upserted from its data; the
// envelope may repeat it, not contradict it.
func describedPartner(e *event.Event) *event.Problem {
	var data struct {
		PartnerID any `json:"partner_id"`
	}
	if len(e.Data) > 0 {
		if err := json.Unmarshal(e.Data, &data); err != nil {
			return &event.Problem{Code: event.CodeSchema, Pointer: "/data", Message: "cannot be decoded: " + err.Error()}
		}
	}
	described, _ := data.PartnerID.(string)
	switch {
	case described == "" || !isName(described) || described == event.TenantWide:
		return nil // the schema says what is wrong with it
	case e.PartnerID != "" && e.PartnerID != described:
		return &event.Problem{Code: event.CodeSchema, Pointer: "/partner_id",
			Message: fmt.Sprintf("is %q, but data.partner_id is %q: an event describes one partner", e.PartnerID, described)}
	}
	e.PartnerID = described
	return nil
}

func checkActor(d *draft, _ *arrival) *event.Problem {
	if d.event.Actor() == "" && !d.event.Type.IsDirectory() {
		return &event.Problem{Code: event.CodeMissing, Pointer: "/user_id", Message: eventschema.MissingActor}
	}
	return nil
}

// checkData holds data to the type's schema. Without data, the fields that the
// type requires are what is missing.
func (c *Collector) checkData(d *draft, _ *arrival) *event.Problem {
	e := &d.event
	if !d.hasData {
		e.Data = jsontext.Value("{}")
	}
	problems := c.deps.Schemas.CheckData(e.Type, e.Data)
	if len(problems) == 0 {
		return nil
	}
	first := problems[0]
	for i, p := range problems[1:] {
		if i+1 == problemsShown {
			first.Message += fmt.Sprintf("; and %d more", len(problems)-problemsShown)
			break
		}
		first.Message += fmt.Sprintf("; also %s: %s", p.Pointer, p.Message)
	}
	return &first
}

// suggestion names the type that was probably meant.
func suggestion(t string) string {
	best, distance := event.Type(""), 4
	for _, known := range event.Types() {
		if n := editDistance(strings.ToLower(t), string(known)); n < distance {
			best, distance = known, n
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %s?", best)
}

// editDistance is Levenshtein's, in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
