package collector

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"partnerpulse/internal/event"
	"partnerpulse/internal/xapi"
)

const voiderID = "f47ac10b-58cc-4372-a567-0e02b2c3d4aa"

// voidStatement voids target; its actor is an administrator of no partner.
func voidStatement(target, more string) string {
	return `{"actor":{"mbox":"mailto:admin@lms.example"},"verb":{"id":"` + xapi.Voided + `"},"object":{"objectType":"StatementRef","id":"` + target + `"}` + more + `}`
}

// voidedRig has a statement in memory, or in the store only.
func voidedRig(t *testing.T, where string) (r *rig, store *memoryStore, taken time.Time) {
	r, store = lmsRig(t, nil)
	statement := lmsStatement("passed", withID(lmsID)+`,"timestamp":"`+time.Now().Add(-time.Hour).UTC().Format(time.RFC3339Nano)+`"`)
	if where == "memory" {
		r.lms("POST", "statements", statement, nil)
		events, _, _ := r.log.take()
		return r, store, events[0].ReceivedAt
	}
	taken = time.Now().UTC().Add(-time.Minute).Truncate(time.Millisecond)
	store.list = []*xapi.Stored{{ID: lmsID, Raw: []byte(statement), Time: taken, At: taken, Tenant: "acme", Portal: "main", KeyID: "old", Partner: "p-7"}}
	return r, store, taken
}

// status gives the status of GET.
func (r *rig) lmsStatus(target string) int {
	r.t.Helper()
	r.lms("GET", target, "", nil)
	return r.last.Code
}

// TestVoiding: the voided statement is found as voided only, and the event of the same
// place in the store that replaces its own is not scored and is the first of its copies.
func TestVoiding(t *testing.T) {
	for where, partner := range map[string]string{"memory": "p-1", "store": "p-7"} {
		r, store, taken := voidedRig(t, where)
		r.lms("POST", "statements", voidStatement(strings.ToUpper(lmsID), withID(voiderID)), nil)
		if ids := r.ids(); ids[0] != voiderID || r.last.Header().Get("X-PartnerPulse-Not-Counted") != "" {
			t.Fatalf("%s: %v %v", where, ids, r.last.Header())
		}
		events, rejects, _ := r.log.take()
		if len(events) != 2 || len(rejects) != 0 {
			t.Fatalf("%s: %v %v", where, events, rejects)
		}
		own, gone := events[0], events[1]
		if own.ID != voiderID || own.Type != xapi.VoidedType || !own.Internal || own.PartnerID != partner || !strings.Contains(string(own.Data), `"target_id":"`+lmsID+`"`) {
			t.Errorf("%s: voiding event %+v %s", where, own, own.Data)
		}
		var data struct {
			VoidedBy string    `json:"voided_by"`
			TakenAt  time.Time `json:"taken_at"`
			CourseID string    `json:"course_id"`
		}
		if err := json.Unmarshal(gone.Data, &data); err != nil {
			t.Fatal(err)
		}
		if gone.ID != lmsID || gone.Type != event.TrainingPassed || !gone.Internal || gone.PartnerID != partner || gone.UserID != "u-1" ||
			gone.Tenant != "acme" || gone.Portal != "main" || gone.Source != event.SourceXAPI ||
			!gone.ReceivedAt.Equal(taken.Add(-24*time.Hour)) || data.VoidedBy != voiderID || !data.TakenAt.Equal(taken) || data.CourseID == "" {
			t.Errorf("%s: voided event %+v %s, taken at %s", where, gone, gone.Data, taken)
		}
		if code := r.lmsStatus("statements?statementId=" + lmsID); code != http.StatusNotFound {
			t.Errorf("%s: a voided statement is found: %d", where, code)
		}
		if code := r.lmsStatus("statements?voidedStatementId=" + lmsID); code != http.StatusOK || !strings.Contains(r.last.Body.String(), lmsID) {
			t.Errorf("%s: voided statement: %d %s", where, code, r.last.Body)
		}
		if code := r.lmsStatus("statements?statementId=" + voiderID); code != http.StatusOK {
			t.Errorf("%s: what voids: %d", where, code)
		}
		r.lms("GET", "statements", "", nil)
		if body := r.last.Body.String(); strings.Count(body, `"stored"`) != 1 || !strings.Contains(body, voiderID) {
			t.Errorf("%s: listed %s", where, body)
		}
		// What is sent again is no news, and other content is still a conflict.
		r.lms("POST", "statements", voidStatement(otherID, withID(voiderID)), nil)
		r.refused(http.StatusConflict, "statement_conflict")
		r.lms("POST", "statements", lmsStatement("failed", withID(lmsID)), nil)
		r.refused(http.StatusConflict, "statement_conflict")
		// It cannot be taken back.
		r.log.take()
		r.lms("POST", "statements", voidStatement(voiderID, withID(otherID)), nil)
		r.ids()
		if code := r.lmsStatus("statements?statementId=" + voiderID); code != http.StatusOK {
			t.Errorf("%s: a voiding statement was voided: %d", where, code)
		}
		_ = store
	}
}

// TestVoidedBeforeItCame: the statement may come after the one that voids it, in this
// process or another, or with it.
func TestVoidedBeforeItCame(t *testing.T) {
	late := lmsStatement("passed", withID(lmsID))
	withPartner := `,"context":{"extensions":{"https://schemas.partnerpulse.dev/xapi/partner_id":"p-1"}}`
	for name, send := range map[string]func(r *rig, store *memoryStore){
		"here": func(r *rig, _ *memoryStore) {
			r.lms("POST", "statements", voidStatement(lmsID, withID(voiderID)+withPartner), nil)
			r.lms("POST", "statements", late, nil)
		},
		"elsewhere": func(r *rig, store *memoryStore) {
			store.voided = []xapi.Voiding{{Portal: "main", Target: lmsID, By: voiderID}}
			r.lms("POST", "statements", late, nil)
		},
		"with it": func(r *rig, _ *memoryStore) {
			r.lms("POST", "statements", "["+late+","+voidStatement(lmsID, withID(voiderID)+withPartner)+"]", nil)
		},
	} {
		r, store := lmsRig(t, nil)
		send(r, store)
		r.ids()
		events, rejects, _ := r.log.take()
		found := false
		for _, e := range events {
			found = found || e.ID == lmsID
			if !e.Internal {
				t.Errorf("%s: counted %+v", name, e)
			}
		}
		if !found || len(rejects) != 0 {
			t.Errorf("%s: %v %v", name, events, rejects)
		}
		if code := r.lmsStatus("statements?statementId=" + lmsID); code != http.StatusNotFound {
			t.Errorf("%s: %d", name, code)
		}
	}
	// Another portal's voiding is none of ours.
	r, store := lmsRig(t, nil)
	store.voided = []xapi.Voiding{{Portal: "other", Target: lmsID, By: voiderID}}
	r.lms("POST", "statements", late, nil)
	if events, _, _ := r.log.take(); len(events) != 1 || events[0].Internal {
		t.Errorf("%v", events)
	}
}

func TestVoidingIsRefused(t *testing.T) {
	r, store, _ := voidedRig(t, "store")
	r.lms("POST", "statements", voidStatement(lmsID, ""), func(req *http.Request) {
		req.SetBasicAuth(webKey, "")
		req.Header.Set("Origin", portalPage)
	})
	r.refused(http.StatusForbidden, "server_key_needed")
	// Not found because nobody can look is not the same as not there.
	store.err = errStoreDown
	r.lms("POST", "statements", voidStatement(lmsID, withID(voiderID)), nil)
	r.refused(http.StatusServiceUnavailable, "store_unavailable")
	if events, rejects, _ := r.log.take(); len(events)+len(rejects) != 0 {
		t.Errorf("%v %v", events, rejects)
	}
	store.err = nil
	r.c.xapi.storeDownTil.Store(0)
	r.lms("POST", "statements", voidStatement(lmsID, withID(voiderID)), nil)
	r.ids()
}

// TestSelectingStatements: filters of GET reach memory, and go on with more.
func TestSelectingStatements(t *testing.T) {
	r, _ := lmsRig(t, nil)
	registered := `,"context":{"registration":"` + otherID + `"}`
	r.lms("POST", "statements", "["+lmsStatement("passed", withID(lmsID))+","+lmsStatement("launched", registered)+","+lmsStatement("failed", registered)+
		","+strings.Replace(lmsStatement("passed", ""), "u-1", "u-2", 1)+"]", nil)
	ids := r.ids()
	for query, want := range map[string][]string{
		"verb=" + url.QueryEscape("http://adlnet.gov/expapi/verbs/passed"): {ids[0], ids[3]},
		"registration=" + strings.ToUpper(otherID):                         {ids[1], ids[2]},
		"activity=urn:none":                  {},
		"agent=" + url.QueryEscape(lmsAgent): {ids[0], ids[1], ids[2]},
		"activity=" + url.QueryEscape("https://lms.example/c") + "&agent=" + url.QueryEscape(lmsAgent) + "&related_agents=true&related_activities=false": {ids[0], ids[1], ids[2]},
	} {
		got := map[string]bool{}
		for target := "statements?limit=2&" + query; target != ""; {
			r.lms("GET", target, "", nil)
			var page struct {
				Statements []struct{ ID string }
				More       string
			}
			if err := json.Unmarshal(r.last.Body.Bytes(), &page, json.MatchCaseInsensitiveNames(true)); err != nil || r.last.Code != http.StatusOK {
				t.Fatalf("%s: %d %s", query, r.last.Code, r.last.Body)
			}
			for _, s := range page.Statements {
				got[s.ID] = true
			}
			target = strings.TrimPrefix(page.More, "/xapi/")
		}
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
		for _, id := range want {
			if !got[id] {
				t.Errorf("%s: %s is missing", query, id)
			}
		}
	}
}
