package collector

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics of the role. Labels take their values from fixed sets only.
type metrics struct {
	requests       *prometheus.CounterVec
	requestSeconds *prometheus.HistogramVec
	accepted       *prometheus.CounterVec
	rejected       *prometheus.CounterVec
	bodyBytes      prometheus.Counter
	tooLargeBytes  *prometheus.HistogramVec
	publishSeconds prometheus.Histogram
	publishErrors  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, b *budget) *metrics {
	f := promauto.With(reg)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "partnerpulse_collector_in_flight_bytes", Help: "Bytes reserved by requests under way.",
	}, func() float64 { return float64(b.used.Load()) })
	return &metrics{
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "partnerpulse_collector_requests_total",
			Help: "Requests by endpoint, HTTP status, and error code (empty for none).",
		}, []string{"endpoint", "status", "code"}),
		requestSeconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "partnerpulse_collector_request_seconds", Help: "From request header to answer, the wait for durability included.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}, []string{"endpoint"}),
		accepted: f.NewCounterVec(prometheus.CounterOpts{
			Name: "partnerpulse_collector_events_accepted_total", Help: "Events made durable in Kafka or the spool, by way in.",
		}, []string{"source"}),
		rejected: f.NewCounterVec(prometheus.CounterOpts{
			Name: "partnerpulse_collector_events_rejected_total", Help: "Events refused and kept on the rejects topic, by reason.",
		}, []string{"code"}),
		bodyBytes: f.NewCounter(prometheus.CounterOpts{
			Name: "partnerpulse_collector_body_bytes_total", Help: "Inflated bytes of request bodies.",
		}),
		tooLargeBytes: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "partnerpulse_collector_too_large_bytes",
			Help:    "Requests answered 413, by key (empty: not known before the body is read): size of the body as announced, else as far as it was read. Nothing of them is kept.",
			Buckets: prometheus.ExponentialBuckets(64<<10, 4, 8), // 64 KiB to 1 GiB
		}, []string{"key_id"}),
		publishSeconds: f.NewHistogram(prometheus.HistogramOpts{
			Name: "partnerpulse_collector_publish_seconds", Help: "Waiting until a request's records are durable in Kafka or the spool.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}),
		publishErrors: f.NewCounter(prometheus.CounterOpts{
			Name: "partnerpulse_collector_publish_errors_total", Help: "Requests whose records could not be made durable.",
		}),
	}
}
