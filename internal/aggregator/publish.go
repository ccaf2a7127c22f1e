package aggregator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/alert"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/detect"
	"partnerpulse/internal/event"
	"partnerpulse/internal/fault"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/score"
)

// latestScore is one row of latest_scores.sql. Decimals come as text.
type latestScore struct {
	Partner   string   `ch:"partner_id"`
	First     int32    `ch:"first"`     // where the history begins
	Through   int32    `ch:"through"`   // scored through
	Detected  int32    `ch:"detected"`  // detected through, before this batch
	Published string   `ch:"published"` // hash of what was published last
	Present   uint8    `ch:"present"`   // 1: there is a score row
	AsOf      int32    `ch:"as_of"`
	Score     string   `ch:"score"` // empty: null
	Tier      string   `ch:"tier"`
	Coverage  string   `ch:"coverage"`
	SubScores []string `ch:"sub_scores"`
	Points    []string `ch:"points"`
	Imputed   []uint8  `ch:"imputed"`
}

// publishScores publishes the scores that changed and records how far the batch's
// partners have come.
func (a *Aggregator) publishScores(ctx context.Context, t *tenant, p chstore.Params, h horizon, work *Work) error {
	var rows []latestScore
	if err := a.deps.Store.Select(ctx, &rows, query("latest_scores"), p); err != nil {
		return fmt.Errorf("reading latest scores: %w", err)
	}
	var msgs []kafkabus.Message
	for i := range rows {
		r := &rows[i]
		if r.Present == 0 {
			continue
		}
		value, hash, err := r.message(t, t.model.Version)
		if err != nil {
			return fmt.Errorf("composing score of %s: %w", r.Partner, err)
		}
		if hash != r.Published {
			r.Published = hash
			msgs = append(msgs, kafkabus.Message{
				Topic: kafkabus.TopicScores, Key: []byte(event.Key(t.id, r.Partner)), Value: value,
			})
		}
	}
	if len(msgs) > 0 {
		if err := a.publish(ctx, msgs); err != nil {
			return fmt.Errorf("publishing scores: %w", err)
		}
	}
	fault.Point(fault.AggregatorPublished)
	work.Scores += len(msgs)
	if err := a.deps.Store.InsertColumns(ctx, "partner_progress", a.progress(t, rows, h, p["batch"].(uint64))); err != nil {
		return fmt.Errorf("recording progress: %w", err)
	}
	fault.Point(fault.AggregatorProgress)
	return nil
}

// message gives the value to publish and a hash of everything in it but as_of: a
// score that stays the same on the next day is no news.
func (r *latestScore) message(t *tenant, model string) (value []byte, hash string, err error) {
	m := scoreMessage{
		Tenant: t.id, PartnerID: r.Partner, ModelVersion: model,
		Coverage: jsontext.Value(r.Coverage), Components: make(map[string]scoreComponent, score.ComponentCount),
	}
	if r.Score != "" {
		m.Score, m.Tier = jsontext.Value(r.Score), &r.Tier
	}
	for c := range score.ComponentCount {
		m.Components[c.String()] = scoreComponent{
			Score: jsontext.Value(r.SubScores[c]), Points: jsontext.Value(r.Points[c]), Imputed: r.Imputed[c] == 1,
		}
	}
	b, err := json.Marshal(&m, json.Deterministic(true))
	if err != nil {
		return nil, "", fmt.Errorf("encoding: %w", err)
	}
	sum := sha256.Sum256(b)
	m.AsOf = date(r.AsOf)
	if b, err = json.Marshal(&m, json.Deterministic(true)); err != nil {
		return nil, "", fmt.Errorf("encoding: %w", err)
	}
	hash = hex.EncodeToString(sum[:8])
	id := alert.ID("score", t.id, r.Partner, m.AsOf, hash)
	value, err = marshalEvent(t, id, typeScore, r.Partner, t.endOf(detect.Day(r.AsOf)), b)
	return value, hash, err
}

// progress are the rows of partner_progress for the batch.
func (a *Aggregator) progress(t *tenant, rows []latestScore, h horizon, batch uint64) []chstore.Column {
	n := len(rows)
	tenants, models, partners, published := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	first, scored, detected := make([]time.Time, n), make([]time.Time, n), make([]time.Time, n)
	feeds := make([][]time.Time, n)
	ver := make([]uint64, n)
	known := make([]time.Time, score.ComponentCount)
	for i, day := range h.feeds {
		known[i] = midnight(day)
	}
	for i, r := range rows {
		tenants[i], models[i], partners[i], published[i] = t.id, t.model.Version, r.Partner, r.Published
		first[i], scored[i], detected[i] = midnight(r.First), midnight(r.Through), midnight(max(r.Detected, h.complete))
		feeds[i], ver[i] = known, batch
	}
	return []chstore.Column{
		{Name: "tenant", Values: tenants}, {Name: "model_version", Values: models}, {Name: "partner_id", Values: partners},
		{Name: "scored_through", Values: scored}, {Name: "detected_through", Values: detected},
		{Name: "feeds", Values: feeds}, {Name: "published", Values: published}, {Name: "first_day", Values: first}, {Name: "ver", Values: ver},
	}
}
