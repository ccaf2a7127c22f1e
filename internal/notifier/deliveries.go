package notifier

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"time"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/detect"
)

//go:embed sql/*.sql
var statements embed.FS

// query gives the text of sql/name.sql. A missing file is a programming error that
// the first test run shows.
func query(name string) string {
	b, err := statements.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err)
	}
	return string(b)
}

// The states of a delivery.
const (
	queued     = "queued"
	delivered  = "delivered"
	dead       = "dead"
	superseded = "superseded" // another message tells it; never sent
)

// Delivery is one message to one endpoint and its fate.
type Delivery struct {
	Endpoint  string    `ch:"endpoint" json:"endpoint"`
	ID        string    `ch:"delivery_id" json:"delivery_id"`
	Tenant    string    `ch:"tenant" json:"tenant"`
	Owner     string    `ch:"owner" json:"owner"`
	Alerts    []string  `ch:"alert_ids" json:"alert_ids"`
	Sequences []uint64  `ch:"sequences" json:"-"`
	Body      string    `ch:"body" json:"-"`
	Status    string    `ch:"status" json:"status"`
	Attempts  uint32    `ch:"attempts" json:"attempts"`
	Next      time.Time `ch:"next_at" json:"-"`
	LastError string    `ch:"last_error" json:"last_error"`
	Created   time.Time `ch:"created_at" json:"created_at"`
	Updated   time.Time `ch:"updated_at" json:"updated_at"`
}

// deliveryColumns are rows of notifier_deliveries, written at now.
func deliveryColumns(rows []Delivery, now time.Time) []chstore.Column {
	n := len(rows)
	names := []string{"endpoint", "delivery_id", "tenant", "owner", "body", "status", "last_error"}
	texts := make([][]string, len(names))
	alerts, sequences := make([][]string, n), make([][]uint64, n)
	attempts, ver := make([]uint32, n), make([]uint64, n)
	next, created, updated := make([]time.Time, n), make([]time.Time, n), make([]time.Time, n)
	for i, d := range rows {
		for j, s := range []string{d.Endpoint, d.ID, d.Tenant, d.Owner, d.Body, d.Status, d.LastError} {
			texts[j] = append(texts[j], s)
		}
		alerts[i], sequences[i], attempts[i] = d.Alerts, d.Sequences, d.Attempts
		next[i], created[i], updated[i], ver[i] = d.Next, d.Created, now, uint64(now.UnixNano())
	}
	cols := []chstore.Column{
		{Name: "alert_ids", Values: alerts}, {Name: "sequences", Values: sequences}, {Name: "attempts", Values: attempts},
		{Name: "next_at", Values: next}, {Name: "created_at", Values: created}, {Name: "updated_at", Values: updated}, {Name: "ver", Values: ver},
	}
	for j, name := range names {
		cols = append(cols, chstore.Column{Name: name, Values: texts[j]})
	}
	return cols
}

// Plan composes what the endpoints have to be told and writes it down as queued.
func (n *Notifier) Plan(ctx context.Context) error {
	// Taken before the reading, so that what another process does to a message
	// meanwhile is newer than this one's row of it.
	now := n.deps.Now()
	var rows []struct {
		Tenant     string    `ch:"tenant"`
		ID         string    `ch:"alert_id"`
		Transition string    `ch:"transition_id"`
		Partner    string    `ch:"partner_id"`
		Subject    string    `ch:"subject"`
		Rule       string    `ch:"rule"`
		Status     string    `ch:"status"`
		Severity   string    `ch:"severity"`
		Owner      string    `ch:"owner"`
		Data       string    `ch:"data"`
		Received   time.Time `ch:"received_at"`
		Sequence   uint64    `ch:"sequence"`
	}
	if err := n.deps.Store.Select(ctx, &rows, query("alerts"), nil); err != nil {
		return fmt.Errorf("reading alerts: %w", err)
	}
	var told []struct {
		Endpoint string    `ch:"endpoint"`
		Alert    string    `ch:"alert_id"`
		Sequence uint64    `ch:"sequence"`
		At       time.Time `ch:"at"`
	}
	if err := n.deps.Store.Select(ctx, &told, query("told"), nil); err != nil {
		return fmt.Errorf("reading what was told: %w", err)
	}
	alerts := make([]Alert, len(rows))
	for i, r := range rows {
		alerts[i] = Alert{
			Tenant: r.Tenant, ID: r.ID, Transition: r.Transition, Partner: r.Partner, Subject: r.Subject, Rule: detect.Rule(r.Rule),
			Status: detect.Status(r.Status), Severity: r.Severity, Owner: r.Owner, Data: []byte(r.Data), Received: r.Received, Sequence: r.Sequence,
		}
	}
	var fresh []Delivery
	for i := range n.cfg.Endpoints {
		e := &n.cfg.Endpoints[i]
		mine := make(map[string]Told)
		for _, t := range told {
			if t.Endpoint == e.Name {
				mine[t.Alert] = Told{Sequence: t.Sequence, At: t.At}
			}
		}
		for _, note := range n.cfg.plan(now, e, alerts, mine) {
			body, err := note.body(e.Format, now)
			if err != nil {
				return err
			}
			d := Delivery{
				Endpoint: e.Name, ID: note.ID, Tenant: note.Tenant, Owner: note.Owner, Body: string(body), Status: queued, Next: now, Created: now,
			}
			for _, a := range note.Alerts {
				d.Alerts, d.Sequences = append(d.Alerts, a.ID), append(d.Sequences, a.Sequence)
			}
			fresh = append(fresh, d)
			n.metrics.composed.WithLabelValues(e.Name).Inc()
		}
	}
	if err := n.deps.Store.InsertColumns(ctx, "notifier_deliveries", deliveryColumns(fresh, now)); err != nil {
		return fmt.Errorf("writing messages down: %w", err)
	}
	return nil
}

// urlHash names an address without telling it: it may hold a token.
func urlHash(url string) string {
	sum := sha256.Sum256([]byte(url))
	return hex.EncodeToString(sum[:8])
}

// Dead lists the messages whose attempts are used up, oldest first; endpoint
// empty: of all endpoints.
func Dead(ctx context.Context, store Store, endpoint string) ([]Delivery, error) {
	var rows []Delivery
	if err := store.Select(ctx, &rows, query("dead"), chstore.Params{"endpoint": endpoint}); err != nil {
		return nil, fmt.Errorf("reading dead messages: %w", err)
	}
	return rows, nil
}

// Resend queues dead messages again, under their ids: those with the given ids, or
// with none all of the endpoint. A disabled endpoint is enabled by it. It gives what
// was queued.
func Resend(ctx context.Context, store Store, endpoint string, ids []string, now time.Time) ([]Delivery, error) {
	all, err := Dead(ctx, store, endpoint)
	if err != nil {
		return nil, err
	}
	wanted := make(map[string]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	var out []Delivery
	endpoints := make(map[string]bool)
	for _, d := range all {
		if len(ids) > 0 && !wanted[d.ID] {
			continue
		}
		d.Status, d.Attempts, d.Next = queued, 0, now
		out = append(out, d)
		endpoints[d.Endpoint] = true
	}
	var gone []endpointState
	if err := store.Select(ctx, &gone, query("disabled"), nil); err != nil {
		return nil, fmt.Errorf("reading disabled endpoints: %w", err)
	}
	for _, g := range gone {
		if !endpoints[g.Endpoint] {
			continue
		}
		if err := store.InsertColumns(ctx, "notifier_endpoints", endpointColumns(g.Endpoint, g.URLHash, 0, "enabled by a resend", now)); err != nil {
			return nil, fmt.Errorf("enabling %s: %w", g.Endpoint, err)
		}
	}
	if err := store.InsertColumns(ctx, "notifier_deliveries", deliveryColumns(out, now)); err != nil {
		return nil, fmt.Errorf("queueing dead messages: %w", err)
	}
	return out, nil
}

// endpointState is a row of notifier_endpoints.
type endpointState struct {
	Endpoint string `ch:"endpoint"`
	URLHash  string `ch:"url_hash"`
	Reason   string `ch:"reason"`
}

func endpointColumns(endpoint, hash string, disabled uint8, reason string, now time.Time) []chstore.Column {
	return []chstore.Column{
		{Name: "endpoint", Values: []string{endpoint}}, {Name: "url_hash", Values: []string{hash}}, {Name: "disabled", Values: []uint8{disabled}},
		{Name: "reason", Values: []string{reason}}, {Name: "updated_at", Values: []time.Time{now}}, {Name: "ver", Values: []uint64{uint64(now.UnixNano())}},
	}
}
