package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"partnerpulse/internal/browsertest"
	"partnerpulse/internal/embedded/enginetest"
)

// TestABrowsersVisitBecomesAScore visits the demo portal of a running stack as a
// person does and finds what it did in ClickHouse, and the partner's score changed.
func TestABrowsersVisitBecomesAScore(t *testing.T) {
	enginetest.Need(t)
	s := up(t, t.TempDir(), nil)
	tab, cancel := browsertest.NewBrowser(t)
	defer cancel()

	v := browsertest.DefaultVisitor()
	if status, answer := s.post(s.ServerKey, login("before", v.Partner, time.Now())); status != 202 {
		t.Fatalf("got %d %s", status, answer)
	}
	score := "SELECT toInt64(round(1000 * score)) AS n FROM partner_scores FINAL WHERE partner_id = '" + v.Partner + "' ORDER BY as_of DESC LIMIT 1"
	var before int64
	await(t, time.Minute, "the score before the visit", func() (err error) { before, err = s.one(score); return err })

	visit, err := browsertest.Visit(tab, s.Console, v)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, e := range visit.Events {
		ids[e.ID] = true
	}
	for _, typ := range []string{"portal.login", "page.viewed", "content.viewed", "content.engaged", "playbook.pinned",
		"search.performed", "search.clicked", "training.completed"} {
		if visit.Count(typ) == 0 {
			t.Errorf("the visit sent no %s", typ)
		}
	}
	quoted := make([]string, 0, len(ids))
	for id := range ids {
		quoted = append(quoted, "'"+id+"'")
	}
	await(t, time.Minute, "the visit's events in ClickHouse", func() error {
		n, err := s.one("SELECT count() AS n FROM events FINAL WHERE NOT is_bot AND source = 'tracker' AND partner_id = '" + v.Partner +
			"' AND id IN (" + strings.Join(quoted, ",") + ")")
		if err == nil && n != int64(len(ids)) {
			err = fmt.Errorf("%d of %d", n, len(ids))
		}
		return err
	})
	read, err := query[struct {
		Engaged int64 `json:"engaged"`
		Scroll  int64 `json:"scroll"`
		Words   int64 `json:"words"`
	}](s, "SELECT max(engaged_ms) AS engaged, max(max_scroll_pct) AS scroll, max(words) AS words FROM events FINAL WHERE content_id = '"+v.Document+"'")
	if err != nil || len(read) != 1 {
		t.Fatalf("%v %v", read, err)
	}
	if read[0].Engaged < 1000 || read[0].Scroll != 100 || read[0].Words < 300 {
		t.Errorf("reading the document to its end was recorded as %+v", read[0])
	}
	await(t, time.Minute, "the score to rise", func() error {
		now, err := s.one(score)
		if err == nil && now <= before {
			err = errors.New("unchanged")
		}
		return err
	})
	s.stop()
}
