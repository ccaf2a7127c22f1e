package notifier

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	transitions *prometheus.CounterVec
	unreadable  prometheus.Counter
	composed    *prometheus.CounterVec
	attempts    *prometheus.CounterVec
	seconds     *prometheus.HistogramVec
	errors      *prometheus.CounterVec
	disabled    *prometheus.GaugeVec
	lead        prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: "partnerpulse_notifier_" + name, Help: help}, labels)
	}
	return &metrics{
		transitions: counters("transitions_total", "Transitions read from the alert topics, repetitions included.", "rule"),
		unreadable: f.NewCounter(prometheus.CounterOpts{
			Name: "partnerpulse_notifier_unreadable_total", Help: "Records of the alert topics that are no alert; they are left out.",
		}),
		composed: counters("messages_total", "Messages composed.", "endpoint"),
		attempts: counters("attempts_total", "Attempts to deliver, by result: delivered, failed, dead, gone; and superseded, not attempted for another message tells it.", "endpoint", "result"),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "partnerpulse_notifier_attempt_seconds", Help: "Time of an attempt.", Buckets: prometheus.ExponentialBuckets(.01, 2.5, 9),
		}, []string{"endpoint"}),
		errors: counters("errors_total", "Failures of the notifier's own work, which is repeated, by step.", "step"),
		disabled: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "partnerpulse_notifier_endpoint_disabled", Help: "1: the endpoint has answered 410 Gone and is sent nothing.",
		}, []string{"endpoint"}),
		lead: f.NewGauge(prometheus.GaugeOpts{
			Name: "partnerpulse_notifier_lead", Help: "1: this process composes and sends.",
		}),
	}
}
