package aggregator

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/alert"
	"partnerpulse/internal/event"
	"partnerpulse/internal/kafkabus"
)

// alertMessages are the records for the topics of their rules.
func alertMessages(tenantID string, records []alertRecord) []kafkabus.Message {
	var out []kafkabus.Message
	for i := range records {
		if r := &records[i]; !r.Historical {
			topic, _ := topicOf(r.Rule)
			out = append(out, kafkabus.Message{Topic: topic, Key: []byte(event.Key(tenantID, r.Partner)), Value: r.message})
		}
	}
	return out
}

// stateKey is the key of the compacted topic: the partner, as on every topic. What
// concerns no single partner is told apart by its subject behind event.EntitySeparator,
// or one record would hold the alerts of all documents.
func stateKey(tenantID, partner, subject string) string {
	key := event.Key(tenantID, partner)
	if subject != partner {
		key += event.EntitySeparator + subject
	}
	return key
}

// stateMessages give the current alerts of each key with news. The compacted topic
// keeps one record per key: the alert that changed last, and under "alerts" the
// state of all fingerprints of the key, with who inhibits them now.
func stateMessages(t *tenant, n *telling, records []alertRecord) ([]kafkabus.Message, error) {
	current := make(map[string]map[string]alertData) // key, fingerprint; later sequences overwrite
	put := func(key string, d alertData) {
		if current[key] == nil {
			current[key] = make(map[string]alertData)
		}
		current[key][d.Fingerprint] = d
	}
	var errs []error
	partners := make(map[string]string)
	for i := range n.known { // ordered by sequence
		if k := &n.known[i]; k.Message != "" {
			d, err := k.data()
			errs = append(errs, err)
			put(stateKey(t.id, k.Partner, k.Subject), d)
		}
	}
	newest := make(map[string]*alertRecord)
	for i := range records {
		r := &records[i]
		if r.Historical {
			continue
		}
		key := stateKey(t.id, r.Partner, r.Subject)
		put(key, r.data)
		newest[key], partners[key] = r, r.Partner
	}
	var out []kafkabus.Message
	for _, key := range slices.Sorted(maps.Keys(newest)) {
		value, err := stateMessage(t, newest[key], current[key], n.book, partners[key])
		errs = append(errs, err)
		out = append(out, kafkabus.Message{Topic: kafkabus.TopicAlertState, Key: []byte(key), Value: value})
	}
	return out, errors.Join(errs...)
}

// stateMessage is a value on the alert-state topic: the data of the alert that
// changed last, and all current ones of its key.
func stateMessage(t *tenant, newest *alertRecord, all map[string]alertData, book *alert.Book, partner string) ([]byte, error) {
	var list []jsontext.Value
	for _, fingerprint := range slices.Sorted(maps.Keys(all)) {
		d := all[fingerprint]
		d.InhibitedBy = nonNil(book.Inhibitors(d.Rule, partner))
		one, err := marshalData(&d)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	alerts, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("encoding alerts: %w", err)
	}
	d := newest.data
	d.InhibitedBy = nonNil(book.Inhibitors(d.Rule, partner))
	d.More = maps.Clone(d.More)
	if d.More == nil {
		d.More = make(map[string]jsontext.Value, 1)
	}
	d.More["alerts"] = alerts
	value, err := marshalData(&d)
	if err != nil {
		return nil, err
	}
	return marshalEvent(t, newest.Transition, typeAlertState, newest.Subject, newest.at, value)
}
