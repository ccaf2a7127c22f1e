package scoring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"partnerpulse/internal/backtest"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/event"
	"partnerpulse/internal/score"
	"partnerpulse/internal/session"
)

// Outcome is what a backtest holds the score to.
type Outcome string

// The outcomes, of the days after the score up to the horizon.
const (
	// Won: a deal was won.
	Won Outcome = "won"
	// Renewed: the partner was reported with the status renewed.
	Renewed Outcome = "renewed"
	// Churned: the partner was reported with a status of churnedStatuses, or was seen in
	// the portal in the horizon before the day and not in the one after it.
	Churned Outcome = "churned"
)

var churnedStatuses = []string{"churned", "terminated", "left", "inactive"} //nolint:gochecknoglobals // never changed

// BacktestConfig says what to test.
type BacktestConfig struct {
	ExplainConfig
	Outcome     Outcome
	HorizonDays int32
	// StepDays is from one day of scores to the next; 0: the horizon, so that no outcome
	// counts twice.
	StepDays int32
	// TrustEventTime takes events as known when they happened: for a history that was
	// imported at once. Else an event is known from when it was received.
	TrustEventTime bool
}

// BacktestReport is the result with how it came about.
type BacktestReport struct {
	Tenant       string  `json:"tenant"`
	ModelVersion string  `json:"model_version"`
	Outcome      Outcome `json:"outcome"`
	HorizonDays  int32   `json:"horizon_days"`
	// Known is what a score could rest on: "received_at" or "event_time".
	Known string   `json:"known_by"`
	Days  []string `json:"days"` // of the scores
	// LooksAhead tells that the model was frozen from data of some of these days or
	// later: its bars knew more than was known then.
	LooksAhead bool `json:"model_looks_ahead"`
	// Direction is "higher" when higher scores should mean the outcome, else "lower":
	// then AUC and deciles are of the negated score.
	Direction string `json:"direction"`
	backtest.Result
}

// historyDaysMin is how much history a score is given before it is tested.
const historyDaysMin = 28

// partnersPage bounds the events that are read at once.
const partnersPage = 100

// Backtest computes, for days one step apart, the score of every partner from what was
// known at the end of the day, and holds it to what happened within the horizon after.
func Backtest(ctx context.Context, store Store, cfg BacktestConfig) (*BacktestReport, error) {
	if cfg.HorizonDays < 1 || cfg.StepDays < 0 || !slices.Contains([]Outcome{Won, Renewed, Churned}, cfg.Outcome) {
		return nil, fmt.Errorf("backtesting %q over %d days: need won, renewed or churned and at least a day", cfg.Outcome, cfg.HorizonDays)
	}
	if cfg.StepDays == 0 {
		cfg.StepDays = cfg.HorizonDays
	}
	model, err := LoadModel(ctx, store, cfg.Tenant, cfg.Version)
	if err != nil {
		return nil, err
	}
	b := &backtesting{cfg: cfg, store: store, counting: counting{loc: cfg.Location, stages: cfg.DealStages, max: model.CountedEventsMax()}}
	if b.calc, err = score.NewCalculator(model); err != nil {
		return nil, err
	}
	if err := b.prepare(ctx); err != nil {
		return nil, err
	}
	for after, more := "", true; more; {
		if after, more, err = b.page(ctx, after); err != nil {
			return nil, err
		}
	}
	report := &BacktestReport{
		Tenant: cfg.Tenant, ModelVersion: cfg.Version, Outcome: cfg.Outcome, HorizonDays: cfg.HorizonDays,
		Known: "received_at", Direction: "higher",
	}
	if cfg.TrustEventTime {
		report.Known = "event_time"
	}
	if cfg.Outcome == Churned {
		report.Direction = "lower"
	}
	for _, d := range b.days {
		report.Days = append(report.Days, dateText(d.day))
		report.LooksAhead = report.LooksAhead || model.FrozenAsOf != "" && dateText(d.day) <= model.FrozenAsOf
	}
	if report.Result, err = backtest.Evaluate(b.observations); err != nil {
		hint := ""
		if !cfg.TrustEventTime {
			hint = "; a history that was imported at once was not known on its days: say that its times can be trusted"
		}
		return nil, fmt.Errorf("%d scores, %d with the outcome %s: %w%s", report.Observations, report.Outcomes, cfg.Outcome, err, hint)
	}
	return report, nil
}

// testDay is a day of scores with what the tenant was known to send then.
type testDay struct {
	day   int32
	until time.Time // its end
	feeds score.Feeds
}

type backtesting struct {
	cfg          BacktestConfig
	store        Store
	counting     counting
	calc         *score.Calculator
	days         []testDay
	observations []backtest.Observation
}

// known is a row of backtest_events.sql.
type known struct {
	Partner string `ch:"partner"`
	partnerEvent
	Received time.Time `ch:"received"`
	Cadence  int64     `ch:"cadence"`
	Segment  string    `ch:"segment"`
	Status   string    `ch:"status"`
}

// prepare finds the days: enough history before, the whole horizon after.
func (b *backtesting) prepare(ctx context.Context) error {
	var spans []struct {
		First int32 `ch:"first"`
		Last  int32 `ch:"last"`
	}
	p := chstore.Params{"tenant": b.cfg.Tenant, "tz": b.cfg.Location.String()}
	if err := b.store.Select(ctx, &spans, query("backtest_span"), p); err != nil {
		return fmt.Errorf("reading the history's span: %w", err)
	}
	if len(spans) != 1 || spans[0].Last-b.cfg.HorizonDays < spans[0].First+historyDaysMin {
		return fmt.Errorf("the tenant's history is too short: it must be longer than the horizon of %d days and %d days before", b.cfg.HorizonDays, historyDaysMin)
	}
	for day := spans[0].Last - b.cfg.HorizonDays; day >= spans[0].First+historyDaysMin; day -= b.cfg.StepDays {
		y, m, d := time.Unix(int64(day)*86400, 0).UTC().Date()
		t := testDay{day: day, until: time.Date(y, m, d+1, 0, 0, 0, 0, b.cfg.Location)}
		p["until"], p["trust"], p["interactive"] = t.until.UTC().Format("2006-01-02 15:04:05.000"), uint8(boolInt(b.cfg.TrustEventTime)), interactiveTypes()
		var rows []struct {
			Days []int32 `ch:"days"`
		}
		if err := b.store.Select(ctx, &rows, query("backtest_feeds"), p); err != nil {
			return fmt.Errorf("reading feeds: %w", err)
		}
		if len(rows) != 1 || len(rows[0].Days) != int(score.ComponentCount) {
			return errors.New("reading feeds: unexpected answer")
		}
		for i, first := range rows[0].Days {
			t.feeds[i] = first
			if first == 0 {
				t.feeds[i] = score.NoFeed
			}
		}
		b.days = append(b.days, t)
	}
	slices.Reverse(b.days)
	return nil
}

// page observes the next partners.
func (b *backtesting) page(ctx context.Context, after string) (last string, more bool, err error) {
	var rows []known
	p := chstore.Params{"tenant": b.cfg.Tenant, "after": after, "page": uint64(partnersPage), "types": outcomeTypes()}
	if err := b.store.Select(ctx, &rows, query("backtest_events"), p); err != nil {
		return "", false, fmt.Errorf("reading events: %w", err)
	}
	last = after
	for len(rows) > 0 {
		n := slices.IndexFunc(rows, func(k known) bool { return k.Partner != rows[0].Partner })
		if n < 0 {
			n = len(rows)
		}
		b.observe(rows[:n])
		last = rows[0].Partner
		rows = rows[n:]
	}
	return last, last != after, nil
}

// observe adds one partner's observations.
func (b *backtesting) observe(events []known) {
	for _, d := range b.days {
		at, ok := b.scoreAt(events, d)
		if !ok {
			continue
		}
		outcome, counts := b.outcome(events, d.day)
		if !counts {
			continue
		}
		if b.cfg.Outcome == Churned {
			at = -at
		}
		b.observations = append(b.observations, backtest.Observation{Partner: events[0].Partner, Day: d.day, Score: at, Outcome: outcome})
	}
}

// scoreAt is the score by what was known at the end of the day; false: there was none.
func (b *backtesting) scoreAt(events []known, d testDay) (float64, bool) {
	inputs := make(map[int32]*score.Day)
	on := func(day int32) *score.Day {
		if inputs[day] == nil {
			inputs[day] = &score.Day{Day: day}
		}
		return inputs[day]
	}
	var counted []partnerEvent
	for i := range events { // in the order of time, so the last word of a day stays
		e := &events[i]
		if !e.At.Before(d.until) || !b.cfg.TrustEventTime && !e.Received.Before(d.until) {
			continue
		}
		day := session.LocalDay(e.At, b.cfg.Location)
		switch event.Type(e.Kind) {
		case event.CommitmentSet:
			on(day).Cadence = e.Cadence
		case event.PartnerUpserted:
			if in := on(day); e.Segment != "" {
				in.Segment = e.Segment
			}
		default:
			on(day)
			counted = append(counted, e.partnerEvent)
		}
	}
	if len(inputs) == 0 {
		return 0, false
	}
	for _, c := range b.counting.counted(counted) {
		in := on(c.Day)
		if c.Component < score.Sentiment {
			in.Values[c.Component] += c.Value
		}
		in.Completions += boolInt(c.Completion)
		in.Responses += boolInt(c.Response)
		in.Promoters += boolInt(c.Net > 0)
		in.Detractors += boolInt(c.Net < 0)
	}
	days := make([]score.Day, 0, len(inputs))
	for _, in := range inputs {
		days = append(days, *in)
	}
	row := b.calc.Rows(days, d.feeds, d.day, d.day, score.Row{Score: score.NoScore})[0]
	return float64(row.Score) / score.InputUnit, row.Score != score.NoScore
}

// outcome is what happened in the horizon after a day; counts is false where it is no
// question.
func (b *backtesting) outcome(events []known, day int32) (outcome, counts bool) {
	seenBefore, seenAfter, left := false, false, false
	for i := range events {
		e := &events[i]
		at := session.LocalDay(e.At, b.cfg.Location) - day
		within := at > 0 && at <= b.cfg.HorizonDays
		switch typ := event.Type(e.Kind); {
		case typ.IsInteractive():
			seenAfter = seenAfter || within
			seenBefore = seenBefore || at <= 0 && at > -b.cfg.HorizonDays
		case within && typ == event.DealWon && b.cfg.Outcome == Won, within && e.Status == "renewed" && b.cfg.Outcome == Renewed:
			return true, true
		case within && slices.Contains(churnedStatuses, e.Status):
			left = true
		}
	}
	if b.cfg.Outcome == Churned {
		return left || !seenAfter, seenBefore
	}
	return false, true
}

func boolInt(v bool) int64 {
	if v {
		return 1
	}
	return 0
}

func interactiveTypes() []string {
	var out []string
	for _, t := range event.Types() {
		if t.IsInteractive() {
			out = append(out, string(t))
		}
	}
	return out
}

// outcomeTypes are all that count in a score or make it known that a partner is there.
func outcomeTypes() []string {
	var out []string
	for _, t := range event.Types() {
		if !t.IsDirectory() {
			out = append(out, string(t))
		}
	}
	return out
}
