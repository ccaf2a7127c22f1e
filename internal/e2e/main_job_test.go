package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"partnerpulse/internal/embedded/enginetest"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/simulate/plan"
)

func login(id, partner string, at time.Time) string {
	return fmt.Sprintf(`{"id":%q,"type":"portal.login","time":%q,"partner_id":%q,"user_id":"u-1","data":{"method":"sso"}}`,
		id, at.UTC().Format(time.RFC3339), partner)
}

// TestOneEventComesOutAsAScore follows single events through a running stack.
func TestOneEventComesOutAsAScore(t *testing.T) {
	enginetest.Need(t)
	mainJob(t)
}

// mainJob follows events through `up` with the given further arguments: on embedded
// engines, or on those that the arguments name.
func mainJob(t *testing.T, args ...string) {
	s := up(t, t.TempDir(), nil, args...)

	id := uuid.NewString()
	status, answer := s.post(s.ServerKey, login(id, "p-77", time.Now()))
	if status != 202 {
		t.Fatalf("a valid event got %d %s", status, answer)
	}
	await(t, time.Minute, "the event in ClickHouse", func() error {
		n, err := s.one("SELECT count() AS n FROM events FINAL WHERE id = '" + id + "' AND partner_id = 'p-77' AND tenant = '" + s.Tenant + "'")
		if err == nil && n != 1 {
			err = fmt.Errorf("found %d times", n)
		}
		return err
	})
	score := func() (string, error) {
		rows, err := query[map[string]any](s, "SELECT * EXCEPT ver FROM partner_scores FINAL WHERE partner_id = 'p-77' ORDER BY as_of DESC LIMIT 1")
		if err != nil || len(rows) == 0 {
			return "", errors.Join(errors.New("no score row"), err)
		}
		b, err := json.Marshal(rows[0])
		return string(b), err
	}
	var first string
	await(t, time.Minute, "the partner's first score", func() (err error) { first, err = score(); return err })

	second := strings.Replace(login(uuid.NewString(), "p-77", time.Now()), "u-1", "u-2", 1)
	if status, answer := s.post(s.ServerKey, second); status != 202 {
		t.Fatalf("the second event got %d %s", status, answer)
	}
	await(t, time.Minute, "the score row to change", func() error {
		now, err := score()
		if err == nil && now == first {
			err = errors.New("unchanged: " + now)
		}
		return err
	})

	t.Run("one bad event of three", func(t *testing.T) { oneBadOfThree(t, s) })
	t.Run("refused requests", func(t *testing.T) { refused(t, s) })
	s.stop()
}

func oneBadOfThree(t *testing.T, s *stack) {
	bad := `{"id":"bad-1","type":"content.viewed","partner_id":"p-1","user_id":"u","data":{"view_id":"v"}}`
	status, answer := s.post(s.ServerKey, "["+login("good-1", "p-1", time.Now())+","+bad+","+login("good-2", "p-1", time.Now())+"]")
	var got struct {
		Accepted, Rejected int
		Errors             []struct {
			Index                      int
			ID, Code, Pointer, Message string
		}
	}
	if err := json.Unmarshal([]byte(answer), &got); err != nil || status != 202 {
		t.Fatalf("got %d %s (%v)", status, answer, err)
	}
	if got.Accepted != 2 || got.Rejected != 1 || len(got.Errors) != 1 {
		t.Fatalf("got %s", answer)
	}
	e := got.Errors[0]
	if e.Index != 1 || e.ID != "bad-1" || e.Code != "schema" || !strings.HasPrefix(e.Pointer, "/data") || !strings.Contains(e.Message, "content_id") {
		t.Fatalf("the error does not tell what, where and how: %+v", e)
	}
	for _, r := range s.topic(kafkabus.TopicRejects) {
		var reject struct {
			EventID  string `json:"event_id"`
			Original string `json:"original"`
		}
		if err := json.Unmarshal(r.Value, &reject); err != nil {
			t.Fatal(err)
		}
		if reject.EventID == "bad-1" && reject.Original == bad {
			return
		}
	}
	t.Fatal("the rejected event is not on the rejects topic with its original bytes")
}

func refused(t *testing.T, s *stack) {
	for name, c := range map[string]struct {
		key, body string
		status    int
		says      string
	}{
		"wrong key":      {"nonsense", login("x", "p-1", time.Now()), 401, "key"},
		"malformed JSON": {s.ServerKey, `{"id":`, 400, "JSON"},
		"too large":      {s.ServerKey, `"` + strings.Repeat("x", 64<<20) + `"`, 413, "large"},
		"unknown type":   {s.ServerKey, `{"id":"u","type":"portal.teleported","partner_id":"p","user_id":"u","data":{}}`, 400, "unknown_type"},
	} {
		status, answer := s.post(c.key, c.body)
		if status != c.status || !strings.Contains(answer, c.says) {
			t.Errorf("%s: got %d %.300s, want %d saying %q", name, status, answer, c.status, c.says)
		}
	}
}

// TestABusyPortIsToldWithTheFlag: the message names address and flag, and nothing
// is left running.
func TestABusyPortIsToldWithTheFlag(t *testing.T) {
	enginetest.Need(t)
	s := up(t, t.TempDir(), nil)
	for flag, ports := range map[string]*readyFile{
		"--collector-addr":  {Collector: s.Collector, ClickHouse: "127.0.0.1:0", Kafka: "127.0.0.1:0", Console: "127.0.0.1:0"},
		"--clickhouse-addr": {Collector: "127.0.0.1:0", ClickHouse: s.ClickHouse, Kafka: "127.0.0.1:0", Console: "127.0.0.1:0"},
		"--kafka-addr":      {Collector: "127.0.0.1:0", ClickHouse: "127.0.0.1:0", Kafka: s.Kafka, Console: "127.0.0.1:0"},
		"--console-addr":    {Collector: "127.0.0.1:0", ClickHouse: "127.0.0.1:0", Kafka: "127.0.0.1:0", Console: s.Console},
	} {
		other := start(t, t.TempDir(), ports)
		select {
		case err := <-other.done:
			if err == nil || !strings.Contains(other.log.String(), flag) {
				t.Errorf("%s: ended with %v and said\n%s", flag, err, other.log)
			}
		case <-time.After(time.Minute):
			t.Errorf("%s: still running on a busy port", flag)
		}
	}
	s.stop()
}

// TestASecondStartContinuesWithTheSameData also shows that a whole replay of the
// topic changes no rollup and no score.
func TestASecondStartContinuesWithTheSameData(t *testing.T) {
	enginetest.Need(t)
	dir := t.TempDir()
	s := up(t, dir, nil, "--demo", "--demo-partners", "40", "--demo-days", "45", "--demo-live=false")
	s.settled()
	told := s.topic(kafkabus.TopicDrop)
	before := s.fingerprint()
	events, err := s.one("SELECT count() AS n FROM events FINAL")
	if err != nil || events < 5000 {
		t.Fatalf("only %d events: %v", events, err)
	}
	s.stop()

	again := up(t, dir, nil, "--set", "enricher.group=replay")
	if again.ServerKey != s.ServerKey {
		t.Error("the keys changed over a restart")
	}
	again.replayed("replay")
	again.settled()
	if n, err := again.one("SELECT count() AS n FROM events FINAL"); err != nil || n != events {
		t.Errorf("%d events after the replay, %d before (%v)", n, events, err)
	}
	after := again.fingerprint()
	for table, sum := range before {
		if after[table] != sum {
			t.Errorf("%s changed by the replay: %s, was %s", table, after[table], sum)
		}
	}
	for i, message := range again.topic(kafkabus.TopicDrop) {
		if i >= len(told) {
			t.Errorf("told by the replay: %s", message.Value)
		}
	}
	again.stop()
}

// TestTheDemoShowsScoresAndAStoppedPartner is the first minute of a new user, and the
// explanation of every partner's score.
func TestTheDemoShowsScoresAndAStoppedPartner(t *testing.T) {
	enginetest.Need(t)
	s := up(t, t.TempDir(), nil, "--demo")
	await(t, 2*time.Minute, "scores for all partners", func() error {
		n, err := s.one("SELECT uniqExact(partner_id) AS n FROM partner_scores FINAL WHERE as_of >= today() - 1")
		if err == nil && n != 200 {
			err = fmt.Errorf("%d partners have a score", n)
		}
		return err
	})
	stopped := map[string]bool{}
	today := plan.DayOf(time.Now(), time.UTC)
	world, err := plan.New(plan.Config{Seed: 1, Tenant: "demo", Portal: "main", Partners: 200, Start: today - 90, Days: 90, Location: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range world.Truth().Partners {
		stopped["demo/"+p.PartnerID] = p.Kind == plan.Stopped && p.Change < today
	}
	await(t, 2*time.Minute, "a message on the drop topic for a partner that was simulated to stop", func() error {
		for _, r := range s.topic(kafkabus.TopicDrop) {
			var m struct {
				Type string         `json:"type"`
				Data map[string]any `json:"data"`
			}
			if err := json.Unmarshal(r.Value, &m); err != nil {
				return err
			}
			if m.Data["status"] == "firing" && stopped[string(r.Key)] {
				t.Logf("key %s: %v", r.Key, m.Data)
				return nil
			}
		}
		return errors.New("none is firing")
	})
	s.explained(t, 200)
	s.stop()
	b, err := os.ReadFile(filepath.Join(s.dir, "data", "keys.yaml"))
	if err != nil || !strings.Contains(string(b), s.ServerKey) {
		t.Errorf("the keys are not kept: %v", err)
	}
}
