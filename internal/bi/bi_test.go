package bi_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/shopspring/decimal"
	"go.uber.org/zap"

	"partnerpulse/internal/aggregator"
	"partnerpulse/internal/bi"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/config"
	"partnerpulse/internal/embedded/enginetest"
	"partnerpulse/internal/enrich"
	"partnerpulse/internal/event"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/schemas"
)

func TestMain(m *testing.M) { os.Exit(enginetest.Main(m)) }

// open gives a migrated store of the test's own and the name of its database for BI.
func open(t *testing.T) (*chstore.Store, string) {
	t.Helper()
	cfg := chstore.DefaultConfig()
	cfg.Addr = config.List{"http://" + enginetest.ClickHouse(t)}
	cfg.Database = fmt.Sprintf("bi_%d", time.Now().UnixNano())
	store, err := chstore.Open(cfg, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	migrations, err := chstore.Migrations(schemas.ClickHouse, "clickhouse")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Migrate(t.Context(), migrations); err != nil {
		t.Fatal(err)
	}
	return store, cfg.BIName()
}

// TestDataPageIsCurrent: docs/DATA.md is what the views and queries say now.
// UPDATE_DOCS=1 writes it.
func TestDataPageIsCurrent(t *testing.T) {
	store, database := open(t)
	var page bytes.Buffer
	if err := bi.Write(t.Context(), &page, store, database); err != nil {
		t.Fatal(err)
	}
	const path = "../../docs/DATA.md"
	if os.Getenv("UPDATE_DOCS") != "" {
		if err := os.WriteFile(path, page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(have), page.String()); diff != "" {
		t.Errorf("docs/DATA.md is out of date: run the test with UPDATE_DOCS=1 (-have +want)\n%s", diff)
	}
	for _, line := range strings.Split(page.String(), "\n") {
		if strings.HasSuffix(line, "|  |") || line == "." {
			t.Errorf("no comment: %s", line)
		}
	}
}

// today is the day that the fixture's figures are of.
const today = "2026-03-31"

// TestKPIs runs every query of DATA.md on testdata/events.txt and holds it to the
// figures of testdata/kpis.txt, which were worked out by hand.
func TestKPIs(t *testing.T) {
	store, database := open(t)
	load(t, store)
	want := expected(t)
	kpis, err := bi.KPIs()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kpis {
		t.Run(k.Name, func(t *testing.T) {
			query := strings.ReplaceAll(strings.ReplaceAll(k.SQL, "today()", "toDate('"+today+"')"), "bi.", database+".")
			got := rows(t, store, query)
			if k.Name == "engagement_score" {
				checkScores(t, store, database, got)
				return
			}
			if k.Name == "score_change" {
				checkChanges(t, store, database, got)
				return
			}
			if want[k.Name] == nil {
				t.Fatal("testdata/kpis.txt has no figures for it")
			}
			if diff := cmp.Diff(want[k.Name], got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// checkScores: every partner of the fixture has a score of the day, which is the sum of
// its points; how a score comes about is tested where it is made.
func checkScores(t *testing.T, store *chstore.Store, database string, got []string) {
	t.Helper()
	sums := make(map[string]string)
	for _, r := range rows(t, store, "SELECT partner_id, points_activity + points_content + points_training + points_pipeline + points_sentiment FROM "+
		database+".partner_scores WHERE as_of = '"+today+"'") {
		partner, sum, _ := strings.Cut(r, "|")
		sums[partner] = sum
	}
	if len(got) != 63 || len(sums) != 63 {
		t.Fatalf("%d partners and %d scores, want 63", len(got), len(sums))
	}
	for _, r := range got {
		f := strings.Split(r, "|")
		if sums[f[1]] != f[5] || f[4] != today {
			t.Errorf("%s: the points sum to %s", r, sums[f[1]])
		}
	}
	if !slices.ContainsFunc(got, func(r string) bool { return strings.HasPrefix(r, "demo|p-a|olga|gold|"+today) }) {
		t.Errorf("p-a is not there: %v", got)
	}
}

// checkChanges: every partner with a score on the day and seven days before is told, each
// component's change is the sum of its three parts, and points and changes sum to the
// score and to its change.
func checkChanges(t *testing.T, store *chstore.Store, database string, got []string) {
	t.Helper()
	number := func(text string) decimal.Decimal {
		d, err := decimal.NewFromString(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	points, changes, parts := map[string]decimal.Decimal{}, map[string]decimal.Decimal{}, map[string]int{}
	for _, r := range got {
		f := strings.Split(r, "|")
		partner := f[1]
		if sum := number(f[6]).Add(number(f[7])).Add(number(f[8])); !sum.Equal(number(f[5])) || f[2] != today {
			t.Errorf("%s: the parts sum to %s", r, sum)
		}
		points[partner], changes[partner] = points[partner].Add(number(f[4])), changes[partner].Add(number(f[5]))
		parts[partner]++
	}
	stored := rows(t, store, `SELECT now.partner_id, now.score, now.score - before.score FROM `+database+`.partner_scores AS now
		INNER JOIN `+database+`.partner_scores AS before ON before.partner_id = now.partner_id
		WHERE now.as_of = '`+today+`' AND before.as_of = toDate('`+today+`') - 7 AND now.score IS NOT NULL AND before.score IS NOT NULL`)
	if len(stored) != 63 || len(parts) != len(stored) {
		t.Fatalf("%d partners have two scores, %d are told of", len(stored), len(parts))
	}
	for _, r := range stored {
		f := strings.Split(r, "|")
		if parts[f[0]] != 5 || !points[f[0]].Equal(number(f[1])) || !changes[f[0]].Equal(number(f[2])) {
			t.Errorf("%s: %d components, points %s, change %s", r, parts[f[0]], points[f[0]], changes[f[0]])
		}
	}
}

// rows gives a query's rows as text, columns between bars, decimals without zeros at the end.
func rows(t *testing.T, store *chstore.Store, query string) []string {
	t.Helper()
	var out []struct {
		Row string `ch:"row"`
	}
	wrapped := "SELECT arrayStringConcat(splitByChar('\\t', trimRight(formatRow('TSV', *), '\\n')), '|') AS row FROM (" + query + ")"
	if err := store.Select(t.Context(), &out, wrapped, nil); err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	lines := make([]string, len(out))
	for i, r := range out {
		fields := strings.Split(r.Row, "|")
		for j, f := range fields {
			if d, err := decimal.NewFromString(f); err == nil {
				fields[j] = d.String()
			}
		}
		lines[i] = strings.Join(fields, "|")
	}
	return lines
}

// expected reads testdata/kpis.txt.
func expected(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("testdata/kpis.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string][]string)
	name := ""
	for line := range strings.SplitSeq(string(text), "\n") {
		switch {
		case strings.HasPrefix(line, "= "):
			name, _, _ = strings.Cut(line[2:], ":")
		case line != "" && !strings.HasPrefix(line, "#"):
			out[name] = append(out[name], line)
		}
	}
	return out
}

// load stores the fixture's events as the enricher does and lets the aggregator work.
func load(t *testing.T, store *chstore.Store) {
	t.Helper()
	text, err := os.ReadFile("testdata/events.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for i := range 60 {
		lines = append(lines, fmt.Sprintf(`2026-03-01T08:00:00Z | x-%02d | - | partner.upserted | {"partner_id":"x-%02d","tier":"bronze","status":"active"}`, i, i))
	}
	insert(t, store, lines)
	cfg := aggregator.DefaultConfig()
	cfg.ContentInterval, cfg.Settle, cfg.SettleMax = 0, 0, 0 // the clock stands still
	now, err := time.Parse(time.DateOnly, today)
	if err != nil {
		t.Fatal(err)
	}
	agg, err := aggregator.New(cfg, aggregator.Deps{Store: store, Publisher: nobody{}, Now: func() time.Time { return now.Add(12 * time.Hour) }},
		zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	for more := true; more; {
		work, err := agg.Tick(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		more = work.More
	}
	for _, statement := range []string{
		"TRUNCATE TABLE alerts",
		`INSERT INTO alerts (tenant, partner_id, transition_id, fingerprint, rule, status, severity, sequence, day, drop_pct) VALUES
		('demo', 'p-c', 't1', 'f1', 'ghosting', 'firing', 'critical', 1, '2026-03-30', 100),
		('demo', 'p-a', 't2', 'f2', 'sessions_drop', 'firing', 'warning', 1, '2026-03-20', 60),
		('demo', 'p-a', 't3', 'f2', 'sessions_drop', 'resolved', 'warning', 2, '2026-03-28', 60)`,
	} {
		if err := store.Exec(t.Context(), statement, nil); err != nil {
			t.Fatal(err)
		}
	}
}

type nobody struct{}

func (nobody) Publish(context.Context, ...kafkabus.Message) error { return nil }

func insert(t *testing.T, store *chstore.Store, lines []string) {
	t.Helper()
	extract := enrich.NewExtractor()
	text := map[string][]string{}
	var at, day []time.Time
	var amount []decimal.Decimal
	var margin []*float32
	var expires []*time.Time
	var words, ms, results []uint32
	var responses []*uint32
	var scroll []uint8
	var nps []*uint8
	for i, line := range lines {
		f := strings.SplitN(line, " | ", 5)
		if strings.HasPrefix(line, "#") {
			continue
		}
		if len(f) != 5 {
			t.Fatalf("line %d: %q", i+1, line)
		}
		when, err := time.Parse(time.RFC3339, f[0])
		if err != nil {
			t.Fatal(err)
		}
		x := extract.Extract(event.Type(f[3]), []byte(f[4]))
		for name, v := range map[string]string{
			"tenant": "demo", "partner_id": f[1], "id": fmt.Sprint(i), "type": f[3], "user_id": strings.Trim(f[2], "-"), "data": f[4],
			"view_id": x.ViewID, "content_id": x.ContentID, "entry_source": x.EntrySource, "search_id": x.SearchID, "query": x.Query,
			"course_id": x.CourseID, "lead_id": x.LeadID, "deal_id": x.DealID, "stage": x.Stage, "prev_stage": x.PrevStage,
			"currency": x.Currency, "influence": x.Influence, "phase": x.Phase,
		} {
			text[name] = append(text[name], v)
		}
		at, day = append(at, when), append(day, when.Truncate(24*time.Hour))
		amount, margin, expires, responses = append(amount, x.Amount), append(margin, x.MarginPct), append(expires, x.ExpiresAt), append(responses, x.ResponseS)
		words, ms, results = append(words, x.Words), append(ms, x.EngagedMS), append(results, x.ResultsCount)
		scroll, nps = append(scroll, x.MaxScrollPct), append(nps, x.NPS)
	}
	columns := []chstore.Column{
		{Name: "time", Values: at}, {Name: "day", Values: day}, {Name: "amount", Values: amount}, {Name: "margin_pct", Values: margin},
		{Name: "expires_at", Values: expires}, {Name: "response_s", Values: responses}, {Name: "words", Values: words},
		{Name: "engaged_ms", Values: ms}, {Name: "results_count", Values: results}, {Name: "max_scroll_pct", Values: scroll}, {Name: "nps", Values: nps},
	}
	for name, values := range text {
		columns = append(columns, chstore.Column{Name: name, Values: values})
	}
	if err := store.InsertColumns(t.Context(), "events", columns); err != nil {
		t.Fatal(err)
	}
	hours, marks, done := make([]time.Time, len(at)), make([]uint64, len(at)), make([]uint64, len(at))
	for i := range at {
		hours[i], marks[i] = at[0].Truncate(time.Hour), 1
	}
	err := store.InsertColumns(t.Context(), "dirty_days", []chstore.Column{
		{Name: "hour", Values: hours}, {Name: "tenant", Values: text["tenant"]}, {Name: "partner_id", Values: text["partner_id"]},
		{Name: "day", Values: day}, {Name: "marked", Values: marks}, {Name: "done", Values: done},
	})
	if err != nil {
		t.Fatal(err)
	}
}
