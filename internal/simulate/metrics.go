package simulate

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	acked, rejected, retried prometheus.Counter
	requests                 *prometheus.CounterVec // by status or "error"
}

// newMetrics registers with reg; nil keeps the counters private.
func newMetrics(reg prometheus.Registerer) *metrics {
	with := promauto.With(reg)
	events := with.NewCounterVec(prometheus.CounterOpts{
		Name: "partnerpulse_simulate_events_total", Help: "Simulated events by what became of them.",
	}, []string{"outcome"})
	return &metrics{
		acked: events.WithLabelValues("acked"), rejected: events.WithLabelValues("rejected"), retried: events.WithLabelValues("retried"),
		requests: with.NewCounterVec(prometheus.CounterOpts{
			Name: "partnerpulse_simulate_requests_total", Help: "Requests to the collector by status, or error.",
		}, []string{"code"}),
	}
}
