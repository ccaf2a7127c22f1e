package session_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"partnerpulse/internal/event"
	"partnerpulse/internal/session"
)

// at is a clock time of 2026-03-10 plus days, in UTC.
func at(days int, clock string) time.Time {
	t, err := time.Parse("15:04:05", clock)
	if err != nil {
		panic(err)
	}
	return time.Date(2026, 3, 10+days, t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

func page(id, producer string, t time.Time) session.Event {
	return session.Event{ID: id, Actor: "u", SessionID: producer, Type: event.PageViewed, Time: t, ViewID: "v" + id}
}

// shape is what the tests compare: start day offset, number of events, session id.
type shape struct {
	Day, Events int
	ID          string
}

func shapes(sessions []session.Session) []shape {
	base := session.LocalDay(at(0, "00:00:00"), time.UTC)
	var out []shape
	for _, s := range sessions {
		out = append(out, shape{int(s.Day - base), s.Events, s.SessionID})
	}
	return out
}

func TestSplit(t *testing.T) {
	login := session.Event{ID: "login", Actor: "u", Type: event.PortalLogin, Time: at(0, "10:00:00")}
	for name, c := range map[string]struct {
		events []session.Event
		want   []shape
	}{
		"exactly 30 minutes stay together": {
			[]session.Event{page("1", "", at(0, "10:00:00")), page("2", "", at(0, "10:30:00"))}, []shape{{0, 2, ""}}},
		"a second more ends it": {
			[]session.Event{page("1", "", at(0, "10:00:00")), page("2", "", at(0, "10:30:01"))}, []shape{{0, 1, ""}, {0, 1, ""}}},
		"inactivity ends a producer's session too": {
			[]session.Event{page("1", "a", at(0, "10:00:00")), page("2", "a", at(0, "11:00:00"))}, []shape{{0, 1, "a"}, {0, 1, "a"}}},
		"two devices interleaved are two sessions": {
			[]session.Event{page("1", "a", at(0, "10:00:00")), page("2", "b", at(0, "10:01:00")), page("3", "a", at(0, "10:02:00"))},
			[]shape{{0, 2, "a"}, {0, 1, "b"}}},
		"a server's login joins the browser's session": {
			[]session.Event{login, page("1", "a", at(0, "10:00:05")), page("2", "a", at(0, "10:20:00"))}, []shape{{0, 3, "a"}}},
		"an event without id joins the one before it": {
			[]session.Event{page("1", "a", at(0, "09:50:00")), login, page("2", "b", at(0, "10:00:01"))}, []shape{{0, 2, "a"}, {0, 1, "b"}}},
		"across midnight it belongs to its start": {
			[]session.Event{page("1", "", at(0, "23:50:00")), page("2", "", at(1, "00:10:00"))}, []shape{{0, 2, ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, shapes(session.Split(c.events, time.UTC))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEndlessBurstIsCutAtMidnights(t *testing.T) {
	var events []session.Event
	for i := 0; i < 4*48+1; i++ { // 20:00 of day 0 to 20:00 of day 4, every half hour
		events = append(events, page(string(rune('a'+i/26))+string(rune('a'+i%26)), "", at(0, "20:00:00").Add(time.Duration(i)*30*time.Minute)))
	}
	want := []shape{{0, 8 + 48, ""}, {2, 48, ""}, {3, 48, ""}, {4, 41, ""}}
	if diff := cmp.Diff(want, shapes(session.Split(events, time.UTC))); diff != "" {
		t.Error(diff)
	}
}

func TestMeasures(t *testing.T) {
	view := func(id, content string, clock string) session.Event {
		return session.Event{ID: "c" + id, Actor: "u", Type: event.ContentViewed, Time: at(0, clock), ViewID: id, ContentID: content, Words: 238}
	}
	engaged := func(id, clock string, ms uint32, scroll uint8) session.Event {
		return session.Event{ID: "e" + id + clock, Actor: "u", Type: event.ContentEngaged, Time: at(0, clock), ViewID: id, EngagedMs: ms, ScrollPct: scroll}
	}
	for name, c := range map[string]struct {
		events []session.Event
		want   session.Session
	}{
		"half read": {
			[]session.Event{view("v", "doc", "10:00:00"), engaged("v", "10:00:15", 15_000, 20), engaged("v", "10:00:30", 30_000, 50)},
			session.Session{Events: 3, Views: 1, ContentViews: 1, EngagedMs: 30_000, EngagedViews: 1, Engaged: true, SingleView: true, Quality: 250_000 + 150_000},
		},
		"a bounce is capped": {
			[]session.Event{view("v", "doc", "10:00:00"), engaged("v", "10:00:10", 10_000, 100)},
			session.Session{Events: 2, Views: 1, ContentViews: 1, EngagedMs: 10_000, EngagedViews: 1, SingleView: true, Quality: 100_000},
		},
		"unknown engaged time": {
			[]session.Event{view("v", "doc", "10:00:00")},
			session.Session{Events: 1, Views: 1, ContentViews: 1, SingleView: true},
		},
		"a download of the content without view_id": {
			[]session.Event{view("v", "doc", "10:00:00"), {ID: "d", Actor: "u", Type: event.ContentDownloaded, Time: at(0, "10:01:00"), ContentID: "doc"}},
			session.Session{Events: 2, Views: 1, ContentViews: 1, KeyEvents: 1, Engaged: true, Quality: 200_000},
		},
		"a view of an earlier session counts by its growth": {
			[]session.Event{engaged("v", "12:00:00", 70_000, 80), engaged("v", "12:00:15", 85_000, 90)},
			session.Session{Events: 2, EngagedMs: 15_000, EngagedViews: 1, Engaged: true},
		},
		"one view sent twice": {
			[]session.Event{view("v", "doc", "10:00:00"), page("x", "", at(0, "10:00:00")), {ID: "again", Actor: "u", Type: event.ContentViewed, Time: at(0, "10:00:01"), ViewID: "v", ContentID: "doc"}},
			session.Session{Events: 3, Views: 2, ContentViews: 1, Engaged: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := session.Split(c.events, time.UTC)
			if len(got) != 1 {
				t.Fatalf("%d sessions, want 1", len(got))
			}
			s := got[0]
			s.Actor, s.Start, s.End, s.Day = "", time.Time{}, time.Time{}, 0
			if diff := cmp.Diff(c.want, s); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestLocality: the sessions of a day do not depend on events outside of the two
// local days before it and the one after, and the order of events never matters.
func TestLocality(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		now := time.Date(2026, 3, 26, 12, 0, 0, 0, time.UTC) // over a change to summer time
		var events []session.Event
		for i := range rapid.IntRange(1, 300).Draw(t, "events") {
			now = now.Add(time.Duration(rng.IntN(33)+1) * time.Minute)
			e := page(time.Duration(i).String(), []string{"", "", "a", "b"}[rng.IntN(4)], now)
			events = append(events, e)
		}
		all := session.Split(events, berlin)
		day := all[rng.IntN(len(all))].Day
		var near []session.Event
		for _, e := range events {
			if d := session.LocalDay(e.Time, berlin); d >= day-2 && d <= day+1 {
				near = append(near, e)
			}
		}
		rng.Shuffle(len(near), func(i, j int) { near[i], near[j] = near[j], near[i] })
		of := func(sessions []session.Session) (out []session.Session) {
			for _, s := range sessions {
				if s.Day == day {
					out = append(out, s)
				}
			}
			return out
		}
		if diff := cmp.Diff(of(all), of(session.Split(near, berlin))); diff != "" {
			t.Fatal(diff)
		}
	})
}
