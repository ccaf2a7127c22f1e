package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Visitor says who visits the demo portal and what they do there.
type Visitor struct {
	Partner  string
	User     string
	Document string        // content id of the document to read
	Playbook string        // playbook of that document, to be pinned
	Query    string        // a search that has results
	Miss     string        // a search that has none
	ReadFor  time.Duration // time spent on the document
}

// DefaultVisitor reads the discovery guide as the demo's first partner.
func DefaultVisitor() Visitor {
	return Visitor{
		Partner: "p-0001", User: "demo-user", Document: "discovery-call-guide", Playbook: "pb-land",
		Query: "restore test", Miss: "quantum blockchain", ReadFor: 3 * time.Second,
	}
}

// Sent is one event as the tracker reported it.
type Sent struct {
	ID     string `json:"id"`
	Type   string `json:"type"`
	Detail string `json:"detail"`
	State  string `json:"state"` // sent: the collector has answered
}

// Result is what a visit did.
type Result struct {
	Events []Sent // newest first, each confirmed by the collector
}

// Count gives the number of events of a type.
func (r *Result) Count(typ string) int {
	n := 0
	for _, e := range r.Events {
		if e.Type == typ {
			n++
		}
	}
	return n
}

// stepMax bounds one step of a visit, confirmMax the wait for the collector's
// answers at the end.
const (
	stepMax    = 30 * time.Second
	confirmMax = 60 * time.Second
)

// Visit signs in at the console's demo portal, reads a document to its end, pins
// its playbook, searches with and without result, opens a result, and takes a
// course. It returns when the collector has confirmed every event. ctx is a
// browser tab, as NewBrowser gives it.
func Visit(ctx context.Context, consoleURL string, v Visitor) (Result, error) {
	steps := []struct {
		name string
		do   func(context.Context) error
	}{
		{"signing in", func(ctx context.Context) error { return SignIn(ctx, consoleURL, v.Partner, v.User) }},
		{"opening the library", follow(`nav a[href="/demo/library"]`, `main h2 a`)},
		{"opening the document", follow(`main h2 a[href="/demo/library/`+v.Document+`"]`, `article[data-pp-content]`)},
		{"reading", func(ctx context.Context) error { return Read(ctx, v.ReadFor) }},
		{"pinning", pin(v.Playbook)},
		{"searching", search(v.Query, `[data-pp-search-result]`)},
		{"opening a result", follow(`[data-pp-search-result]`, `article[data-pp-content]`)},
		{"reading the result", func(ctx context.Context) error { return Read(ctx, v.ReadFor/3) }},
		{"searching in vain", search(v.Miss, `[data-pp-count="0"]`)},
		{"opening training", follow(`nav a[href="/demo/training"]`, `[data-training]`)},
		{"enrolling", click(`[data-course="course-sales-101"] [data-training="enrolled"]`)},
		{"completing", click(`[data-course="course-sales-101"] [data-training="completed"]`)},
	}
	for _, s := range steps {
		step, cancel := context.WithTimeout(ctx, stepMax+v.ReadFor)
		err := s.do(step)
		cancel()
		if err != nil {
			return Result{}, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	events, err := confirmed(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("waiting for the collector: %w", err)
	}
	return Result{Events: events}, nil
}

// SignIn signs in at the demo portal and waits for its home page.
func SignIn(ctx context.Context, consoleURL, partner, user string) error {
	return chromedp.Do(ctx,
		chromedp.Navigate(strings.TrimSuffix(consoleURL, "/")+"/demo/"),
		chromedp.SetValue(chromedp.CSS("#partner"), partner),
		chromedp.SetValue(chromedp.CSS("#user"), user),
		chromedp.Click(chromedp.CSS("#signin")),
		chromedp.WaitVisible(chromedp.CSS(`#sent [data-state]`)),
	)
}

// Read scrolls to the end of the page in ten steps that take d together.
func Read(ctx context.Context, d time.Duration) error {
	for i := 1; i <= 10; i++ {
		to := fmt.Sprintf(`scrollTo(0, (document.documentElement.scrollHeight - innerHeight) * %d / 10)`, i)
		if err := chromedp.Do(ctx, run(to), chromedp.Sleep(d/10)); err != nil {
			return err
		}
	}
	return nil
}

// run evaluates a script for its effect.
func run(script string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Evaluate[any](script+"; null")(ctx, t)
		return chromedp.Void{}, err
	}
}

// follow clicks a link and waits for something on the page that it leads to.
func follow(link, there string) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := chromedp.Do(ctx, chromedp.Click(chromedp.CSS(link)), chromedp.WaitVisible(chromedp.CSS(there))); err != nil {
			return err
		}
		return loaded(ctx)
	}
}

func click(button string) func(context.Context) error {
	return func(ctx context.Context) error { return chromedp.Do(ctx, chromedp.Click(chromedp.CSS(button))) }
}

func pin(playbook string) func(context.Context) error {
	button := `[data-pp-pin="` + playbook + `"]`
	return func(ctx context.Context) error {
		return chromedp.Do(ctx, chromedp.Click(chromedp.CSS(button)), chromedp.WaitVisible(chromedp.CSS(button+`[aria-pressed="true"]`)))
	}
}

// search types a query into the portal's header.
func search(query, there string) func(context.Context) error {
	return func(ctx context.Context) error {
		err := chromedp.Do(ctx,
			run(`document.getElementById("find").value = ""`),
			chromedp.SendKeys(chromedp.CSS("#find"), query+kb.Enter),
			chromedp.WaitVisible(chromedp.CSS(there)),
		)
		if err != nil {
			return err
		}
		return loaded(ctx)
	}
}

// loaded waits until the page's scripts have run. A person is slower than that; a
// driver could leave a page before the tracker has seen it.
func loaded(ctx context.Context) error {
	for {
		done, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.readyState === "complete"`))
		if err != nil || done {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// confirmed waits until the portal's panel shows that the collector has answered
// for every event, and gives the events.
func confirmed(ctx context.Context) ([]Sent, error) {
	ctx, cancel := context.WithTimeout(ctx, confirmMax)
	defer cancel()
	for {
		text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`sessionStorage.getItem("demo.sent") || "[]"`))
		if err != nil {
			return nil, err
		}
		var events []Sent
		if err := json.Unmarshal([]byte(text), &events); err != nil {
			return nil, fmt.Errorf("decoding the panel: %w", err)
		}
		open := 0
		for _, e := range events {
			if e.State == "rejected" || e.State == "dropped" {
				return nil, fmt.Errorf("event %s (%s) was %s", e.ID, e.Type, e.State)
			}
			if e.State != "sent" {
				open++
			}
		}
		if open == 0 && len(events) > 0 {
			return events, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d events have no answer: %w", open, len(events), ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}
