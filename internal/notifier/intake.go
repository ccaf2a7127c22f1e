package notifier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.uber.org/zap"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/detect"
	"partnerpulse/internal/kafkabus"
)

// read stores what comes on the alert topics, then commits: at least once, and
// stored by alert and sequence, so that a repetition changes nothing.
func (n *Notifier) read(ctx context.Context, g kafkabus.Generation) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case batch, ok := <-g.Batches():
			if !ok {
				return nil
			}
			err := n.take(ctx, g, batch)
			batch.Release()
			if err != nil {
				return err
			}
		}
	}
}

// take stores one batch, trying for as long as the partition is ours.
func (n *Notifier) take(ctx context.Context, g kafkabus.Generation, batch kafkabus.Batch) error {
	var alerts []Alert
	for i := range batch.Records {
		r := &batch.Records[i]
		a, err := decode(r.Key, r.Value)
		if err != nil {
			n.metrics.unreadable.Inc()
			n.log.Warn("a record is no alert; it is left out", zap.String("topic", r.Topic), zap.Int("partition", r.Partition),
				zap.Int64("offset", r.Offset), zap.Error(err))
			continue
		}
		a.Received = n.deps.Now()
		n.metrics.transitions.WithLabelValues(string(a.Rule)).Inc()
		alerts = append(alerts, a)
	}
	retry := backoff.NewExponentialBackOff()
	for {
		err := n.deps.Store.InsertColumns(ctx, "notifier_alerts", alertColumns(alerts))
		if err == nil {
			break
		}
		n.metrics.errors.WithLabelValues("store").Inc()
		wait := retry.NextBackOff()
		n.log.Warn("storing alerts failed", zap.Error(err), zap.Duration("retry_in", wait))
		select {
		case <-ctx.Done():
			return nil // not committed: delivered again
		case <-time.After(wait):
		}
	}
	last := batch.Records[len(batch.Records)-1]
	err := g.Commit(kafkabus.Offsets{{Topic: batch.Topic, Partition: batch.Partition}: last.Offset + 1})
	switch {
	case errors.Is(err, kafkabus.ErrGenerationEnded):
		return nil
	case err != nil:
		n.metrics.errors.WithLabelValues("commit").Inc()
		n.log.Warn("committing failed; the next commit covers it", zap.Error(err))
	}
	return nil
}

// errNoAlert is wrapped when a record lacks what an alert must have.
var errNoAlert = errors.New("record is no alert")

// decode reads a structured CloudEvent of an alert topic. Of the contract only what
// the notifier needs is demanded, so that later versions can add to it.
func decode(key, value []byte) (Alert, error) {
	var e struct {
		ID      string         `json:"id"`
		Tenant  string         `json:"tenant"`
		Subject string         `json:"subject"`
		Data    jsontext.Value `json:"data"`
	}
	if err := json.Unmarshal(value, &e); err != nil {
		return Alert{}, fmt.Errorf("%w: %w", errNoAlert, err)
	}
	var d struct {
		ID       string        `json:"alert_id"`
		Rule     detect.Rule   `json:"rule"`
		Status   detect.Status `json:"status"`
		Severity string        `json:"severity"`
		Owner    string        `json:"owner"`
		Sequence uint64        `json:"sequence"`
	}
	if err := json.Unmarshal(e.Data, &d); err != nil {
		return Alert{}, fmt.Errorf("%w: %w", errNoAlert, err)
	}
	prefix := e.Tenant + "/"
	if e.ID == "" || e.Tenant == "" || d.ID == "" || d.Rule == "" || d.Status == "" || d.Sequence == 0 ||
		len(key) <= len(prefix) || string(key[:len(prefix)]) != prefix {
		return Alert{}, fmt.Errorf("%w: id, tenant, alert_id, rule, status or sequence is missing, or the key is not the tenant's", errNoAlert)
	}
	return Alert{
		Tenant: e.Tenant, ID: d.ID, Transition: e.ID, Partner: string(key[len(prefix):]), Subject: e.Subject, Rule: d.Rule, Status: d.Status,
		Severity: d.Severity, Owner: d.Owner, Data: e.Data, Sequence: d.Sequence,
	}, nil
}

func alertColumns(alerts []Alert) []chstore.Column {
	n := len(alerts)
	names := []string{"tenant", "alert_id", "transition_id", "partner_id", "subject", "rule", "status", "severity", "owner", "data"}
	texts := make([][]string, len(names))
	received, sequence := make([]time.Time, n), make([]uint64, n)
	for i, a := range alerts {
		for j, s := range []string{
			a.Tenant, a.ID, a.Transition, a.Partner, a.Subject, string(a.Rule), string(a.Status), a.Severity, a.Owner, string(a.Data),
		} {
			texts[j] = append(texts[j], s)
		}
		received[i], sequence[i] = a.Received, a.Sequence
	}
	cols := []chstore.Column{{Name: "received_at", Values: received}, {Name: "sequence", Values: sequence}}
	for j, name := range names {
		cols = append(cols, chstore.Column{Name: name, Values: texts[j]})
	}
	return cols
}
