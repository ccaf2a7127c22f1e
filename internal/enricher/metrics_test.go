package enricher_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	dto "github.com/prometheus/client_model/go"

	"partnerpulse/internal/enricher"
)

// TestMetricsTellWhatAnOperatorNeeds: sizes of batches, time of inserts, rows, repeated
// attempts, rejects, and how old events are when they can be read. Lag is the consumer's
// (partnerpulse_kafka_consumer_lag_records).
func TestMetricsTellWhatAnOperatorNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, store, publisher := newFakeGeneration(), newFakeStore(), newFakePublisher()
		const away = 3 * time.Second
		failures := 2
		store.fail = func(table string, _ int) error {
			if table != "events" {
				return nil
			}
			time.Sleep(away)
			if failures--; failures >= 0 {
				return errors.New("away")
			}
			return nil
		}
		old := sample("old")
		old.ReceivedAt = time.Now().UTC().Add(-time.Minute).Truncate(time.Millisecond)
		fresh := sample("fresh")
		fresh.ReceivedAt = old.ReceivedAt.Add(time.Second)
		in := fetch(0, 0, value(t, fresh), value(t, old), []byte("{"))

		e, reg := newEnricher(enricher.Config{}, oneGeneration(g), store, publisher)
		done := make(chan error, 1)
		go func() { done <- e.Run(t.Context()) }()
		g.batches <- in
		close(g.batches)
		if err := <-done; err != nil {
			t.Fatal(err)
		}

		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		byName := map[string]*dto.Metric{}
		for _, f := range families {
			byName[f.GetName()] = f.GetMetric()[0]
		}
		for name, want := range map[string]float64{
			"events_total": 2, "retries_total": 2, "rejects_total": 1, "commits_total": 1, "dirty_keys_total": 1, "dropped_rows_total": 0,
		} {
			m := byName["partnerpulse_enricher_"+name]
			if m == nil || m.GetCounter().GetValue() != want {
				t.Errorf("%s is %v, want %v", name, m, want)
			}
		}
		for name, want := range map[string]struct{ count, least, most float64 }{
			"batch_rows": {1, 2, 2}, "batch_bytes": {1, float64(in.Bytes), float64(in.Bytes)},
			"insert_seconds":    {3, 3 * away.Seconds(), 3 * away.Seconds()}, // failed ones, too
			"freshness_seconds": {1, (time.Minute + 3*away).Seconds(), (2 * time.Minute).Seconds()},
		} {
			h := byName["partnerpulse_enricher_"+name].GetHistogram()
			if float64(h.GetSampleCount()) != want.count || h.GetSampleSum() < want.least || h.GetSampleSum() > want.most {
				t.Errorf("%s has %d values, in all %v; want %+v", name, h.GetSampleCount(), h.GetSampleSum(), want)
			}
		}
	})
}
