package notifier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/zap"

	"partnerpulse/internal/chstore"
)

// sendBatchMax bounds the messages of one round of one endpoint.
const sendBatchMax = 20

// storeTime is how an instant is written in a parameter of a query.
const storeTime = "2006-01-02 15:04:05.000"

// send attempts the due messages of one endpoint, in the order of their making.
func (n *Notifier) send(ctx context.Context, e *Endpoint) error {
	var gone []endpointState
	if err := n.deps.Store.Select(ctx, &gone, query("disabled"), nil); err != nil {
		return fmt.Errorf("reading disabled endpoints: %w", err)
	}
	disabled := ""
	for _, g := range gone {
		if g.Endpoint == e.Name && g.URLHash == urlHash(e.URL) {
			disabled = g.Reason
		}
	}
	n.metrics.disabled.WithLabelValues(e.Name).Set(0)
	if disabled != "" {
		n.metrics.disabled.WithLabelValues(e.Name).Set(1)
	}
	var due []Delivery
	p := chstore.Params{"endpoint": e.Name, "now": n.deps.Now().UTC().Format(storeTime), "most": uint64(sendBatchMax)}
	if err := n.deps.Store.Select(ctx, &due, query("due"), p); err != nil {
		return fmt.Errorf("reading due messages: %w", err)
	}
	due, err := n.supersede(ctx, e, due)
	if err != nil {
		return err
	}
	for i := range due {
		select {
		case <-ctx.Done():
			return nil
		default:
		}
		d := &due[i]
		if disabled != "" {
			d.Status, d.LastError = dead, disabled
			n.metrics.attempts.WithLabelValues(e.Name, "dead").Inc()
		} else {
			// Begun, an attempt is finished and recorded, also when the notifier stops.
			disabled = n.attempt(context.WithoutCancel(ctx), e, d)
		}
		if err := n.record(context.WithoutCancel(ctx), d); err != nil {
			return err
		}
	}
	return nil
}

// recordTimeout bounds the record of an attempt.
const recordTimeout = 10 * time.Second

func (n *Notifier) record(ctx context.Context, d *Delivery) error {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	if err := n.deps.Store.InsertColumns(ctx, "notifier_deliveries", deliveryColumns([]Delivery{*d}, n.deps.Now())); err != nil {
		return fmt.Errorf("recording an attempt: %w", err)
	}
	return nil
}

// attempt sends once and says on d what came of it. It gives why the endpoint has
// been disabled, if it has.
func (n *Notifier) attempt(ctx context.Context, e *Endpoint, d *Delivery) (disabled string) {
	begin := time.Now()
	wait, err := n.post(ctx, e, d)
	n.metrics.seconds.WithLabelValues(e.Name).Observe(time.Since(begin).Seconds())
	d.Attempts++
	result := "failed"
	switch {
	case err == nil:
		d.Status, d.LastError, result = delivered, "", "delivered"
	case errors.Is(err, errGone):
		d.Status, d.LastError, result = dead, err.Error(), "gone"
		disabled = "answered 410 Gone"
		if err := n.deps.Store.InsertColumns(ctx, "notifier_endpoints", endpointColumns(e.Name, urlHash(e.URL), 1, disabled, n.deps.Now())); err != nil {
			n.metrics.errors.WithLabelValues("disable").Inc()
			n.log.Warn("recording that an endpoint is gone failed; it will say so again", zap.String("endpoint", e.Name), zap.Error(err))
		}
	case int(d.Attempts) > len(n.cfg.Retries):
		d.Status, d.LastError, result = dead, err.Error(), "dead"
	default:
		pause := n.cfg.Retries[d.Attempts-1]
		pause += time.Duration((2*rand.Float64() - 1) * n.cfg.Jitter * float64(pause))
		d.LastError, d.Next = err.Error(), n.deps.Now().Add(max(pause, wait))
	}
	n.metrics.attempts.WithLabelValues(e.Name, result).Inc()
	if err != nil {
		n.log.Warn("a message was not delivered", zap.String("endpoint", e.Name), zap.String("delivery", d.ID),
			zap.Uint32("attempt", d.Attempts), zap.String("result", result), zap.String("error", d.LastError))
	}
	return disabled
}

// Errors of an attempt.
var (
	errGone    = errors.New("answered 410 Gone: the endpoint is disabled")
	errRefused = errors.New("not accepted")
)

// Bounds of what an endpoint may say.
const (
	answerBytesMax = 64 << 10
	retryAfterMax  = 24 * time.Hour
)

// post sends a message once. wait is how long the endpoint asks to be left alone.
func (n *Notifier) post(ctx context.Context, e *Endpoint, d *Delivery) (wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, bytes.NewReader([]byte(d.Body)))
	if err != nil {
		return 0, errors.New("the address cannot be used")
	}
	now := n.deps.Now()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "PartnerPulse-Webhook/1")
	req.Header.Set(standardwebhooks.HeaderWebhookID, d.ID)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	if signature, err := e.sign(d.ID, now, []byte(d.Body)); err != nil {
		return 0, err
	} else if signature != "" {
		req.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	}
	resp, err := n.clients[e.Name].Do(req)
	if err != nil {
		var told *url.Error
		if errors.As(err, &told) {
			err = told.Err // without the address, which may hold a token
		}
		return 0, fmt.Errorf("sending: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, answerBytesMax)
	switch {
	case resp.StatusCode/100 == 2:
		return 0, nil
	case resp.StatusCode == http.StatusGone:
		return 0, errGone
	case resp.StatusCode/100 == 3:
		return 0, fmt.Errorf("%w: answered %d, a redirect, which is not followed", errRefused, resp.StatusCode)
	}
	return retryAfter(resp.Header.Get("Retry-After"), now), fmt.Errorf("%w: answered %d", errRefused, resp.StatusCode)
}

// retryAfter reads the header, seconds or a date (RFC 9110, 10.2.3), as the time to
// wait from now on; 0 if it says nothing.
func retryAfter(value string, now time.Time) time.Duration {
	wait := time.Duration(0)
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), retryAfterMax)
}

// sign gives the signatures with all secrets, separated by spaces; empty without one.
func (e *Endpoint) sign(id string, at time.Time, body []byte) (string, error) {
	var out []string
	for _, secret := range e.Secrets {
		w, err := standardwebhooks.NewWebhook(secret.Reveal())
		if err != nil {
			return "", errors.New("a secret cannot be read") // the cause would show it
		}
		s, err := w.Sign(id, at, body)
		if err != nil {
			return "", fmt.Errorf("signing: %w", err)
		}
		out = append(out, s)
	}
	return strings.Join(out, " "), nil
}
