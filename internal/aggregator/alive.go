package aggregator

import (
	"context"
	"fmt"
	"math"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/detect"
)

// alivePartnersMax bounds the partners behind a fit of P(alive): four parameters need
// no more.
const alivePartnersMax = 2000

// aliveModels are the fits of P(alive) by the first day of the month that they are for.
type aliveModels map[int32]detect.BGNBD

// forget drops the fits that days from day on went into.
func (m aliveModels) forget(day int32) {
	for month := range m {
		if day < month {
			delete(m, month)
		}
	}
}

// visits is a row of alive_sample.sql and alive_visits.sql.
type visits struct {
	Repeat   uint32 `ch:"repeat"`
	LastSeen int32  `ch:"last_seen"`
	Watched  int32  `ch:"watched"`
}

func (v visits) summary() detect.Visits {
	return detect.Visits{Repeat: int(v.Repeat), LastSeen: float64(v.LastSeen), Watched: float64(v.Watched)}
}

// aliveModel gives the fit for a month: of what was known before its first day, so
// that an alert says the same whenever it is composed.
func (a *Aggregator) aliveModel(ctx context.Context, t *tenant, p chstore.Params, month int32) (detect.BGNBD, error) {
	if m, ok := t.alive[month]; ok {
		return m, nil
	}
	var rows []visits
	q := with(p, chstore.Params{"to": date(month), "partners_max": uint64(alivePartnersMax)})
	if err := a.deps.Store.Select(ctx, &rows, query("alive_sample"), q); err != nil {
		return detect.BGNBD{}, fmt.Errorf("reading visiting days: %w", err)
	}
	sample := make([]detect.Visits, len(rows))
	for i, r := range rows {
		sample[i] = r.summary()
	}
	m, err := detect.FitBGNBD(sample)
	if err != nil {
		return detect.BGNBD{}, err
	}
	if t.alive == nil || len(t.alive) > 3 { // alerts that are told are a few days old at most
		t.alive = make(aliveModels)
	}
	t.alive[month] = m
	return m, nil
}

// lookUpAlive adds P(alive) to what is said of a drop or of ghosting. It explains; no
// rule reads it.
func (a *Aggregator) lookUpAlive(ctx context.Context, t *tenant, p chstore.Params, asked []*alertRecord) error {
	var partners []string
	var upTo []int32
	for _, r := range asked {
		if explainsAlive(r.Rule) {
			partners, upTo = append(partners, r.Partner), append(upTo, int32(r.Day))
		}
	}
	if len(partners) == 0 {
		return nil
	}
	var rows []struct {
		Partner string `ch:"partner_id"`
		UpTo    int32  `ch:"up_to"`
		visits
	}
	q := with(p, chstore.Params{"partners": partners, "days": upTo})
	if err := a.deps.Store.Select(ctx, &rows, query("alive_visits"), q); err != nil {
		return fmt.Errorf("reading visiting days of alerts: %w", err)
	}
	type key struct {
		partner string
		upTo    int32
	}
	seen := make(map[key]visits, len(rows))
	for _, r := range rows {
		seen[key{r.Partner, r.UpTo}] = r.visits
	}
	for _, r := range asked {
		v, ok := seen[key{r.Partner, int32(r.Day)}]
		if !ok || !explainsAlive(r.Rule) {
			continue
		}
		m, err := a.aliveModel(ctx, t, p, int32(r.Day)-int32(r.Day.Time().Day())+1)
		if err != nil {
			return err
		}
		s := v.summary()
		alive := math.Round(m.Alive(s.Repeat, s.LastSeen, s.Watched)*1e4) / 1e4
		r.data.PAlive = &alive
	}
	return nil
}

func explainsAlive(rule detect.Rule) bool {
	return rule == detect.RuleDrop || rule == detect.RuleGhosting
}
