package segment_test

import (
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"partnerpulse/internal/segment"
)

// mapped gives id and time of the event that a call becomes when it arrives at.
func mapped(t *testing.T, call []byte, at time.Time, newID string) (id, when string) {
	t.Helper()
	mappers, err := segment.New(segment.Config{})
	if err != nil {
		t.Fatal(err)
	}
	body, err := segment.Split([]byte(`{"batch":[`+string(call)+`]}`), segment.Batch, 10)
	if err != nil {
		t.Fatal(err)
	}
	c, problem := body.Read(0)
	if problem != nil {
		t.Fatal(problem)
	}
	result := mappers.For("demo").Map(c, segment.Env{ReceivedAt: at, AllowCustom: true, NewID: func() string { return newID }})
	if len(result.Events) != 1 {
		t.Fatalf("%d events of %s: %v", len(result.Events), call, result.Problem)
	}
	var e struct{ ID, Time string }
	if err := json.Unmarshal(result.Events[0], &e, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	if e.Time == "" {
		e.Time = at.Format("2006-01-02T15:04:05.000Z")
	}
	return e.ID, e.Time
}

// TestASettledCallIsTheSameEventWhenItComesAgain: weeks later, with another clock
// and another random id, the call becomes the event that it was at first.
func TestASettledCallIsTheSameEventWhenItComesAgain(t *testing.T) {
	first := time.Date(2026, 11, 3, 9, 15, 0, 7e6, time.UTC)
	for name, call := range map[string]string{
		"all fields":      `{"type":"track","event":"Thing Done","userId":"u","messageId":"m-1","timestamp":"2026-11-03T09:00:00Z","originalTimestamp":"2026-11-03T08:00:00Z","sentAt":"2026-11-03T09:00:01Z"}`,
		"skewed clock":    `{"type":"track","event":"Thing Done","userId":"u","messageId":"m-1","timestamp":"2026-11-03T08:00:00Z","sentAt":"2026-11-03T08:01:00Z"}`,
		"original only":   `{"type":"track","event":"Thing Done","userId":"u","originalTimestamp":"2026-11-03T08:00:00.5Z","sentAt":"2026-11-03T08:01:00Z"}`,
		"no id":           `{"type":"track","event":"Thing Done","userId":"u","timestamp":"2026-11-03T09:14:59Z","properties":{"n":1.50}}`,
		"no id, no time":  `{"type":"track","event":"Thing Done","userId":"u"}`,
		"null id, number": `{"type":"track","event":"Thing Done","userId":7,"messageId":null,"timestamp":null}`,
	} {
		t.Run(name, func(t *testing.T) {
			id, when := mapped(t, []byte(call), first, "made-at-first")
			settled, err := segment.Settle([]byte(call), first, id)
			if err != nil {
				t.Fatal(err)
			}
			againID, againWhen := mapped(t, settled, first.AddDate(0, 0, 20), "made-later")
			if againID != id || againWhen != when {
				t.Errorf("%s at %s became %s at %s", id, when, againID, againWhen)
			}
			twice, err := segment.Settle(settled, first.AddDate(0, 0, 20), id)
			if err != nil || string(twice) != string(settled) {
				t.Errorf("settled twice: %s, once: %s (%v)", twice, settled, err)
			}
		})
	}
}

// TestWhatIsKeptOfAnImportSaysSo: sent again with a batch, by hand or settled, it is the
// event that it was, though its sender's clock seemed wrong.
func TestWhatIsKeptOfAnImportSaysSo(t *testing.T) {
	at := time.Date(2026, 11, 3, 9, 15, 0, 0, time.UTC)
	for name, call := range map[string]string{
		"with id":    `{"type":"track","event":"Thing Done","userId":"u","messageId":"m","timestamp":"2026-01-02T03:04:05Z","sentAt":"2026-01-02T03:05:00Z"}`,
		"without id": `{"type":"track","event":"Thing Done","userId":"u","timestamp":"2026-01-02T03:04:05Z","sentAt":"2026-01-02T03:05:00Z"}`,
	} {
		body, err := segment.Split([]byte(`{"batch":[`+call+`]}`), segment.Import, 10)
		if err != nil {
			t.Fatal(err)
		}
		c, problem := body.Read(0)
		if problem != nil || string(c.Original) != call[:len(call)-1]+`,"import":true}` {
			t.Fatalf("%s: kept %s (%v)", name, c.Original, problem)
		}
		id, when := mapped(t, c.Original, at, "none")
		if when != "2026-01-02T03:04:05.000Z" {
			t.Errorf("%s: by hand at %s", name, when)
		}
		settled, err := segment.Settle(c.Original, at, id)
		if err != nil {
			t.Fatal(err)
		}
		if againID, again := mapped(t, settled, at.AddDate(0, 0, 3), "none"); againID != id || again != when {
			t.Errorf("%s: %s at %s became %s at %s", name, id, when, againID, again)
		}
		// The same call, not as an import, is corrected: the mark makes the difference.
		if _, corrected := mapped(t, []byte(call), at, "none"); corrected == when {
			t.Errorf("%s: not corrected: %s", name, corrected)
		}
		imported, err := segment.Split([]byte(`{"batch":[`+call+`]}`), segment.Import, 10)
		if err != nil {
			t.Fatal(err)
		}
		first, _ := imported.Read(0)
		mappers, err := segment.New(segment.Config{})
		if err != nil {
			t.Fatal(err)
		}
		result := mappers.For("demo").Map(first, segment.Env{ReceivedAt: at, AllowCustom: true, NewID: func() string { return "none" }})
		var e struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(result.Events[0], &e); err != nil || e.ID != id {
			t.Errorf("%s: imported as %s, sent again as %s (%v)", name, e.ID, id, err)
		}
	}
}

func TestOnlyAnObjectIsSettled(t *testing.T) {
	for _, bad := range []string{``, `[]`, `"x"`, `{"a":1,"a":2}`, `{"a":`} {
		if out, err := segment.Settle([]byte(bad), time.Now(), ""); err == nil {
			t.Errorf("%q gave %s", bad, out)
		}
	}
}
