// Package cloudevents tests the collector with the npm package cloudevents.
package cloudevents

import (
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"partnerpulse/internal/clienttest"
	"partnerpulse/internal/clienttest/npm"
	"partnerpulse/internal/collector"
	"partnerpulse/internal/event"
)

type answer struct {
	Status int `json:"status"`
	Body   struct {
		Accepted int `json:"accepted"`
		Rejected int `json:"rejected"`
		Errors   []struct {
			Index   int        `json:"index"`
			ID      string     `json:"id"`
			Code    event.Code `json:"code"`
			Pointer string     `json:"pointer"`
		} `json:"errors"`
	} `json:"body"`
}

func TestCloudEventsPackage(t *testing.T) {
	stand := clienttest.NewStand(t, func(c *collector.Config, _ *collector.Deps) {
		c.CloudEvents.TypePrefix = "com.example."
		c.Tenants = map[string]collector.Tenant{"acme": {LateMax: 100 * 365 * 24 * time.Hour}} // the script's times are fixed
	})
	out := npm.Node(t, npm.Install(t, "cloudevents", "."), "send.cjs", "COLLECTOR="+stand.URL, "KEY="+clienttest.ServerKey, "BROWSER_KEY="+clienttest.BrowserKey)
	var got struct{ Binary, Structured, Batch, Bad answer }
	if err := json.Unmarshal(out, &got, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, a := range map[string]answer{"binary": got.Binary, "structured": got.Structured} {
		if a.Status != 202 || a.Body.Accepted != 1 {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if b := got.Batch; b.Status != 202 || b.Body.Accepted != 2 || len(b.Body.Errors) != 1 || b.Body.Errors[0].Index != 1 ||
		b.Body.Errors[0].Code != event.CodeUnresolvedPartner || b.Body.Errors[0].Pointer != "/partnerid" {
		t.Errorf("batch: %+v", b)
	}
	if b := got.Bad; b.Status != 400 || len(b.Body.Errors) != 1 || b.Body.Errors[0].Pointer != "/data/view_id" {
		t.Errorf("bad: %+v", b)
	}
	events, rejects := stand.Published(t)
	byID := map[string]*event.Event{}
	for _, e := range events {
		byID[e.ID] = e
		if e.Type != event.ContentViewed || e.Source != event.SourceCloudEvents || e.UserID != "u-17" ||
			!e.Time.Equal(time.Date(2026, 11, 3, 9, 15, 0, 123e6, time.UTC)) ||
			string(e.Data) != `{"view_id":"v-`+e.ID+`","content_id":"battlecard-7"}` {
			t.Errorf("event %+v with data %s", e, e.Data)
		}
	}
	if len(byID) != 6 || len(rejects) != 2 {
		t.Fatalf("%d events, %d rejects", len(byID), len(rejects))
	}
	if e := byID["binary"]; !e.Internal || e.Context.Title != "Battle card" || e.PartnerID != "p-0001" {
		t.Errorf("binary: %+v", e)
	}
	if e := byID["structured"]; e.Context.Title != "Überblick €" || e.Context.UTMSource != "mail" || e.Internal {
		t.Errorf("structured: %+v", e)
	}
	if e := byID["batch-3"]; e.PartnerID != "p-0002" || e.SessionID != "s" {
		t.Errorf("batch: %+v", e)
	}
	if byID["emitted-binary"] == nil || byID["emitted-structured"] == nil {
		t.Errorf("emitted: %v", byID)
	}
}
