package notifier

import (
	"context"
	"fmt"
	"slices"
	"time"

	"partnerpulse/internal/chstore"
)

// supersede takes out of the due messages those that another message of the endpoint
// tells already, and records them as superseded; what else was in them is planned
// again.
//
// One process plans at a time, but a process that was stopped while it planned may
// write its messages down after another has taken over and planned otherwise. The
// same message has the same id, and is sent once; of two that overlap, the one that
// has been attempted stays, else the older.
func (n *Notifier) supersede(ctx context.Context, e *Endpoint, due []Delivery) ([]Delivery, error) {
	if len(due) == 0 {
		return nil, nil
	}
	var alerts []string
	since := due[0].Created
	for i := range due {
		alerts = append(alerts, due[i].Alerts...)
		if due[i].Created.Before(since) {
			since = due[i].Created
		}
	}
	// A repetition tells the same again on purpose, a whole Repeat later.
	apart := n.cfg.Repeat / 2
	var all []Delivery
	p := chstore.Params{"endpoint": e.Name, "alerts": alerts, "since": since.Add(-apart).UTC().Format(storeTime)}
	if err := n.deps.Store.Select(ctx, &all, query("rivals"), p); err != nil {
		return nil, fmt.Errorf("looking for messages that overlap: %w", err)
	}
	var out []Delivery
	for i := range due {
		d := &due[i]
		j := slices.IndexFunc(all, func(o Delivery) bool { return o.precedes(d, apart) })
		if j < 0 {
			out = append(out, *d)
			continue
		}
		d.Status, d.LastError = superseded, "told by "+all[j].ID
		all = slices.DeleteFunc(all, func(o Delivery) bool { return o.ID == d.ID })
		n.metrics.attempts.WithLabelValues(e.Name, superseded).Inc()
		if err := n.record(ctx, d); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// precedes tells whether o is another message that tells something of d, and is the
// one to be sent.
func (o *Delivery) precedes(d *Delivery, apart time.Duration) bool {
	if o.ID == d.ID || d.Attempts > 0 || o.Created.Sub(d.Created).Abs() >= apart {
		return false
	}
	if o.Attempts == 0 && !o.Created.Before(d.Created) && (o.Created.After(d.Created) || o.ID > d.ID) {
		return false
	}
	for i, id := range o.Alerts {
		if k := slices.Index(d.Alerts, id); k >= 0 && o.Sequences[i] == d.Sequences[k] {
			return true
		}
	}
	return false
}
