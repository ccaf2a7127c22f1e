package kafkabus

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const metricPrefix = "partnerpulse_kafka_"

// register adds a collector, or gives the one of the same name back: several
// producers and consumers of one process share a registry and their metrics.
func register[T prometheus.Collector](reg prometheus.Registerer, collector T) T {
	err := reg.Register(collector)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		if existing, ok := already.ExistingCollector.(T); ok {
			return existing
		}
	}
	if err != nil {
		panic(err) // two different metrics of one name: a programming error
	}
	return collector
}

type producerMetrics struct {
	records *prometheus.CounterVec
	bytes   *prometheus.CounterVec
	seconds prometheus.Histogram
	retries prometheus.Counter
}

func newProducerMetrics(reg prometheus.Registerer) *producerMetrics {
	return &producerMetrics{
		records: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: metricPrefix + "published_records_total", Help: "Records published, by topic and result (ok, failed).",
		}, []string{"topic", "result"})),
		bytes: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: metricPrefix + "published_bytes_total", Help: "Key and value bytes of acknowledged records, before compression.",
		}, []string{"topic"})),
		seconds: register(reg, prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: metricPrefix + "publish_seconds", Help: "Time from Publish to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		})),
		retries: register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: metricPrefix + "publish_retries_total", Help: "Batches of a partition that are sent again.",
		})),
	}
}

// observe counts one Publish. err is nil when all records are durable.
func (m *producerMetrics) observe(msgs []Message, err *PublishError, took time.Duration) {
	m.seconds.Observe(took.Seconds())
	// Neighbours of one topic and result are counted together: a look-up by label for
	// every record costs more than encoding it.
	next := 0
	isFailed := func(i int) bool {
		for err != nil && next < len(err.Failed) && err.Failed[next] < i {
			next++
		}
		return err != nil && next < len(err.Failed) && err.Failed[next] == i
	}
	for i := 0; i < len(msgs); {
		topic, failed := msgs[i].Topic, isFailed(i)
		records, bytes := 0, 0
		for i < len(msgs) && msgs[i].Topic == topic && isFailed(i) == failed {
			records++
			bytes += len(msgs[i].Key) + len(msgs[i].Value)
			i++
		}
		if failed {
			m.records.WithLabelValues(topic, "failed").Add(float64(records))
			continue
		}
		m.records.WithLabelValues(topic, "ok").Add(float64(records))
		m.bytes.WithLabelValues(topic).Add(float64(bytes))
	}
}

type consumerMetrics struct {
	records     *prometheus.CounterVec
	bytes       *prometheus.CounterVec
	lag         *prometheus.GaugeVec
	gaps        *prometheus.CounterVec
	gapRecords  *prometheus.CounterVec
	lateCommits *prometheus.CounterVec
	backward    *prometheus.CounterVec
	errors      *prometheus.CounterVec
	generations *prometheus.CounterVec
	again       *prometheus.CounterVec
	inFlight    *prometheus.GaugeVec
}

func newConsumerMetrics(reg prometheus.Registerer) *consumerMetrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: metricPrefix + name, Help: help}, labels))
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return register(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: metricPrefix + name, Help: help}, labels))
	}
	return &consumerMetrics{
		records:     counter("fetched_records_total", "Records fetched.", "group", "topic"),
		bytes:       counter("fetched_bytes_total", "Key and value bytes fetched, uncompressed.", "group", "topic"),
		lag:         gauge("consumer_lag_records", "High watermark minus committed offset.", "group", "topic", "partition"),
		gaps:        counter("gaps_total", "Times that records were gone from the log before they were read.", "group", "topic"),
		gapRecords:  counter("gap_records_total", "Offsets that were gone from the log before they were read.", "group", "topic"),
		lateCommits: counter("late_commits_total", "Offsets not committed because their generation had ended.", "group"),
		backward:    counter("backward_commits_total", "Commits refused because they would rewind a partition.", "group"),
		errors:      counter("consumer_errors_total", "Errors by stage (group, dial, fetch, commit); all are retried.", "group", "stage"),
		generations: counter("generations_total", "Generations of the group that this member took part in.", "group"),
		again:       counter("delivered_again_total", "Times that what was not committed was read again in the same generation.", "group"),
		inFlight:    gauge("in_flight_bytes", "Bytes fetched and not yet released.", "group"),
	}
}
