// Package scoring keeps score models in the store and reads from it what the model
// needs of partners: the pure package score does the rest. Everything here is by
// tenant, model version and day, and nothing depends on the clock.
package scoring

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/score"
)

//go:embed sql/*.sql
var statements embed.FS

// query gives the text of sql/name.sql; a missing file is a programming error that
// the first test run shows.
func query(name string) string {
	b, err := statements.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err)
	}
	return string(b)
}

// Store is what this package needs of ClickHouse.
type Store interface {
	Select(ctx context.Context, dest any, query string, p chstore.Params) error
	InsertColumns(ctx context.Context, table string, cols []chstore.Column) error
}

var (
	// ErrNoModel says that a tenant has no model of that version.
	ErrNoModel = errors.New("score model is not stored")
	// ErrModelTaken says that the version exists with another content.
	ErrModelTaken = errors.New("score model version exists with another content: give the changed model a version of its own")
)

// storedModel is the row of a version that counts.
type storedModel struct {
	Version  string    `ch:"version"`
	Model    string    `ch:"content"`
	Checksum string    `ch:"sum"`
	Created  time.Time `ch:"created"`
}

// LoadModel reads a version, or says ErrNoModel.
func LoadModel(ctx context.Context, store Store, tenant, version string) (score.Model, error) {
	row, ok, err := readModel(ctx, store, tenant, version)
	switch {
	case err != nil:
		return score.Model{}, err
	case !ok:
		return score.Model{}, fmt.Errorf("%w: version %q of tenant %s (`partnerpulse model list` shows those that are; `partnerpulse model freeze` makes one)",
			ErrNoModel, version, tenant)
	}
	var m score.Model
	if err := json.Unmarshal([]byte(row.Model), &m); err != nil {
		return m, fmt.Errorf("decoding score model %q of tenant %s: %w", version, tenant, err)
	}
	if err := m.Validate(); err != nil {
		return m, fmt.Errorf("checking score model %q of tenant %s: %w", version, tenant, err)
	}
	return m, nil
}

// ModelInfo is one line of the list of a tenant's models.
type ModelInfo struct {
	Version string      `json:"version"`
	Created time.Time   `json:"created_at"`
	Model   score.Model `json:"model"`
}

// ListModels gives the tenant's models, the oldest first.
func ListModels(ctx context.Context, store Store, tenant string) ([]ModelInfo, error) {
	var rows []storedModel
	if err := store.Select(ctx, &rows, query("models"), chstore.Params{"tenant": tenant, "version": "", "all": uint8(1)}); err != nil {
		return nil, fmt.Errorf("reading score models: %w", err)
	}
	out := make([]ModelInfo, len(rows))
	for i, r := range rows {
		out[i] = ModelInfo{Version: r.Version, Created: r.Created.UTC()}
		if err := json.Unmarshal([]byte(r.Model), &out[i].Model); err != nil {
			return nil, fmt.Errorf("decoding score model %q: %w", r.Version, err)
		}
	}
	return out, nil
}

func readModel(ctx context.Context, store Store, tenant, version string) (storedModel, bool, error) {
	var rows []storedModel
	if err := store.Select(ctx, &rows, query("models"), chstore.Params{"tenant": tenant, "version": version, "all": uint8(0)}); err != nil {
		return storedModel{}, false, fmt.Errorf("reading score model %q: %w", version, err)
	}
	if len(rows) == 0 {
		return storedModel{}, false, nil
	}
	return rows[0], true, nil
}

// SaveModel stores m for a tenant, with its decay weights. Storing the same again
// changes nothing; another content under a version that exists is ErrModelTaken.
func SaveModel(ctx context.Context, store Store, tenant string, m *score.Model, now time.Time) error {
	content, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encoding score model: %w", err)
	}
	hash := sha256.Sum256(content)
	checksum := hex.EncodeToString(hash[:])
	if err := writeDecay(ctx, store, m); err != nil {
		return err
	}
	row, ok, err := readModel(ctx, store, tenant, m.Version)
	if err != nil {
		return err
	}
	if !ok {
		if err := store.InsertColumns(ctx, "score_models", modelColumns(tenant, m, string(content), checksum, now)); err != nil {
			return fmt.Errorf("storing score model: %w", err)
		}
		// Two may have found nothing at the same time: the first of them stays.
		if row, ok, err = readModel(ctx, store, tenant, m.Version); err != nil {
			return err
		}
	}
	if !ok || row.Checksum != checksum {
		return fmt.Errorf("%w: version %q of tenant %s", ErrModelTaken, m.Version, tenant)
	}
	return nil
}

func modelColumns(tenant string, m *score.Model, content, checksum string, now time.Time) []chstore.Column {
	n := m.Integers()
	segments := append([]string{""}, m.SegmentNames()...)
	bars, imputed := make([][]float64, score.Sentiment), make([][]int64, score.ComponentCount)
	for j := range score.ComponentCount {
		for _, s := range segments {
			if j < score.Sentiment {
				bars[j] = append(bars[j], m.Bar(s, j))
			}
			imputed[j] = append(imputed[j], m.ImputedValue(s, j))
		}
	}
	return []chstore.Column{
		{Name: "tenant", Values: []string{tenant}}, {Name: "version", Values: []string{m.Version}},
		{Name: "checksum", Values: []string{checksum}}, {Name: "model", Values: []string{content}},
		{Name: "half_lives", Values: []string{m.HalfLives()}}, {Name: "weights", Values: [][]int64{n.Weight[:]}},
		{Name: "segments", Values: [][]string{segments}}, {Name: "bars", Values: [][][]float64{bars}},
		{Name: "imputed", Values: [][][]int64{imputed}}, {Name: "compliance_share", Values: []int64{n.ComplianceShare}},
		{Name: "cadence", Values: []int64{n.Cadence}}, {Name: "nps_pseudo", Values: []int64{n.NPSPseudo}},
		{Name: "nps_prior", Values: []int64{n.NPSPrior}}, {Name: "coverage_min", Values: []int64{n.CoverageMin}},
		{Name: "created_at", Values: []time.Time{now.UTC()}},
	}
}

// writeDecay stores the model's decay weights; a repetition replaces equal rows.
func writeDecay(ctx context.Context, store Store, m *score.Model) error {
	var have []struct {
		Rows uint64 `ch:"rows"`
	}
	if err := store.Select(ctx, &have, query("decay_rows"), chstore.Params{"half_lives": m.HalfLives()}); err != nil {
		return fmt.Errorf("reading decay weights: %w", err)
	}
	decay := m.Decay()
	n := len(decay[score.Activity])
	if len(have) == 1 && have[0].Rows == uint64(n) {
		return nil
	}
	halfLives, ages := make([]string, n), make([]uint32, n)
	for age := range n {
		halfLives[age], ages[age] = m.HalfLives(), uint32(age)
	}
	cols := []chstore.Column{{Name: "half_lives", Values: halfLives}, {Name: "age", Values: ages}}
	for c, weights := range decay {
		cols = append(cols, chstore.Column{Name: score.Component(c).String(), Values: weights})
	}
	if err := store.InsertColumns(ctx, "score_decay", cols); err != nil {
		return fmt.Errorf("writing decay weights: %w", err)
	}
	return nil
}

// Params are the model's numbers as parameters of statements that score.
func Params(m *score.Model) chstore.Params {
	n := m.Integers()
	p := chstore.Params{
		"half_lives": m.HalfLives(), "weights": n.Weight[:], "compliance_share": n.ComplianceShare, "cadence": n.Cadence,
		"nps_pseudo": n.NPSPseudo, "nps_prior": n.NPSPrior, "coverage_min": n.CoverageMin,
		"steady": n.Steady, "strong": n.Strong, "margin": n.Margin,
	}
	// The first segment, empty, stands for all that are not listed.
	segments := append([]string{""}, m.SegmentNames()...)
	p["segments"] = segments
	for j := range score.ComponentCount {
		bars, imputed := make([]float64, len(segments)), make([]int64, len(segments))
		for i, s := range segments {
			bars[i], imputed[i] = m.Bar(s, j), m.ImputedValue(s, j)
		}
		p["imputed_"+j.String()] = imputed
		if j < score.Sentiment {
			p["bars_"+j.String()] = bars
		}
	}
	return p
}
