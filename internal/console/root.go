// Package console serves the web pages and the read API: an overview of the
// programme, the latest score of a partner as JSON, and a demo portal whose pages
// send real events through the tracker.
package console

import (
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.uber.org/zap"
)

var (
	//go:embed templates/*.html
	templateFiles embed.FS
	//go:embed static
	staticFiles embed.FS
	//go:embed content/*.txt
	contentFiles embed.FS
)

// Deps are what the console needs from others.
type Deps struct {
	Store Store
	// Explainer takes scores apart; nil: there are no explanations.
	Explainer Explainer
	Alerts    Alerts // nil leaves the API of the alerts out
	Keys      Keys   // who may give commands about alerts
}

// Console answers the requests. It starts nothing and is safe for concurrent use.
type Console struct {
	cfg      Config
	deps     Deps
	log      *zap.Logger
	library  *library
	pages    map[string]*template.Template
	policy   string // Content-Security-Policy of every page
	requests *prometheus.CounterVec
	failures prometheus.Counter
	sessions sessions // of people who see to alerts
}

// New prepares the console; it does no I/O beyond its embedded files.
func New(cfg Config, deps Deps, log *zap.Logger, reg prometheus.Registerer) (*Console, error) {
	origin, err := cfg.validate()
	if err != nil {
		return nil, err
	}
	lib, err := loadLibrary(contentFiles)
	if err != nil {
		return nil, fmt.Errorf("loading the demo library: %w", err)
	}
	pages, err := parsePages(templateFiles)
	if err != nil {
		return nil, fmt.Errorf("parsing templates: %w", err)
	}
	f := promauto.With(reg)
	return &Console{
		cfg: cfg, deps: deps, log: log, library: lib, pages: pages, policy: securityPolicy(origin),
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "partnerpulse_console_requests_total", Help: "Requests by route and status code.",
		}, []string{"route", "code"}),
		failures: f.NewCounter(prometheus.CounterOpts{
			Name: "partnerpulse_console_query_failures_total", Help: "Requests that could not read ClickHouse.",
		}),
	}, nil
}

// parsePages combines each page with the layouts, so that every page may define
// the same blocks.
func parsePages(files fs.FS) (map[string]*template.Template, error) {
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	pages := make(map[string]*template.Template)
	for _, name := range names {
		t, err := template.New("").Funcs(pageFuncs()).ParseFS(files, "templates/layout*.html", name)
		if err != nil {
			return nil, err
		}
		pages[name[len("templates/"):]] = t
	}
	return pages, nil
}

// Handler routes the pages, their assets and the read API.
func (c *Console) Handler() http.Handler {
	mux := http.NewServeMux()
	c.routes(func(pattern string, h http.HandlerFunc) { mux.Handle(pattern, c.counted(pattern, h)) })
	return mux
}

// routes gives every address to handle. schemas/openapi.yaml describes those below
// /api; a test compares.
func (c *Console) routes(handle func(string, http.HandlerFunc)) {
	assets, err := fs.Sub(staticFiles, "static")
	if err != nil {
		panic(err) // the directory is embedded above
	}
	files := http.StripPrefix("/static/", http.FileServerFS(assets))
	handle("GET /static/{file}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		files.ServeHTTP(w, r)
	})
	handle("GET /{$}", c.overviewPage)
	handle("GET /overview", c.overviewPart)
	handle("GET /api/v1/partners/{id}/score", c.scoreAPI)
	if c.deps.Explainer != nil {
		handle("GET /api/v1/partners/{id}/explanation", c.explanationAPI)
		handle("GET /api/partners/{id}/explanation", c.explanationAPI)
	}
	if c.deps.Alerts != nil {
		c.alertRoutes(handle)
		c.alertPageRoutes(handle)
	}
	if c.cfg.Demo {
		c.portalRoutes(handle)
	}
}

// counted adds the security headers and counts the answer.
func (c *Console) counted(route string, h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", c.policy)
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Referrer-Policy", "strict-origin-when-cross-origin")
		rec := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		h(rec, r)
		c.requests.WithLabelValues(route, strconv.Itoa(rec.status)).Inc()
	})
}

// securityPolicy allows own scripts, styles and requests, and the collector's
// script and endpoints; nothing else, and no framing.
func securityPolicy(collector string) string {
	if collector != "" {
		collector = " " + collector
	}
	return "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'" + collector +
		"; connect-src 'self'" + collector + "; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

// statusRecorder remembers the status for the metric.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *statusRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
