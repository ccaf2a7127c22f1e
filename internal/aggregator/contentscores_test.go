package aggregator_test

import (
	"math/big"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"partnerpulse/internal/collateral"
	"partnerpulse/internal/event"
	"partnerpulse/internal/session"
)

// checkContentScores works out every day's scores from the events alone.
func (c *chronicle) checkContentScores() {
	c.t.Helper()
	consumed := make(map[contentKey]*contentDay)
	for partner, facts := range c.ofPartners() {
		c.consumed(consumed, partner, facts)
	}
	today := session.LocalDay(c.now, c.loc)
	first := today
	for k := range consumed {
		first = min(first, k.day)
	}
	var want [][]any
	for day := first; day <= today; day++ {
		contents := c.contentsAt(day, consumed)
		for i, s := range collateral.Scores(contents) {
			k := &contents[i]
			flag := func(b bool) int {
				if b {
					return 1
				}
				return 0
			}
			fixed := func(v int64) string { return decimal.New(v, -6).String() }
			if s.PointsReach+s.PointsDepth+s.PointsUse+s.PointsF != s.CCS {
				c.t.Fatalf("%+v: the points do not sum to the score", s)
			}
			want = append(want, []any{
				k.ID, dayText(day), fixed(s.CCS), fixed(s.Reach), fixed(s.Depth), fixed(s.Use), fixed(s.Find),
				fixed(s.PointsReach), fixed(s.PointsDepth), fixed(s.PointsUse), fixed(s.PointsF), flag(s.FindImputed),
				k.Entitled, k.Reached, k.Viewing, k.Acts, k.Shown, k.Clicks, k.AgeDays, flag(s.Neglected), flag(s.SeenNotRead),
			})
		}
	}
	c.same("content_scores", "content_id, as_of, toString(score), toString(reach), toString(depth), toString(usage), toString(findability), "+
		"toString(points_reach), toString(points_depth), toString(points_usage), toString(points_findability), findability_imputed, "+
		"partners_entitled, partners_reached, partners_viewing, uses, impressions, search_clicks, age_days, neglected, seen_not_read", want)
}

// contentsAt gives what was known of each content at the end of a day.
func (c *chronicle) contentsAt(day int32, consumed map[contentKey]*contentDay) []collateral.Content {
	published, audience, retired := c.publishedAt(day)
	labels := c.labelsAt(day)
	contents := make(map[string]*collateral.Content)
	for id := range published {
		contents[id] = &collateral.Content{ID: id}
	}
	viewing := make(map[[2]string]bool)
	since := make(map[string]int32)
	decay := collateral.Decay()
	for k, d := range consumed {
		if age := day - k.day; age >= 0 && age < collateral.DepthDays {
			x := contents[k.content]
			if x == nil {
				x = &collateral.Content{ID: k.content}
				contents[k.content] = x
			}
			if x.Quality == nil {
				x.Quality, x.Views = new(big.Int), new(big.Int)
			}
			if s, ok := since[k.content]; !ok || k.day < s {
				since[k.content] = k.day
			}
			x.Quality.Add(x.Quality, new(big.Int).Mul(big.NewInt(d.counts["quality"]), big.NewInt(decay[age])))
			x.Views.Add(x.Views, new(big.Int).Mul(big.NewInt(d.counts["views"]), big.NewInt(decay[age])))
			if age < collateral.WindowDays {
				x.Acts += d.counts["downloads"] + d.counts["shares"] + d.counts["pins"]
				x.Shown += d.counts["impressions"]
				x.Clicks += d.counts["search_clicks"]
				viewing[[2]string{k.content, k.partner}] = viewing[[2]string{k.content, k.partner}] || d.counts["views"] > 0
			}
		}
	}
	for key, views := range viewing { // those that the directory does not know
		if _, known := labels[key[1]]; !known && views {
			labels[key[1]] = []string{}
		}
	}
	var out []collateral.Content
	for id, x := range contents {
		if retired[id] {
			continue
		}
		if x.Quality == nil {
			x.Quality, x.Views = new(big.Int), new(big.Int)
		}
		for partner, own := range labels {
			if own == nil {
				continue // not active
			}
			named := slices.ContainsFunc(audience[id], func(a string) bool { return slices.Contains(own, a) })
			if len(audience[id]) == 0 || named {
				x.Entitled++
				if viewing[[2]string{id, partner}] {
					x.Reached++
				}
			}
		}
		for key, views := range viewing {
			if key[0] == id && views {
				x.Viewing++
			}
		}
		if p := published[id]; p != 0 {
			x.AgeDays = int64(max(0, day-p))
		} else {
			x.AgeDays = int64(day - since[id])
		}
		out = append(out, *x)
	}
	return out
}

// publishedAt gives what the directory said of contents by the end of a day: the local
// day of publication (0: none), the audience, and whether it is retired.
func (c *chronicle) publishedAt(day int32) (published map[string]int32, audience map[string][]string, retired map[string]bool) {
	published, audience, retired = make(map[string]int32), make(map[string][]string), make(map[string]bool)
	for key, facts := range c.histories("content", false) {
		d, first := described{}, int32(0)
		id := key[1]
		for _, f := range facts {
			if c.day(f) > day {
				break
			}
			if _, ok := published[id]; !ok {
				published[id] = 0
			}
			if retired[id] = f.Type == event.ContentRetired; retired[id] {
				continue
			}
			d.learn(f)
			if first == 0 {
				first = c.day(f)
			}
			published[id] = first
			if said, err := time.Parse(time.RFC3339, d.text("published_at")); err == nil {
				published[id] = session.LocalDay(said, c.loc)
			}
			audience[id] = d.list("audience")
		}
	}
	return published, audience, retired
}

// labelsAt gives what an audience can name of each described partner, nil for those
// that are not active.
func (c *chronicle) labelsAt(day int32) map[string][]string {
	out := make(map[string][]string)
	for key, facts := range c.histories("partner", true) {
		d, known := described{}, false
		for _, f := range facts {
			if c.day(f) <= day {
				d.learn(f)
				known = true
			}
		}
		switch {
		case known && d.text("status") == "churned":
			out[key[0]] = nil
		case known:
			out[key[0]] = []string{d.text("tier"), d.text("segment"), d.text("region")}
		}
	}
	for _, facts := range c.histories("user", false) {
		for _, f := range facts {
			if role, _ := f.Data["role"].(string); c.day(f) <= day && out[f.Partner] != nil {
				out[f.Partner] = append(out[f.Partner], role)
			}
		}
	}
	return out
}
