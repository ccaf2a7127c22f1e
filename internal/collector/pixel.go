package collector

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
	"partnerpulse/internal/keys"
)

// pixelGIF is a transparent image of one pixel.
func pixelGIF() []byte {
	return []byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;")
}

// pixelQueryBytesMax bounds the address of a pixel.
const pixelQueryBytesMax = 8 << 10

// pixel takes one event from the address of an image. Whoever shows the image can
// do nothing about an error, so the answer is always the image; what went wrong
// is counted, and kept where the key tells whose it is.
func (c *Collector) pixel(w http.ResponseWriter, r *http.Request) {
	const name = "pixel"
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	default:
		w.Header().Set("Allow", "GET, HEAD")
		c.refuse(w, name, &failure{http.StatusMethodNotAllowed, "method_not_allowed", "fetch the pixel with GET", 0})
		return
	}
	start := time.Now()
	code := ""
	if r.Method == http.MethodGet { // a HEAD shows nothing to anybody
		if fail := c.collectPixel(w, r); fail != nil {
			code = fail.code
		}
	}
	h := w.Header()
	h.Set("Content-Type", "image/gif")
	h.Set("Cache-Control", "no-store, max-age=0")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Del("WWW-Authenticate") // a mail program must not ask for a password
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(pixelGIF())
	c.metrics.requests.WithLabelValues(name, "200", code).Inc()
	c.metrics.requestSeconds.WithLabelValues(name).Observe(time.Since(start).Seconds())
}

// collectPixel takes the event of an address from key to durable.
func (c *Collector) collectPixel(w http.ResponseWriter, r *http.Request) *failure {
	if len(r.URL.RawQuery) > pixelQueryBytesMax {
		return tooLarge("address", pixelQueryBytesMax)
	}
	key, fail := c.authenticate(w, r)
	if fail != nil {
		return fail
	}
	if key.Kind != keys.Browser {
		return &failure{http.StatusForbidden, "browser_key_needed", "the pixel takes browser keys only: its address is seen by everybody", 0}
	}
	if !c.budget.reserve(requestBytesMin) {
		return c.overloaded()
	}
	defer c.budget.release(requestBytesMin)
	a := c.arrivalOf(r, key)
	a.source = event.SourcePixel
	envelope := pixelEvent(r.URL.Query(), r.Referer(), a)
	p := c.parsers.get()
	drafts := p.each([][]byte{envelope})
	p.reset(nil)
	c.parsers.put(p)
	out := c.judge(drafts, a)
	if fail := c.publish(r.Context(), out, a); fail != nil {
		return fail
	}
	for _, rejected := range out.rejected {
		return &failure{http.StatusBadRequest, string(rejected.problem.Code), rejected.problem.Message, 0}
	}
	return nil
}

// pixelFields are the parameters that are fields of the envelope, by name.
func pixelFields() map[string]string {
	return map[string]string{
		"id": "id", "type": "type",
		"partner": "partner_id", "partner_id": "partner_id", "user": "user_id", "user_id": "user_id",
		"anonymous": "anonymous_id", "anonymous_id": "anonymous_id", "session_id": "session_id",
	}
}

// pixelNumbers are the fields of data that are numbers; all others are texts.
func pixelNumbers() []string {
	return []string{"words", "pages", "pages_seen", "duration_s", "position", "results_count", "score", "progress", "score_scaled",
		"engaged_ms", "max_scroll_pct", "media_pct"}
}

// pixelEvent writes the event that an address tells of. An address is fetched again
// and again, by mail programs and their proxies: without an id, all fetches of the
// same address on one UTC day are one event.
func pixelEvent(query url.Values, referer string, a *arrival) []byte {
	query.Del("key")
	query.Del(identityParameter)
	top := map[string]any{"type": string(event.ContentViewed)}
	data, context := map[string]any{}, map[string]string{}
	if referer != "" {
		context["url"] = limit(strings.ToValidUTF8(referer, "?"), event.ContextLengthMax)
	}
	fields := pixelFields()
	for name, values := range query {
		name, value := strings.ToValidUTF8(name, "?"), strings.ToValidUTF8(values[0], "\ufffd")
		if value == "" {
			continue
		}
		switch inner, _ := strings.CutPrefix(name, "context."); {
		case fields[name] != "":
			top[fields[name]] = value
		case name == "internal":
			top["internal"] = value == "1" || value == "true"
		case name == "content":
			data["content_id"] = value
		case inner != name || strings.HasPrefix(name, "utm_") || name == "url" || name == "locale":
			context[inner] = value
		default:
			data[name] = pixelValue(name, value)
		}
	}
	if top["id"] == nil {
		top["id"] = pixelID(query, a)
	}
	if top["type"] == string(event.ContentViewed) {
		setDefault(data, "view_id", top["id"])
		setDefault(data, "entry_source", "email")
	}
	if top["type"] == string(event.PageViewed) {
		setDefault(data, "view_id", top["id"])
	}
	top["data"] = data
	if len(context) > 0 {
		top["context"] = context
	}
	b, err := json.Marshal(top, json.Deterministic(true))
	if err != nil { // every text was made valid UTF-8 before
		return []byte("{}")
	}
	return b
}

func setDefault(data map[string]any, name string, value any) {
	if data[name] == nil {
		data[name] = value
	}
}

// pixelValue takes a number where the field is one.
func pixelValue(name, value string) any {
	if slices.Contains(pixelNumbers(), name) {
		if v := jsontext.Value(value); v.IsValid() && v.Kind() == '0' {
			return v
		}
	}
	return value
}

// pixelID is the same for the same portal, parameters and UTC day.
func pixelID(query url.Values, a *arrival) string {
	h := sha256.New()
	h.Write([]byte(strconv.Quote(a.key.Tenant) + strconv.Quote(a.key.Portal) + a.at.Format(time.DateOnly) + query.Encode()))
	return "px-" + hex.EncodeToString(h.Sum(nil)[:16])
}
