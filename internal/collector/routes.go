package collector

import (
	"net/http"
	"slices"
)

// route is one address of the collector.
type route struct {
	path   string // with {name} for a part that varies
	handle http.HandlerFunc
}

// routes lists every address. schemas/openapi.yaml describes each; a test compares.
func (c *Collector) routes() []route {
	return slices.Concat(
		[]route{
			{"/v1/events", c.endpoint("events", c.answerEvents)},
			{"/v1/beacon", c.endpoint("beacon", c.answerBeacon)},
			{"/v1/pixel.gif", c.pixel},
			{"/v1/cloudevents", c.cloudEvents},
		},
		c.segmentRoutes(), c.xapiRoutes(), c.fileRoutes(),
	)
}

// Handler serves the collector's endpoints; any other path is 404.
func (c *Collector) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range c.routes() {
		mux.HandleFunc(r.path, r.handle)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		c.refuse(w, "other", &failure{http.StatusNotFound, "not_found", "there is no such address: events go to POST /v1/events", 0})
	})
	return mux
}
