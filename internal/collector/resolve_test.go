package collector

import (
	"net/http"
	"testing"
	"time"

	"partnerpulse/internal/directory"
	"partnerpulse/internal/event"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/keys"
)

const nobodys = `{"id":"n-1","type":"portal.login","user_id":"u-1"}`

func upserted(id, user, partner, at string) string {
	return `{"id":"` + id + `","type":"user.upserted","time":"` + at + `","partner_id":"` + partner + `","data":{"user_id":"` + user + `"}}`
}

// directoryRecords gives what was published for the directory, by key.
func (r *rig) directoryRecords() map[string][]byte {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	out := map[string][]byte{}
	for _, m := range r.log.msgs {
		if m.Topic == kafkabus.TopicDirectory {
			out[string(m.Key)] = m.Value
		}
	}
	return out
}

func TestPartnersComeFromTheDirectory(t *testing.T) {
	dir := newDirectory(t)
	dir.MarkLoaded()
	r, _ := rigOf(t, identityKeys(), dir, func(c *Config) { c.Tenants = nil })
	r.post(serverKey, nobodys)
	if got := r.answered(http.StatusBadRequest); got.Errors[0].Code != event.CodeUnresolvedPartner {
		t.Errorf("answer %+v", got)
	}
	if _, rejects, _ := r.log.take(); len(rejects) != 1 || rejects[0].Original != nobodys {
		t.Error("the event that nobody owns was not kept for replay")
	}
	now := backThen()
	// Within one batch the order counts: what was said before.
	r.post(serverKey, "["+nobodys+","+upserted("up", "u-1", "p-1", now)+","+nobodys+"]")
	if got := r.answered(http.StatusAccepted); got.Accepted != 2 || got.Errors[0].Index != 0 {
		t.Errorf("answer %+v", got)
	}
	events, _, _ := r.log.take()
	if len(events) != 2 || events[1].PartnerID != "p-1" {
		t.Errorf("events %+v", events)
	}
	r.post(serverKey, nobodys)
	r.answered(http.StatusAccepted)
	// A later description of the same user may leave the partner out.
	r.post(serverKey, `{"id":"up-2","type":"user.upserted","data":{"user_id":"u-1","role":"sales"}}`)
	r.answered(http.StatusAccepted)
	if events, _, _ := r.log.take(); len(events) != 2 || events[0].PartnerID != "p-1" || events[1].PartnerID != "p-1" {
		t.Errorf("events %+v", events)
	}
	// Nobody of another tenant is found, and a page cannot describe anybody.
	r.post(webKey, upserted("x", "u-1", "p-2", now))
	if got := r.answered(http.StatusBadRequest); got.Errors[0].Code != event.CodeForbiddenType {
		t.Errorf("answer %+v", got)
	}
	if p, _ := dir.Partner("acme", "u-1", ""); p != "p-1" {
		t.Errorf("the directory says %q", p)
	}
	// What the event itself says is not changed.
	r.post(serverKey, `{"id":"own","type":"portal.login","user_id":"u-1","partner_id":"p-7"}`)
	r.answered(http.StatusAccepted)
	if events, _, _ := r.log.take(); events[0].PartnerID != "p-7" {
		t.Errorf("partner %q", events[0].PartnerID)
	}
}

func TestDirectoryEventsGoToTheirTopicToo(t *testing.T) {
	r, _ := rigOf(t, identityKeys(), nil, nil)
	now := backThen()
	r.post(serverKey, `[`+upserted("a", "u-1", "p-1", now)+`,`+upserted("b", "u-2", "p-1", now)+`,
		{"id":"c","type":"partner.upserted","data":{"partner_id":"p-1","tier":"gold"}},
		{"id":"d","type":"content.published","data":{"content_id":"doc","title":"A"}},
		{"id":"e","type":"course.published","data":{"course_id":"basics"}},
		{"id":"f","type":"portal.login","partner_id":"p-1","user_id":"u-1"}]`)
	r.answered(http.StatusAccepted)
	got := r.directoryRecords()
	for _, key := range []string{
		"acme/p-1", "acme/p-1\x1fuser\x1fu-1", "acme/p-1\x1fuser\x1fu-2", "acme/-\x1fcontent\x1fdoc", "acme/-\x1fcourse\x1fbasics",
	} {
		e, err := event.UnmarshalCloudEvent(got[key])
		if err != nil || !e.Type.IsDirectory() {
			t.Errorf("record of %q: %v, %v", key, e, err)
		}
	}
	if events, _, _ := r.log.take(); len(events) != 6 || len(got) != 5 {
		t.Errorf("%d events, %d records of the directory", len(events), len(got))
	}
	// A replica that reads the topic knows the same.
	replica := newDirectory(t)
	for key, value := range got {
		if err := replica.Apply([]byte(key), value); err != nil {
			t.Error(err)
		}
	}
	if p, _ := replica.Partner("acme", "u-2", ""); p != "p-1" {
		t.Errorf("the replica says %q", p)
	}
}

// TestWhileTheDirectoryIsLoading: an event that may be resolved in a moment is not
// refused for ever, and one that needs no directory is taken.
func TestWhileTheDirectoryIsLoading(t *testing.T) {
	dir := newDirectory(t)
	r, _ := rigOf(t, identityKeys(), dir, nil)
	r.post(serverKey, login("a", ""))
	r.answered(http.StatusAccepted)
	r.log.take()
	r.post(serverKey, "["+login("a", "")+","+nobodys+"]")
	r.refused(http.StatusServiceUnavailable, "directory_loading")
	if r.last.Header().Get("Retry-After") != "2" || len(r.log.msgs) != 0 {
		t.Errorf("Retry-After %q, %d published", r.last.Header().Get("Retry-After"), len(r.log.msgs))
	}
	if r.c.Ready(t.Context()) == nil {
		t.Error("ready although the directory is loading")
	}
	dir.Learn(directory.Membership{Tenant: "acme", UserID: "u-1", PartnerID: "p-1", Trust: directory.Described})
	r.post(serverKey, nobodys) // known already
	r.answered(http.StatusAccepted)
	dir.MarkLoaded()
	if err := r.c.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	r.post(serverKey, `{"id":"n-2","type":"portal.login","user_id":"u-2"}`)
	r.answered(http.StatusBadRequest)
}

// TestNothingIsLearntThatIsNotDurable: a request that must be sent again leaves no trace.
func TestNothingIsLearntThatIsNotDurable(t *testing.T) {
	dir := newDirectory(t)
	dir.MarkLoaded()
	r, _ := rigOf(t, identityKeys(), dir, nil)
	r.log.err = http.ErrServerClosed
	r.post(serverKey, upserted("a", "u-1", "p-1", backThen()))
	r.refused(http.StatusServiceUnavailable, "not_durable")
	if p, ok := dir.Partner("acme", "u-1", ""); ok {
		t.Errorf("learnt %q", p)
	}
}

// TestCallsOfPages: an identify or group call says whose a user is, for the rest of
// its request and later; a back end's word counts more than a page's.
func TestCallsOfPages(t *testing.T) {
	dir := newDirectory(t)
	dir.MarkLoaded()
	r, ring := rigOf(t, identityKeys(), dir, nil)
	web, _ := ring.Lookup(webKey)
	srv, _ := ring.Lookup(serverKey)
	say := func(key *keys.Key, user, visitor, partner string) {
		t.Helper()
		a := &arrival{key: key, at: arrivalTime()}
		a.learn(user, visitor, partner)
		e := &event.Event{Type: event.PortalLogin, UserID: user, AnonymousID: visitor}
		if got, ok := r.c.resolve(e, a); !ok || got != partner {
			t.Errorf("in the same request: %q", got)
		}
		if fail := r.c.publish(t.Context(), &outcome{}, a); fail != nil {
			t.Fatal(fail)
		}
	}
	say(web, "", "x", "p-1")
	say(web, "u", "", "p-1")
	say(srv, "u", "", "p-2")
	say(web, "u", "", "p-3")
	if p, _ := dir.Partner("acme", "u", ""); p != "p-2" {
		t.Errorf("u belongs to %q", p)
	}
	if p, _ := dir.Partner("acme", "", "x"); p != "p-1" {
		t.Errorf("the visitor belongs to %q", p)
	}
}

// backThen is a time of a moment ago, as producers write it.
func backThen() string { return arrivalTime().Add(-time.Second).Format(time.RFC3339) }

func arrivalTime() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
