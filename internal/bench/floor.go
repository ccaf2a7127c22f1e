package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.uber.org/zap"

	"partnerpulse/internal/event"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/obs"
)

// publisher makes records durable.
type publisher interface {
	Publish(ctx context.Context, msgs ...kafkabus.Message) error
}

// floorTenant is the tenant in the floor's record keys.
const floorTenant = "bench"

// floorEvent is what the floor decodes of an event: all of it, and no more is done
// with it than to find the record's key.
type floorEvent struct {
	ID          string         `json:"id"`
	Type        string         `json:"type"`
	Time        string         `json:"time"`
	PartnerID   string         `json:"partner_id"`
	UserID      string         `json:"user_id"`
	AnonymousID string         `json:"anonymous_id"`
	SessionID   string         `json:"session_id"`
	Internal    bool           `json:"internal"`
	Context     floorContext   `json:"context"`
	Data        jsontext.Value `json:"data"`
}

type floorContext struct {
	URL         string `json:"url"`
	Referrer    string `json:"referrer"`
	Title       string `json:"title"`
	UserAgent   string `json:"user_agent"`
	Locale      string `json:"locale"`
	Timezone    string `json:"timezone"`
	Screen      string `json:"screen"`
	UTMSource   string `json:"utm_source"`
	UTMMedium   string `json:"utm_medium"`
	UTMCampaign string `json:"utm_campaign"`
	UTMTerm     string `json:"utm_term"`
	UTMContent  string `json:"utm_content"`
}

// floor is the least handler that could be called a collector: it reads, decodes with
// the same JSON library, publishes each event's own bytes, and answers. No key, no
// limits, no checks, no stamps, no rejects, no metrics of its own.
type floor struct{ to publisher }

// ServeHTTP takes an array of events, or one.
func (f *floor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := make([]byte, 0, max(0, r.ContentLength)+1)
	buffer := bytes.NewBuffer(body)
	if _, err := buffer.ReadFrom(r.Body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	msgs, err := floorRecords(buffer.Bytes())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := f.to.Publish(r.Context(), msgs...); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// floorRecords decodes a body in one pass.
func floorRecords(body []byte) ([]kafkabus.Message, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(body))
	many := d.PeekKind() == '['
	if many {
		if _, err := d.ReadToken(); err != nil {
			return nil, err
		}
	}
	var msgs []kafkabus.Message
	for {
		switch d.PeekKind() {
		case '{':
		case ']':
			_, err := d.ReadToken()
			return msgs, err
		default:
			_, err := d.ReadToken()
			if errors.Is(err, io.EOF) && !many {
				err = nil
			}
			return msgs, err
		}
		var e floorEvent
		start := d.InputOffset()
		if err := json.UnmarshalDecode(d, &e); err != nil {
			return nil, err
		}
		value := bytes.TrimLeft(body[start:d.InputOffset()], ", \t\r\n")
		msgs = append(msgs, kafkabus.Message{Topic: kafkabus.TopicEvents, Key: []byte(event.Key(floorTenant, e.PartnerID)), Value: value})
	}
}

// RunFloor serves the floor on a free port until ctx ends, producing as the collector
// does.
func RunFloor(ctx context.Context, kafka kafkabus.Config, log *zap.Logger, ready func(Address) error) error {
	producer := kafkabus.NewProducer(kafkabus.DefaultProducerConfig(kafka), log, obs.NewRegistry())
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening for the floor: %w", err)
	}
	srv := &http.Server{Handler: &floor{to: producer}, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	if err := ready(Address{Addr: l.Addr().String()}); err != nil {
		return errors.Join(err, srv.Close(), producer.Close())
	}
	select {
	case err = <-served:
	case <-ctx.Done():
		err = srv.Close()
		<-served //nolint:errcheck // http.ErrServerClosed, after Close
	}
	return errors.Join(err, producer.Close())
}
