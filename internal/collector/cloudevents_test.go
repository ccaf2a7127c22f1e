package collector

import (
	"net/http"
	"strings"
	"testing"

	"partnerpulse/internal/event"
	"partnerpulse/internal/keys"
)

const ceLogin = `{"specversion":"1.0","id":"i","source":"/s","type":"portal.login","subject":"p-1","userid":"u-1"}`

// cloudEvent posts a body to /v1/cloudevents.
func (r *rig) cloudEvent(key, contentType, body string, mod func(http.Header)) {
	r.t.Helper()
	r.call(http.MethodPost, "/v1/cloudevents", strings.NewReader(body), func(req *http.Request) {
		req.Header.Set("Authorization", "Bearer "+key)
		if contentType != "" {
			req.Header.Set("Content-Type", contentType)
		}
		if mod != nil {
			mod(req.Header)
		}
	})
}

func TestCloudEventsModes(t *testing.T) {
	r := newRig(t, nil)
	const structured, batch = "application/cloudevents+json; charset=UTF-8", "application/cloudevents-batch+json"
	for name, send := range map[string]func(){
		"structured": func() { r.cloudEvent(serverKey, structured, ceLogin, nil) },
		"batch":      func() { r.cloudEvent(serverKey, batch, "["+ceLogin+"]", nil) },
		"binary": func() {
			r.cloudEvent(serverKey, "", "", func(h http.Header) {
				for n, v := range map[string]string{"specversion": "1.0", "id": "i", "source": "/s", "type": "portal.login", "subject": "p-1", "userid": "u-1"} {
					h.Set("ce-"+n, v)
				}
			})
		},
	} {
		send()
		if a := r.answered(http.StatusAccepted); a.Accepted != 1 {
			t.Errorf("%s: %+v", name, a)
		}
		events, rejects, _ := r.log.take()
		if len(events) != 1 || len(rejects) != 0 || events[0].ID != "i" || events[0].PartnerID != "p-1" || events[0].UserID != "u-1" || events[0].Source != event.SourceCloudEvents {
			t.Errorf("%s: %+v, %+v", name, events, rejects)
		}
	}
	r.cloudEvent(serverKey, batch, "["+ceLogin+`,{"specversion":"1.0","id":"j","source":"/s","type":"portal.login","userid":"`+long(201)+`"},7]`, nil)
	a := r.answered(http.StatusAccepted)
	if a.Accepted != 1 || a.Rejected != 2 || a.Errors[0].Pointer != "/userid" || a.Errors[0].ID != "j" || a.Errors[1].Index != 2 {
		t.Errorf("%+v", a)
	}
	if _, rejects, _ := r.log.take(); len(rejects) != 2 || rejects[0].Original[:16] != `{"specversion":"` || rejects[1].Original != "7" || rejects[0].Source != event.SourceCloudEvents {
		t.Errorf("%+v", rejects)
	}
	r.cloudEvent(serverKey, batch, "[]", nil)
	r.answered(http.StatusAccepted)
}

func TestCloudEventsRefusals(t *testing.T) {
	r := newRig(t, func(c *Config) { c.BatchEventsMax = 2 })
	for _, c := range []struct {
		contentType, body string
		status            int
		code              string
	}{
		{"application/json", ceLogin, 415, "not_a_cloudevent"},
		{"", "", 415, "not_a_cloudevent"},
		{"application/cloudevents+avro", "x", 415, "not_a_cloudevent"},
		{"application/cloudevents+json; charset=latin1", ceLogin, 415, "not_a_cloudevent"},
		{"application/cloudevents+json", " ", 400, "empty_body"},
		{"application/cloudevents-batch+json", "[1,2,3]", 413, "batch_too_large"},
		{"application/cloudevents-batch+json", ceLogin, 400, "malformed_json"},
		{"application/cloudevents+json", "{", 400, "malformed_json"},
	} {
		r.cloudEvent(serverKey, c.contentType, c.body, nil)
		r.refused(c.status, c.code)
	}
	if _, rejects, _ := r.log.take(); len(rejects) != 2 || rejects[1].Original != "{" || rejects[1].Code != event.CodeMalformed {
		t.Errorf("%+v", rejects)
	}
	r.cloudEvent("pp_srv_nope", "application/cloudevents+json", ceLogin, nil)
	r.refused(http.StatusUnauthorized, "unknown_key")
	r.call(http.MethodGet, "/v1/cloudevents", nil, nil)
	r.refused(http.StatusMethodNotAllowed, "method_not_allowed")
	r.log.err = errStoreDown
	r.cloudEvent(serverKey, "application/cloudevents+json", ceLogin, nil)
	r.refused(http.StatusServiceUnavailable, "not_durable")
}

func TestCloudEventsPreflight(t *testing.T) {
	r := newRig(t, nil)
	w := r.call(http.MethodOptions, "/v1/cloudevents", nil, func(req *http.Request) {
		req.Header.Set("Origin", portalPage)
		req.Header.Set("Access-Control-Request-Headers", "authorization, ce-id, Ce-PartnerId, x-evil, ce-bad name, ce-")
	})
	allowed := w.Header().Get("Access-Control-Allow-Headers")
	if w.Code != http.StatusNoContent || !strings.HasSuffix(allowed, ", ce-id, ce-partnerid") || strings.Contains(allowed, "evil") {
		t.Errorf("%d %q", w.Code, allowed)
	}
}

func pixelRig(t *testing.T) *rig {
	r := newRig(t, nil)
	r.t = t
	return r
}

// image fetches the pixel and checks that it is one.
func (r *rig) image(query string, mod func(*http.Request)) {
	r.t.Helper()
	w := r.call(http.MethodGet, "/v1/pixel.gif?"+query, nil, mod)
	h := w.Header()
	if w.Code != http.StatusOK || h.Get("Content-Type") != "image/gif" || !strings.Contains(h.Get("Cache-Control"), "no-store") ||
		h.Get("WWW-Authenticate") != "" || http.DetectContentType(w.Body.Bytes()) != "image/gif" || w.Body.Len() != 43 {
		r.t.Fatalf("answer %d %v %q", w.Code, h, w.Body)
	}
}

func TestPixel(t *testing.T) {
	r := pixelRig(t)
	const query = "key=" + openKey + "&partner=p-1&user=u-1&content=c-1&utm_campaign=x&context.title=T&words=12&version=3"
	mail := func(req *http.Request) {
		req.Header.Set("Referer", "https://mail.example/inbox")
		req.Header.Set("User-Agent", "Mail")
	}
	r.image(query, mail)
	r.image(query, mail)
	r.image(query+"&user=u-2", mail) // the first value counts, the address is another
	events, rejects, _ := r.log.take()
	if len(events) != 3 || len(rejects) != 0 {
		t.Fatalf("%v %v", events, rejects)
	}
	e := events[0]
	want := `{"content_id":"c-1","entry_source":"email","version":"3","view_id":"` + e.ID + `","words":12}`
	if e.Type != event.ContentViewed || e.PartnerID != "p-1" || e.UserID != "u-1" || e.Source != event.SourcePixel || string(e.Data) != want ||
		e.Context.UTMCampaign != "x" || e.Context.Title != "T" || e.Context.URL != "https://mail.example/inbox" || e.Context.UserAgent != "Mail" || !e.Time.Equal(e.ReceivedAt) {
		t.Errorf("%+v with %s", e, e.Data)
	}
	if e.ID != events[1].ID || e.ID == events[2].ID || !strings.HasPrefix(e.ID, "px-") {
		t.Errorf("ids %s %s %s", e.ID, events[1].ID, events[2].ID)
	}
	r.image("key="+openKey+"&type=survey.nps_answered&id=e-1&partner_id=p-1&anonymous=a&survey_id=s&score=9&internal=1", nil)
	if events, _, _ := r.log.take(); len(events) != 1 || events[0].ID != "e-1" || string(events[0].Data) != `{"score":9,"survey_id":"s"}` || !events[0].Internal {
		t.Errorf("%+v", events)
	}
}

func TestPixelIsAlwaysAnImage(t *testing.T) {
	r := pixelRig(t)
	r.image("key="+openKey+"&partner=p-1&user=u-1", nil) // no content_id
	_, rejects, _ := r.log.take()
	if len(rejects) != 1 || rejects[0].Code != event.CodeSchema || rejects[0].Source != event.SourcePixel || !strings.HasPrefix(rejects[0].Original, `{"data":{`) {
		t.Errorf("%+v", rejects)
	}
	if strings.Contains(rejects[0].Original, openKey) {
		t.Error("the key is kept")
	}
	server := func(req *http.Request) { req.Header.Set("Authorization", "Bearer "+serverKey) }
	const good = "&partner=p&user=u&content=c"
	r.image("key=nope"+good, nil)
	r.image(good, nil)
	r.image("key="+serverKey+good, nil)
	r.image(good, server)
	r.image("key="+openKey+good+"&x="+strings.Repeat("x", pixelQueryBytesMax), nil)
	r.image("key="+openKey+good+"&\xff=%ff", nil)
	r.log.err = errStoreDown
	r.image("key="+openKey+good, nil)
	for _, code := range []string{"schema", "unknown_key", "no_key", "server_key_in_url", "browser_key_needed", "body_too_large", "not_durable"} {
		if r.count("partnerpulse_collector_requests_total", "pixel", "200", code) == 0 {
			t.Errorf("%s is not counted", code)
		}
	}
	r.log.err = nil
	if events, _, _ := r.log.take(); len(events) > 1 {
		t.Errorf("%+v", events)
	}
	r.call(http.MethodHead, "/v1/pixel.gif?key="+openKey+good, nil, nil)
	if events, _, _ := r.log.take(); r.last.Code != http.StatusOK || len(events) != 0 {
		t.Errorf("HEAD: %d, %v", r.last.Code, events)
	}
	r.call(http.MethodPost, "/v1/pixel.gif", nil, nil)
	r.refused(http.StatusMethodNotAllowed, "method_not_allowed")
}

// FuzzPixel: whatever the address, the event is valid JSON and is judged.
func FuzzPixel(f *testing.F) {
	f.Add("partner=p&user=u&content=c", "https://x.example")
	f.Add("type=page.viewed&path=/&context.=x&utm_=1&score=1e999&internal=x", "\xff")
	f.Add("a=1&a=2&%ff=%00&data=x&context=y", "")
	r := newRig(f, nil)
	f.Fuzz(func(t *testing.T, query, referer string) {
		req, err := http.NewRequest(http.MethodGet, "/v1/pixel.gif", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.RawQuery = query
		a := arrivalWith(t, r.c, webKey)
		if a.key.Kind != keys.Browser {
			t.Fatal("not a browser key")
		}
		b := pixelEvent(req.URL.Query(), referer, a)
		out := judged(t, r.c, b, webKey)
		if len(out.accepted)+len(out.rejected) != 1 {
			t.Fatalf("%s", b)
		}
		for _, rejected := range out.rejected {
			if rejected.problem.Code == event.CodeMalformed {
				t.Fatalf("%s: %v", b, rejected.problem)
			}
		}
		holds(t, out, a)
	})
}
