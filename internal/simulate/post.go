package simulate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/go-json-experiment/json"
	"go.uber.org/zap"
)

const answerBytesMax = 8 << 20

// answer is the collector's to POST /v1/events.
type answer struct {
	Accepted int       `json:"accepted"`
	Rejected int       `json:"rejected"`
	Errors   []problem `json:"errors"`
}

type problem struct {
	Index   int    `json:"index"` // in the batch
	ID      string `json:"id"`
	Code    string `json:"code"`
	Pointer string `json:"pointer"`
	Message string `json:"message"`
}

// errTooLarge asks for the batch to be sent in halves.
var errTooLarge = errors.New("the collector finds the batch too large")

// deliver sends a batch until it is answered, with the same ids each time, for as
// long as ctx lives. Errors are hard: repeating cannot help.
func (s *sender) deliver(ctx context.Context, batch []item) error {
	body, err := s.encoder.encode(batch)
	if err != nil {
		return err
	}
	attempts := 0
	got, err := backoff.Retry(ctx, func() (*answer, error) {
		if attempts++; attempts > 1 {
			s.metrics.retried.Add(float64(len(batch)))
			s.tally.repeated(len(batch))
		}
		return s.attempt(ctx, body, len(batch))
	}, backoff.WithBackOff(s.backOff()), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, pause time.Duration) {
		s.log.Warn("The collector did not take a batch; trying again", zap.Error(err), zap.Duration("pause", pause), zap.Int("attempt", attempts))
	}))
	switch {
	case errors.Is(err, errTooLarge) && len(batch) > 1:
		half := len(batch) / 2
		if err := s.deliver(ctx, batch[:half]); err != nil {
			return err
		}
		return s.deliver(ctx, batch[half:])
	case errors.Is(err, errTooLarge):
		return s.confirm(batch, map[int]problem{0: {ID: batch[0].id, Code: "http_413", Message: errTooLarge.Error()}})
	case err != nil:
		return err
	}
	refused, err := got.refused(len(batch))
	if err != nil {
		return err
	}
	return s.confirm(batch, refused)
}

func (s *sender) backOff() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{
		InitialInterval: s.cfg.RetryMin, MaxInterval: s.cfg.RetryMax, Multiplier: 2, RandomizationFactor: .5,
	}
}

// attempt posts once. Its errors are either worth another try or permanent.
func (s *sender) attempt(ctx context.Context, body []byte, events int) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return nil, backoff.Permanent(fmt.Errorf("making the request: %w", err))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+s.cfg.Key)
	req.Header.Set("User-Agent", "partnerpulse-simulate/1")
	if s.encoder.name != "" {
		req.Header.Set("Content-Encoding", s.encoder.name)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.metrics.requests.WithLabelValues("error").Inc()
		s.tally.requested()
		return nil, fmt.Errorf("posting %d events: %w", events, err)
	}
	defer resp.Body.Close()
	s.metrics.requests.WithLabelValues(strconv.Itoa(resp.StatusCode)).Inc()
	s.tally.requested()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, answerBytesMax))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	return classify(resp, raw, events)
}

// classify tells success, another try, and hard errors apart by the status.
func classify(resp *http.Response, raw []byte, events int) (*answer, error) {
	var got answer
	parseErr := json.Unmarshal(raw, &got)
	fault := fmt.Errorf("the collector answered %s: %s", resp.Status, excerpt(raw))
	switch code := resp.StatusCode; {
	case code == http.StatusOK || code == http.StatusAccepted:
		if parseErr != nil {
			return nil, backoff.Permanent(fmt.Errorf("%w: %w", fault, parseErr))
		}
		return &got, nil
	case code == http.StatusBadRequest && parseErr == nil && len(got.Errors) == events:
		return &got, nil // every event was refused, each with its reason
	case code == http.StatusRequestEntityTooLarge:
		return nil, backoff.Permanent(errTooLarge)
	case code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code >= 500:
		if pause, ok := retryAfter(resp.Header.Get("Retry-After")); ok {
			return nil, fmt.Errorf("%w: %w", fault, &backoff.RetryAfterError{Duration: pause})
		}
		return nil, fault
	default:
		return nil, backoff.Permanent(fault)
	}
}

// retryAfter reads both forms of the header (RFC 9110, 10.2.3) and adds up to a
// fifth, so that many senders do not come back in the same instant.
func retryAfter(header string) (time.Duration, bool) {
	var pause time.Duration
	if seconds, err := strconv.Atoi(header); err == nil && seconds >= 0 {
		pause = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		pause = max(0, time.Until(at))
	} else {
		return 0, false
	}
	return pause + rand.N(pause/5+time.Millisecond), true
}

// refused gives the rejected events by index, and checks that the answer adds up:
// an event that is neither accepted nor rejected would be lost in silence.
func (a *answer) refused(events int) (map[int]problem, error) {
	out := make(map[int]problem, len(a.Errors))
	for _, p := range a.Errors {
		if p.Index < 0 || p.Index >= events {
			return nil, fmt.Errorf("reading the answer: it names event %d of a batch of %d", p.Index, events)
		}
		out[p.Index] = p
	}
	if a.Accepted+a.Rejected != events || len(out) != a.Rejected {
		return nil, fmt.Errorf("reading the answer: %d accepted, %d rejected and %d errors do not add up to %d events", a.Accepted, a.Rejected, len(out), events)
	}
	return out, nil
}

func excerpt(b []byte) string {
	const most = 300
	if len(b) > most {
		return string(b[:most]) + "…"
	}
	return string(bytes.TrimSpace(b))
}
