package spool

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	appended      prometheus.Counter
	appendErrors  *prometheus.CounterVec
	replayed      prometheus.Counter
	replayErrors  *prometheus.CounterVec
	fsyncSeconds  prometheus.Histogram
	skippedBytes  *prometheus.CounterVec
	lostRecords   prometheus.Counter
	setAside      prometheus.Counter
	groupRequests prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer, s *Spool) *metrics {
	f := promauto.With(reg)
	gauge := func(name, help string, value func() float64) {
		f.NewGaugeFunc(prometheus.GaugeOpts{Name: "partnerpulse_spool_" + name, Help: help}, value)
	}
	gauge("bytes", "Bytes of the spool's files.", func() float64 { return float64(s.Stats().Bytes) })
	gauge("bytes_max", "Bytes at which appends fail.", func() float64 { return float64(s.cfg.BytesMax) })
	gauge("records", "Records that wait for Kafka.", func() float64 { return float64(s.Stats().Records) })
	gauge("oldest_age_seconds", "Age of the oldest record that waits; 0 without any.", func() float64 {
		if st := s.Stats(); st.Records > 0 {
			return max(0, time.Since(st.Oldest).Seconds())
		}
		return 0
	})
	return &metrics{
		appended: f.NewCounter(prometheus.CounterOpts{
			Name: "partnerpulse_spool_appended_records_total", Help: "Records made durable on disk.",
		}),
		appendErrors: f.NewCounterVec(prometheus.CounterOpts{
			Name: "partnerpulse_spool_append_errors_total", Help: "Appends refused, by reason (full, disk, closed).",
		}, []string{"reason"}),
		replayed: f.NewCounter(prometheus.CounterOpts{
			Name: "partnerpulse_spool_replayed_records_total", Help: "Records delivered to Kafka from the spool.",
		}),
		replayErrors: f.NewCounterVec(prometheus.CounterOpts{
			Name: "partnerpulse_spool_replay_errors_total", Help: "Failed attempts to deliver, by stage (read, deliver); all are retried.",
		}, []string{"stage"}),
		fsyncSeconds: f.NewHistogram(prometheus.HistogramOpts{
			Name: "partnerpulse_spool_fsync_seconds", Help: "Duration of one fsync.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 17),
		}),
		skippedBytes: f.NewCounterVec(prometheus.CounterOpts{
			Name: "partnerpulse_spool_corrupt_bytes_total",
			Help: "Bytes skipped because they are no record: torn (the unfinished write of a crash) or damaged (between records; the file is kept).",
		}, []string{"kind"}),
		lostRecords: f.NewCounter(prometheus.CounterOpts{
			Name: "partnerpulse_spool_corrupt_records_total", Help: "Records written by this process that could not be read back.",
		}),
		setAside: f.NewCounter(prometheus.CounterOpts{
			Name: "partnerpulse_spool_undeliverable_records_total", Help: "Records set aside because Kafka can never take them.",
		}),
		groupRequests: f.NewHistogram(prometheus.HistogramOpts{
			Name: "partnerpulse_spool_group_appends", Help: "Appends that shared one commit.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 11),
		}),
	}
}
