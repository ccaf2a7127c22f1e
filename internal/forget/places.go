package forget

import (
	"context"
	_ "embed" // the statements
	"fmt"
	"net/url"
	"slices"
	"strings"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/event"
	"partnerpulse/internal/forgotten"
	"partnerpulse/internal/kafkabus"
)

//go:embed sql/rejects.sql
var rejectsSQL string

// rejects erases the refused events that name somebody, by the rule by which the
// guard later keeps them out.
func (e *erasure) rejects(ctx context.Context) error {
	names := []string{e.req.id()}
	if visitors, ok := e.params["visitors"].([]string); ok {
		names = append(names, visitors...)
	}
	var spellings []string
	for _, n := range names {
		spellings = append(spellings, n, url.QueryEscape(n))
	}
	var ids []uint64
	for p := range inPieces(chstore.Params{"tenant": e.req.Tenant, "spellings": spellings}) {
		var rows []struct {
			ID       uint64 `ch:"id"`
			Original string `ch:"original"`
			Message  string `ch:"message"`
		}
		if err := e.deps.Store.Select(ctx, &rows, rejectsSQL, p); err != nil {
			return fmt.Errorf("reading rejects: %w", err)
		}
		for i := range rows {
			if slices.ContainsFunc(names, func(n string) bool { return forgotten.Names(rows[i].Original+" "+rows[i].Message, n) }) {
				ids = append(ids, rows[i].ID)
			}
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) == 0 {
		e.report.add("rejects", 0, "")
		return nil
	}
	return e.from(ctx, "rejects", "tenant = {tenant:String} AND has({ids:Array(UInt64)}, id)", chstore.Params{"tenant": e.req.Tenant, "ids": ids})
}

// topics writes tombstones on the compacted topics: the directory's also make the
// collectors forget whose the user was.
func (e *erasure) topics(ctx context.Context) error {
	topics := []string{kafkabus.TopicDirectory}
	if e.req.kind() == forgotten.Partner {
		topics = append(topics, kafkabus.TopicScores, kafkabus.TopicAlertState)
	}
	for _, topic := range topics {
		if err := e.tombstones(ctx, topic); err != nil {
			return err
		}
	}
	return nil
}

func (e *erasure) tombstones(ctx context.Context, topic string) error {
	live := map[string]bool{} // key → has a value
	err := e.deps.Log.ReadAll(ctx, topic, func(r kafkabus.Record) error {
		if e.owns(string(r.Key)) {
			live[string(r.Key)] = r.Value != nil
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading what is compacted: %w", err)
	}
	found := uint64(0)
	for _, alive := range live {
		if alive {
			found++
		}
	}
	if topic == kafkabus.TopicDirectory && e.req.kind() == forgotten.User {
		// A collector may have learnt from calls whose the user is.
		for _, k := range e.days {
			live[strings.Join([]string{event.Key(e.req.Tenant, k.Partner), "user", e.req.User}, event.EntitySeparator)] = true
		}
	}
	e.report.add(topic, found, "tombstones; compaction removes the records")
	if e.req.DryRun {
		return nil
	}
	var msgs []kafkabus.Message
	for key, alive := range live {
		if alive {
			msgs = append(msgs, kafkabus.Message{Topic: topic, Key: []byte(key)})
		}
	}
	if len(msgs) == 0 {
		return nil
	}
	if err := e.deps.Log.Publish(ctx, msgs...); err != nil {
		return fmt.Errorf("publishing tombstones: %w", err)
	}
	return nil
}

// owns tells whether a record with this key is of the one to be erased.
func (e *erasure) owns(key string) bool {
	owner, _, _ := strings.Cut(key, event.EntitySeparator)
	if e.req.kind() == forgotten.Partner {
		return owner == event.Key(e.req.Tenant, e.req.Partner)
	}
	tenant, _, user, ok := event.UserOfKey(key)
	return ok && tenant == e.req.Tenant && user == e.req.User
}
