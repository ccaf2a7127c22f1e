package collector

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"time"

	"partnerpulse/schemas"
)

// file is something that is fetched and may be cached.
type file struct {
	contentType string
	content     []byte
	etag        string
}

func newFile(contentType string, content []byte) *file {
	sum := sha256.Sum256(content)
	return &file{contentType: contentType, content: content, etag: `"` + hex.EncodeToString(sum[:16]) + `"`}
}

// fileRoutes are the addresses of the tracker and of the contract.
func (c *Collector) fileRoutes() []route {
	script := newFile("text/javascript; charset=utf-8", c.deps.TrackerJS)
	contract := newFile("application/yaml", schemas.OpenAPI)
	return []route{
		{"/tracker.js", c.serveFile("tracker", func(*http.Request) *file { return script })},
		{"/openapi.yaml", c.serveFile("openapi", func(*http.Request) *file { return contract })},
		{"/events/{schema}", c.serveFile("event_schema", eventSchema)},
	}
}

// eventSchema finds the JSON Schema that openapi.yaml refers to.
func eventSchema(r *http.Request) *file {
	b, err := fs.ReadFile(schemas.Events, "events/"+r.PathValue("schema"))
	if err != nil {
		return nil
	}
	return newFile("application/schema+json", b)
}

// serveFile serves what find gives; nil is 404.
func (c *Collector) serveFile(name string, find func(*http.Request) *file) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			c.refuse(w, name, &failure{http.StatusMethodNotAllowed, "method_not_allowed", "fetch this with GET", 0})
			return
		}
		f := find(r)
		if f == nil {
			c.refuse(w, name, &failure{http.StatusNotFound, "not_found", "there is no schema of this name", 0})
			return
		}
		h := w.Header()
		h.Set("Content-Type", f.contentType)
		h.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(c.cfg.TrackerMaxAge.Seconds())))
		h.Set("ETag", f.etag)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Access-Control-Allow-Origin", "*") // pages may load it with crossorigin and integrity
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
		c.metrics.requests.WithLabelValues(name, strconv.Itoa(http.StatusOK), "").Inc()
	}
}
