package aggregator

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"partnerpulse/internal/chstore"
)

// timedStore tells how long each statement takes, by the name of its file.
type timedStore struct {
	Store
	seconds *prometheus.HistogramVec
	names   map[string]string // by text
}

// newTimedStore knows the statements of this package.
func newTimedStore(store Store, seconds *prometheus.HistogramVec) (*timedStore, error) {
	s := &timedStore{Store: store, seconds: seconds, names: make(map[string]string)}
	files, err := statements.ReadDir("sql")
	if err != nil {
		return nil, err //nolint:wrapcheck // the embedded directory is there
	}
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), ".sql"); ok {
			s.names[query(name)] = name
		}
	}
	for _, form := range scoreForms() {
		text, err := form.statement()
		if err != nil {
			return nil, err
		}
		s.names[text] = "scores_days"
		if form.Single {
			s.names[text] = "scores_day"
		}
	}
	return s, nil
}

// name of a statement: its file, or what it does to which table; the tables are few.
func (s *timedStore) name(query string) string {
	if name, ok := s.names[query]; ok {
		return name
	}
	text := query
	for strings.HasPrefix(text, "--") {
		_, text, _ = strings.Cut(text, "\n")
	}
	switch words := strings.Fields(text[:min(len(text), 200)]); {
	case len(words) > 2 && words[0] == "INSERT":
		return "rollup_" + words[2]
	case len(words) > 2 && words[0] == "ALTER":
		return "drop_" + words[2]
	}
	return "other"
}

func (s *timedStore) observe(name string, begin time.Time) {
	s.seconds.WithLabelValues(name).Observe(time.Since(begin).Seconds())
}

// Exec runs a statement.
func (s *timedStore) Exec(ctx context.Context, query string, p chstore.Params) error {
	defer s.observe(s.name(query), time.Now())
	return s.Store.Exec(ctx, query, p) //nolint:wrapcheck // this adds nothing
}

// Select reads rows.
func (s *timedStore) Select(ctx context.Context, dest any, query string, p chstore.Params) error {
	defer s.observe(s.name(query), time.Now())
	return s.Store.Select(ctx, dest, query, p) //nolint:wrapcheck // this adds nothing
}

// InsertColumns writes rows.
func (s *timedStore) InsertColumns(ctx context.Context, table string, cols []chstore.Column) error {
	defer s.observe("insert_"+table, time.Now())
	return s.Store.InsertColumns(ctx, table, cols) //nolint:wrapcheck // this adds nothing
}
