package aggregator

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"partnerpulse/internal/alert"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/detect"
	"partnerpulse/internal/event"
	"partnerpulse/internal/score"
)

// alertRecord is a transition on its way to the topics and into the alerts table.
type alertRecord struct {
	alert.Entry
	data    alertData
	found   bool // made by a rule now, so that scores, owner and evidence are looked up
	at      time.Time
	message []byte // empty when historical
}

// compose writes the messages of the entries. One that a rule made gets its numbers
// from there; any other goes on from what was said of its alert before.
func (a *Aggregator) compose(ctx context.Context, t *tenant, p chstore.Params, n *telling) ([]alertRecord, error) {
	records, err := draft(t, n, a.cfg.Model.Version)
	if err != nil {
		return nil, err
	}
	if err := a.lookUp(ctx, t, p, records); err != nil {
		return nil, err
	}
	said := make(map[string]*alertData) // by alert, of this round
	for i := range records {
		r := &records[i]
		if before := said[r.Alert]; before != nil && !r.found {
			r.carry(before)
		}
		said[r.Alert] = &r.data
		r.finish()
		if r.Historical {
			continue
		}
		if r.message, err = r.cloudEvent(t); err != nil {
			return nil, fmt.Errorf("composing alert %s: %w", r.Transition, err)
		}
	}
	return records, nil
}

// draft gives the records with what is known without the store.
func draft(t *tenant, n *telling, modelVersion string) ([]alertRecord, error) {
	found := make(map[string]*finding, len(n.findings))
	for i := range n.findings {
		f := &n.findings[i]
		found[transitionKey(f.Fingerprint, f.Firing, f.Status)] = f
	}
	commands := make(map[string]*command, len(n.commands))
	for i := range n.commands {
		commands[n.commands[i].ID] = &n.commands[i]
	}
	latest := make(map[string]*knownAlert, len(n.known))
	for i := range n.known {
		latest[n.known[i].Alert] = &n.known[i]
	}
	records := make([]alertRecord, len(n.entries))
	book := newBook(n.known) // replayed, so that each entry sees the inhibitors of its time
	for i, e := range n.entries {
		r := alertRecord{Entry: e, at: t.endOf(e.Day)}
		book.Record(e)
		if f := found[transitionKey(e.Fingerprint, e.Firing, e.Status)]; f != nil && e.Reason != alert.Reinstated {
			r.data, r.found = f.data, true
		} else if k := latest[e.Alert]; k != nil {
			data, err := k.data()
			if err != nil {
				return nil, err
			}
			r.data = data
		}
		r.data.Command = nil
		if c := commands[e.Command]; e.Command != "" && c != nil {
			r.data.Command, r.at = &commandData{ID: c.ID, Actor: c.Actor, Note: c.Note}, c.Issued
		}
		if e.Reason == alert.SnoozeEnded {
			r.at = t.endOf(latest[e.Alert].until() - 1)
		}
		r.data.ModelVersion = cmp.Or(r.data.ModelVersion, modelVersion)
		r.data.InhibitedBy = nonNil(book.Inhibitors(e.Rule, e.Partner))
		records[i] = r
	}
	return records, nil
}

func transitionKey(fingerprint string, firing detect.Day, status detect.Status) string {
	return fingerprint + firing.String() + string(status)
}

func (k *knownAlert) until() detect.Day {
	if k == nil {
		return 1
	}
	return max(1, detect.Day(k.Until))
}

func nonNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// carry goes on from what was said of the same alert a moment before.
func (r *alertRecord) carry(before *alertData) {
	mine := r.data
	r.data = *before
	r.data.Command, r.data.InhibitedBy = mine.Command, mine.InhibitedBy
}

// finish fills in what follows from the entry.
func (r *alertRecord) finish() {
	d := &r.data
	d.AlertID, d.Fingerprint, d.Rule, d.Status, d.Reason = r.Alert, r.Fingerprint, r.Rule, r.Status, r.Reason
	d.StartsAt, d.DetectedAt, d.Sequence = r.Firing, r.Firing, r.Sequence
	d.ResolvedAt, d.SnoozedUntil = nil, nil
	if !r.Open() {
		day := r.Day
		d.ResolvedAt = &day
	}
	if r.Status == alert.Snoozed {
		until := r.Until
		d.SnoozedUntil = &until
	}
	if d.Components == nil {
		d.Components = []contribution{}
	}
	d.SuggestedAction = suggestedAction(r.Rule, r.Status, r.Reason)
	d.Evidence.Days = nil
	for day := max(d.ChangeAt, r.Day-evidenceDaysMax+1); day <= r.Day; day++ {
		d.Evidence.Days = append(d.Evidence.Days, day)
	}
	if d.Evidence.EventIDs == nil {
		d.Evidence.EventIDs = []string{}
	}
	if d.Evidence.Days == nil {
		d.Evidence.Days = []detect.Day{r.Day}
	}
}

// cloudEvent wraps the alert for its topic. Its time follows from what made the
// transition, so that a repetition is the same to the byte.
func (r *alertRecord) cloudEvent(t *tenant) ([]byte, error) {
	if r.Firing == detect.NoDay {
		return nil, errIncomplete
	}
	data, err := marshalData(&r.data)
	if err != nil {
		return nil, err
	}
	_, kind := topicOf(r.Rule)
	return marshalEvent(t, r.Transition, kind, r.Subject, r.at, data)
}

// scoreAt is a score on a day.
type scoreAt struct {
	Partner string  `ch:"partner_id"`
	Day     int32   `ch:"day"`
	Score   int64   `ch:"score"` // millionths, score.NoScore
	Points  []int64 `ch:"points"`
}

// lookUp adds what the store knows of the partners of new findings: the scores
// before the change and on the day, P(alive), the owner, and the newest events.
func (a *Aggregator) lookUp(ctx context.Context, t *tenant, p chstore.Params, records []alertRecord) error {
	var asked []*alertRecord
	for i := range records {
		if r := &records[i]; r.found && !r.Historical && r.Partner != event.TenantWide {
			asked = append(asked, r)
		}
	}
	for piece := range chstore.Pieces(asked, func(r *alertRecord) string { return r.Partner }) {
		if err := a.lookUpScores(ctx, p, piece); err != nil {
			return err
		}
		if err := a.lookUpAlive(ctx, t, p, piece); err != nil {
			return err
		}
		if err := a.lookUpOwners(ctx, p, piece); err != nil {
			return err
		}
		if err := a.lookUpEvents(ctx, p, piece); err != nil {
			return err
		}
	}
	return nil
}

func (a *Aggregator) lookUpOwners(ctx context.Context, p chstore.Params, asked []*alertRecord) error {
	var owners []struct {
		Partner string `ch:"partner_id"`
		Owner   string `ch:"owner"`
	}
	if err := a.deps.Store.Select(ctx, &owners, query("alert_owners"), with(p, chstore.Params{"partners": partnersOf(asked)})); err != nil {
		return fmt.Errorf("reading owners: %w", err)
	}
	owner := make(map[string]string, len(owners))
	for _, o := range owners {
		owner[o.Partner] = o.Owner
	}
	for _, r := range asked {
		r.data.Owner = owner[r.Partner]
	}
	return nil
}

func (a *Aggregator) lookUpEvents(ctx context.Context, p chstore.Params, asked []*alertRecord) error {
	type week struct {
		Partner string `ch:"partner_id"`
		Change  int32  `ch:"change"`
		UpTo    int32  `ch:"up_to"`
	}
	var rows []struct {
		week
		ID string `ch:"event_id"`
	}
	change, upTo := make([]int32, len(asked)), make([]int32, len(asked))
	for i, r := range asked {
		change[i], upTo[i] = int32(r.data.ChangeAt), int32(r.Day)
	}
	q := with(p, chstore.Params{"partners": partnersOf(asked), "changes": change, "days": upTo, "events_max": uint64(evidenceEventsMax)})
	if err := a.deps.Store.Select(ctx, &rows, query("alert_events"), q); err != nil {
		return fmt.Errorf("reading evidence: %w", err)
	}
	events := make(map[week][]string)
	for _, e := range rows {
		events[e.week] = append(events[e.week], e.ID)
	}
	for i, r := range asked {
		r.data.Evidence.EventIDs = events[week{r.Partner, change[i], upTo[i]}]
	}
	return nil
}

func partnersOf(records []*alertRecord) []string {
	out := make([]string, len(records))
	for i, r := range records {
		out[i] = r.Partner
	}
	return out
}

func (a *Aggregator) lookUpScores(ctx context.Context, p chstore.Params, asked []*alertRecord) error {
	var rows []scoreAt
	partners, before, upTo := partnersOf(asked), make([]int32, len(asked)), make([]int32, len(asked))
	for i, r := range asked {
		before[i], upTo[i] = int32(r.data.ChangeAt)-1, int32(r.Day)
	}
	q := with(p, chstore.Params{"partners": slices.Concat(partners, partners), "days": slices.Concat(before, upTo)})
	if err := a.deps.Store.Select(ctx, &rows, query("alert_scores"), q); err != nil {
		return fmt.Errorf("reading scores of alerts: %w", err)
	}
	type key struct {
		partner string
		day     int32
	}
	scores := make(map[key]scoreAt, len(rows))
	for _, r := range rows {
		scores[key{r.Partner, r.Day}] = r
	}
	for _, r := range asked {
		then, hasThen := scores[key{r.Partner, int32(r.data.ChangeAt) - 1}]
		now, hasNow := scores[key{r.Partner, int32(r.Day)}]
		if hasThen && then.Score != score.NoScore {
			r.data.ScoreBefore = points(then.Score)
		}
		if hasNow && now.Score != score.NoScore {
			r.data.ScoreAfter = points(now.Score)
		}
		if hasThen && hasNow {
			r.data.Components = contributions(then.Points, now.Points)
		}
	}
	return nil
}

// contributions are the changes of the components' points, largest loss first.
func contributions(before, after []int64) []contribution {
	out := []contribution{}
	for i := range min(len(before), len(after)) {
		if change := after[i] - before[i]; change != 0 {
			out = append(out, contribution{score.Component(i).String(), points(change), change})
		}
	}
	slices.SortStableFunc(out, func(x, y contribution) int { return cmp.Compare(x.change, y.change) })
	return out
}
