package enricher

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	events     prometheus.Counter
	batchRows  prometheus.Histogram
	batchBytes prometheus.Histogram
	insert     prometheus.Histogram
	freshness  prometheus.Histogram
	retries    *prometheus.CounterVec
	rejects    *prometheus.CounterVec
	dropped    prometheus.Counter
	again      prometheus.Counter
	commits    *prometheus.CounterVec
	dirtyKeys  prometheus.Counter
	forgotten  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	const prefix = "partnerpulse_enricher_"
	return &metrics{
		events: f.NewCounter(prometheus.CounterOpts{Name: prefix + "events_total", Help: "Event rows inserted, replays included."}),
		batchRows: f.NewHistogram(prometheus.HistogramOpts{
			Name: prefix + "batch_rows", Help: "Rows per flushed batch.", Buckets: prometheus.ExponentialBuckets(1, 4, 10),
		}),
		batchBytes: f.NewHistogram(prometheus.HistogramOpts{
			Name: prefix + "batch_bytes", Help: "Record bytes per flushed batch.", Buckets: prometheus.ExponentialBuckets(1024, 4, 10),
		}),
		insert: f.NewHistogram(prometheus.HistogramOpts{
			Name: prefix + "insert_seconds", Help: "Time of one insert into events, failed ones included; of a streamed one, from its last row to the answer.",
			Buckets: prometheus.ExponentialBuckets(0.002, 2, 15),
		}),
		freshness: f.NewHistogram(prometheus.HistogramOpts{
			Name: prefix + "freshness_seconds", Help: "From received_at to inserted, of the oldest event of each batch.",
			Buckets: prometheus.ExponentialBuckets(0.05, 2, 18),
		}),
		retries: f.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "retries_total", Help: "Failed attempts that were repeated, by stage (events, forgotten, dirty_days, rejects).",
		}, []string{"stage"}),
		rejects: f.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "rejects_total", Help: "Records published to the rejects topic, by code.",
		}, []string{"code"}),
		dropped: f.NewCounter(prometheus.CounterOpts{
			Name: prefix + "dropped_rows_total", Help: "Rows given up because their partitions moved, or an insert before them failed; they are delivered again.",
		}),
		again: f.NewCounter(prometheus.CounterOpts{
			Name: prefix + "streams_failed_total", Help: "Streamed inserts that failed; their events are read again, in batches that are held.",
		}),
		commits: f.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "commits_total", Help: "Offset commits by result (ok, ended, failed).",
		}, []string{"result"}),
		forgotten: f.NewCounter(prometheus.CounterOpts{
			Name: prefix + "forgotten_total", Help: "Records of erased users and partners that were not stored.",
		}),
		dirtyKeys: f.NewCounter(prometheus.CounterOpts{
			Name: prefix + "dirty_keys_total", Help: "Marks written: (tenant, partner, day) keys whose events changed.",
		}),
	}
}
