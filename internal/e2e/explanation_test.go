package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"golang.org/x/sync/errgroup"
)

// explanation is what the console's API and `explain --json` say, as far as it is sums.
type explanation struct {
	Partner    string           `json:"partner_id"`
	AsOf       string           `json:"as_of"`
	Score      *decimal.Decimal `json:"score"`
	Components []struct {
		Name   string          `json:"name"`
		Points decimal.Decimal `json:"points"`
	} `json:"components"`
	Change *struct {
		Before decimal.Decimal `json:"before"`
		Total  decimal.Decimal `json:"total"`
		change
		Components []struct {
			Name string `json:"name"`
			change
		} `json:"components"`
	} `json:"change_7d"`
	Stored bool `json:"stored"`
}

// change is a change of points taken apart.
type change struct {
	Decay decimal.Decimal `json:"decay_loss"`
	News  decimal.Decimal `json:"new_activity"`
	Bars  decimal.Decimal `json:"bar_change"`
}

func (c change) sum() decimal.Decimal { return c.Decay.Add(c.News).Add(c.Bars) }

func (c change) plus(o change) change {
	return change{c.Decay.Add(o.Decay), c.News.Add(o.News), c.Bars.Add(o.Bars)}
}

func (c change) equal(o change) bool {
	return c.Decay.Equal(o.Decay) && c.News.Equal(o.News) && c.Bars.Equal(o.Bars)
}

// check tells where sums are not exact.
func (x *explanation) check() error {
	var errs []error
	wrong := func(what string, sum, want decimal.Decimal) {
		if !sum.Equal(want) {
			errs = append(errs, fmt.Errorf("%s on %s: %s sum to %s, not to %s", x.Partner, x.AsOf, what, sum, want))
		}
	}
	points := decimal.Zero
	for _, c := range x.Components {
		points = points.Add(c.Points)
	}
	if len(x.Components) != 5 || x.Score == nil {
		return fmt.Errorf("%s on %s: %d components, score %v", x.Partner, x.AsOf, len(x.Components), x.Score)
	}
	wrong("points", points, *x.Score)
	if ch := x.Change; ch != nil {
		var parts change
		for _, c := range ch.Components {
			parts = parts.plus(c.change)
		}
		wrong("the score before and its change", ch.Before.Add(ch.Total), *x.Score)
		wrong("the parts of the change", ch.sum(), ch.Total)
		wrong("decay_loss by component", parts.Decay, ch.Decay)
		wrong("new_activity by component", parts.News, ch.News)
		wrong("bar_change by component", parts.Bars, ch.Bars)
	}
	return errors.Join(errs...)
}

// viewRow is a row of the view for BI tools.
type viewRow struct {
	Partner    string          `json:"partner_id"`
	AsOf       string          `json:"as_of"`
	Component  string          `json:"component"`
	Points     decimal.Decimal `json:"points"`
	Before     decimal.Decimal `json:"points_before"`
	Comparable int             `json:"comparable"`
	change
}

// explain asks the console.
func (s *stack) explain(partner, asOf string) (x explanation, err error) {
	address := s.Console + "/api/v1/partners/" + url.PathEscape(partner) + "/explanation?as_of=" + asOf
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		return x, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return x, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return x, fmt.Errorf("explaining %s: %s", partner, res.Status)
	}
	return x, json.NewDecoder(res.Body).Decode(&x)
}

// view gives the rows of the view by partner, after holding their sums to the stored scores.
func (s *stack) view(t *testing.T) map[string][]viewRow {
	t.Helper()
	rows, err := query[viewRow](s, `SELECT partner_id, toString(as_of) AS as_of, component, toString(points) AS points,
		toString(points_before) AS points_before, comparable, toString(decay_loss) AS decay_loss, toString(new_activity) AS new_activity,
		toString(bar_change) AS bar_change FROM bi.explanation WHERE tenant = 'demo'`)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string][]viewRow)
	for _, r := range rows {
		out[r.Partner] = append(out[r.Partner], r)
		if !r.Points.Sub(r.Before).Equal(r.sum()) {
			t.Errorf("bi.explanation, %s, %s: from %s to %s, the parts sum to %s", r.Partner, r.Component, r.Before, r.Points, r.sum())
		}
	}
	return out
}

// differ tells what an explanation and the view's rows of a partner do not agree in.
func differ(x *explanation, rows []viewRow) error {
	by := make(map[string]viewRow, len(rows))
	comparable := false
	for _, r := range rows {
		by[r.Component], comparable = r, r.Comparable == 1
	}
	if len(by) != 5 || comparable != (x.Change != nil) || rows[0].AsOf != x.AsOf {
		return fmt.Errorf("%s: %d rows of %s, comparable %v; explained is %s", x.Partner, len(rows), rows[0].AsOf, comparable, x.AsOf)
	}
	for _, c := range x.Components {
		if !by[c.Name].Points.Equal(c.Points) {
			return fmt.Errorf("%s, %s: %s points in the view, %s explained", x.Partner, c.Name, by[c.Name].Points, c.Points)
		}
	}
	if x.Change == nil {
		return nil
	}
	for _, c := range x.Change.Components {
		if !by[c.Name].equal(c.change) {
			return fmt.Errorf("%s, %s: %+v in the view, %+v explained", x.Partner, c.Name, by[c.Name].change, c.change)
		}
	}
	return nil
}

// explained holds the explanations of all partners to their sums, and the view's to the
// console's and the command's. The demo goes on meanwhile: a partner who has just done
// something is looked at again.
func (s *stack) explained(t *testing.T, partners int) {
	t.Helper()
	checked, told := map[string]bool{}, 0
	await(t, 3*time.Minute, "all explanations to be looked at", func() error {
		view := s.view(t)
		if len(view) != partners {
			return fmt.Errorf("%d partners in the view", len(view))
		}
		var mu sync.Mutex
		var open error
		var g errgroup.Group
		g.SetLimit(4)
		for partner, rows := range view {
			if checked[partner] {
				continue
			}
			g.Go(func() error {
				x, err := s.explain(partner, rows[0].AsOf)
				if err == nil {
					err = x.check()
				}
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				if open = errors.Join(open, differ(&x, rows)); differ(&x, rows) == nil && x.Stored {
					checked[partner] = true
					if x.Change != nil {
						told++
					}
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if len(checked) != partners {
			return fmt.Errorf("%d of %d partners agree: %w", len(checked), partners, open)
		}
		return nil
	})
	if told != partners {
		t.Errorf("a change was explained for %d of %d partners", told, partners)
	}
	s.explainedByCommand(t)
}

// explainedByCommand: the command says what the console says.
func (s *stack) explainedByCommand(t *testing.T) {
	t.Helper()
	await(t, time.Minute, "the command to say what the console says", func() error {
		for partner, rows := range s.view(t) {
			out, err := exec.CommandContext(t.Context(), binary, "explain", "--set", "clickhouse.addr="+s.ClickHouse, "--tenant", "demo",
				"--partner", partner, "--as-of", rows[0].AsOf, "--json").Output()
			if err != nil {
				t.Fatalf("explain: %v", err)
			}
			var x explanation
			if err := json.Unmarshal(out, &x); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if err := errors.Join(x.check(), differ(&x, rows)); err != nil {
				return err
			}
			break // one will do: it is the same code
		}
		return nil
	})
	text, err := exec.CommandContext(t.Context(), binary, "explain", "--set", "clickhouse.addr="+s.ClickHouse, "--tenant", "demo",
		"--partner", "nobody").CombinedOutput()
	if err == nil || !strings.Contains(string(text), "no history") {
		t.Errorf("an unknown partner is explained: %v, %s", err, text)
	}
}
