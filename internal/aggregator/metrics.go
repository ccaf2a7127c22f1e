package aggregator

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	tickSeconds prometheus.Histogram
	statements  *prometheus.HistogramVec
	tickErrors  prometheus.Counter
	dirtyKeys   prometheus.Gauge
	keys        prometheus.Counter
	partners    prometheus.Counter
	scoreRows   prometheus.Counter
	alerts      *prometheus.CounterVec
	scores      prometheus.Counter
	lastSuccess prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: "partnerpulse_aggregator_" + name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return f.NewGauge(prometheus.GaugeOpts{Name: "partnerpulse_aggregator_" + name, Help: help})
	}
	return &metrics{
		tickSeconds: f.NewHistogram(prometheus.HistogramOpts{
			Name: "partnerpulse_aggregator_tick_seconds", Help: "Time of a tick.",
			Buckets: prometheus.ExponentialBuckets(.005, 2, 14),
		}),
		statements: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "partnerpulse_aggregator_statement_seconds", Help: "Time of the statements sent to the store, by name.",
			Buckets: prometheus.ExponentialBuckets(.002, 4, 8),
		}, []string{"statement"}),
		tickErrors: counter("tick_errors_total", "Ticks that failed; they are repeated."),
		dirtyKeys:  gauge("dirty_keys", "Keys to recompute when the last tick began."),
		keys:       counter("keys_total", "Dirty keys worked off."),
		partners:   counter("partners_total", "Partners brought up to date."),
		scoreRows:  counter("score_rows_total", "Rows of partner_scores recomputed."),
		alerts: f.NewCounterVec(prometheus.CounterOpts{
			Name: "partnerpulse_aggregator_alerts_total", Help: "Alert transitions by rule, status and whether published or historical.",
		}, []string{"rule", "status", "how"}),
		scores:      counter("scores_published_total", "Scores published."),
		lastSuccess: gauge("last_success_timestamp_seconds", "When a tick last succeeded, Unix seconds."),
	}
}

func (m *metrics) observe(w Work, err error, took time.Duration, now time.Time) {
	m.tickSeconds.Observe(took.Seconds())
	m.keys.Add(float64(w.Keys))
	m.partners.Add(float64(w.Partners))
	m.scoreRows.Add(float64(w.ScoreRows))
	m.scores.Add(float64(w.Scores))
	if err != nil {
		m.tickErrors.Inc()
		return
	}
	m.lastSuccess.Set(float64(now.UnixMilli()) / 1000)
}
