package xapistore

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/xapi"
)

// people, and statements that have them and activities in every place where xAPI
// allows them.
const (
	ann   = `{"account":{"homePage":"https://one.example/x","name":"ann lee"}}`
	bob   = `{"objectType":"Agent","mbox":"mailto:bob@one.example"}`
	cyd   = `{"openid":"https://id.example/cyd"}`
	dan   = `{"mbox_sha1sum":"EBD31E95054C018B10727CCFFD2EF2EC3A016EE9"}`
	team  = `{"objectType":"Group","account":{"homePage":"https://one.example","name":"team"},"member":[` + bob + `]}`
	crowd = `{"objectType":"Group","member":[` + ann + `,` + cyd + `]}`
)

// spread makes the statements.
func spread() []string {
	verb := func(v string) string { return `"verb":{"id":"http://adlnet.gov/expapi/verbs/` + v + `"}` }
	activity := func(id string) string { return `{"id":"urn:act:` + id + `"}` }
	return []string{
		`{"actor":` + ann + `,` + verb("passed") + `,"object":` + activity("a") + `}`,
		`{"actor":` + bob + `,` + verb("passed") + `,"object":{"objectType":"Activity","id":"urn:act:b"},"context":{"registration":"F47AC10B-58CC-4372-A567-0E02B2C3D479","instructor":` + cyd + `}}`,
		`{"actor":` + dan + `,` + verb("failed") + `,"object":` + activity("a") + `,"context":{"team":` + team + `,"contextActivities":{"parent":` + activity("b") + `,"grouping":[` + activity("c") + `,` + activity("d") + `]}}}`,
		`{"actor":` + team + `,` + verb("launched") + `,"object":` + activity("h") + `}`,
		`{"actor":` + bob + `,` + verb("launched") + `,"object":` + strings.Replace(ann, `{"account"`, `{"objectType":"Agent","account"`, 1) + `}`,
		`{"actor":` + crowd + `,` + verb("attended") + `,"object":` + crowd + `}`,
		`{"actor":` + cyd + `,` + verb("planned") + `,"object":{"objectType":"SubStatement","actor":` + ann + `,` + verb("passed") + `,"object":` + activity("e") +
			`,"context":{"instructor":` + dan + `,"contextActivities":{"other":[` + activity("f") + `],"category":` + activity("g") + `}}}}`,
		`{"actor":` + cyd + `,` + verb("planned") + `,"object":{"objectType":"SubStatement","actor":` + dan + `,` + verb("met") + `,"object":` + bob + `}}`,
		`{"actor":` + ann + `,` + verb("voided") + `,"object":{"objectType":"StatementRef","id":"00000000-0000-4000-8000-000000000004"}}`,
		`{"actor":` + ann + `,` + verb("voided") + `,"object":{"objectType":"StatementRef","id":"00000000-0000-4000-8000-000000000008"}}`,
	}
}

// selections are what is asked for.
func selections() (all []xapi.Filter) {
	var agents []string
	for _, text := range []string{ann, bob, cyd, dan, team, `{"mbox":"mailto:no@one"}`} {
		a, err := xapi.ParseAgent(text)
		if err != nil {
			panic(err)
		}
		agents = append(agents, a.Key())
	}
	agents = append(agents, "", "account "+xapi.KeysHomePage+" lms")
	for _, agent := range agents {
		for _, related := range []bool{false, true} {
			all = append(all, xapi.Filter{Agent: agent, RelatedAgents: related},
				xapi.Filter{Agent: agent, Activity: "urn:act:b", RelatedAgents: related, RelatedActivities: !related})
		}
	}
	for _, activity := range []string{"a", "b", "c", "d", "e", "f", "g", "none"} {
		for _, related := range []bool{false, true} {
			all = append(all, xapi.Filter{Activity: "urn:act:" + activity, RelatedActivities: related})
		}
	}
	return append(all,
		xapi.Filter{Verb: "http://adlnet.gov/expapi/verbs/passed"}, xapi.Filter{Verb: "http://adlnet.gov/expapi/verbs/planned", Agent: agents[2]},
		xapi.Filter{Registration: "f47ac10b-58cc-4372-a567-0e02b2c3d479"}, xapi.Filter{Registration: "f47ac10b-58cc-4372-a567-0e02b2c3d470"})
}

// TestStoreSelectsAsMemoryDoes: the index that SQL makes answers every filter with the
// statements that memory answers it with, a voided one never.
func TestStoreSelectsAsMemoryDoes(t *testing.T) {
	db := newStore(t, "xapi_selection_test")
	ctx, s := t.Context(), New(db)
	memory, err := xapi.NewRecent(100, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC)
	for i, raw := range spread() {
		items, err := xapi.Split([]byte(raw), 1)
		if err != nil || items[0].Invalid != nil {
			t.Fatalf("%s: %v %v", raw, err, items[0].Invalid)
		}
		id, typ, target := fmt.Sprintf("00000000-0000-4000-8000-%012d", i), "training.passed", items[0].Statement.VoidedTarget()
		data := map[string]any{"statement": jsontext.Value(raw)}
		if target != "" {
			typ, data["target_id"] = string(xapi.VoidedType), target
		}
		text, err := json.Marshal(data)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Exec(ctx, `INSERT INTO events (tenant, partner_id, day, id, type, time, received_at, portal, source, key_id, data, ver)
			SELECT 'acme', 'p-1', toDate({time:DateTime64(3)}), {id:String}, {type:String}, {time:DateTime64(3)}, {time:DateTime64(3)}, 'main', 'xapi', 'lms', {data:String}, 1`,
			chstore.Params{"id": id, "type": typ, "time": at, "data": string(text)})
		if err != nil {
			t.Fatal(err)
		}
		st := &xapi.Stored{ID: id, Raw: []byte(raw), At: at, Time: at, Tenant: "acme", Portal: "main", KeyID: "lms"}
		memory.Begin(st)
		memory.Settle(st, true, "p-1")
	}
	memory.Void("acme", xapi.Voiding{Portal: "main", Target: "00000000-0000-4000-8000-000000000004", By: "00000000-0000-4000-8000-000000000008"})
	sizes := map[int]int{}
	for _, f := range selections() {
		q := xapi.Query{Tenant: "acme", Portal: "main", Filter: f, Limit: 50}
		want := idsOf(memory.List(q))
		stored, err := s.List(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		if got := idsOf(stored); !slices.Equal(got, want) {
			t.Errorf("%+v: the store has %v, memory %v", f, got, want)
		}
		sizes[len(want)]++
	}
	if len(sizes) < 5 {
		t.Errorf("the filters tell little apart: %v", sizes)
	}
	known, err := s.ByID(ctx, "acme", []string{"00000000-0000-4000-8000-000000000004", "00000000-0000-4000-8000-000000000008"})
	if err != nil || len(known.Statements) != 2 {
		t.Fatalf("%v %v", known, err)
	}
	for _, st := range known.Statements {
		if voided := st.VoidedBy == "00000000-0000-4000-8000-000000000008"; voided != strings.HasSuffix(st.ID, "4") {
			t.Errorf("%s is voided by %q", st.ID, st.VoidedBy)
		}
	}
}

func idsOf(list []*xapi.Stored) (ids []string) {
	for _, s := range list {
		ids = append(ids, s.ID[len(s.ID)-1:])
	}
	return ids
}
