package replay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/go-json-experiment/json"
	"go.uber.org/zap"
)

const answerBytesMax = 8 << 20

// sending is one run.
type sending struct {
	*Replay
	report *Report
	seen   map[[16]byte]struct{} // digests of what was sent
	total  uint64
	// forgotten tells what names somebody who was erased; nil: nobody was.
	forgotten func(tenant, text string, rejectedAt time.Time) bool
}

// page sends the rejects of one page, each way in the order of arrival.
func (s *sending) page(ctx context.Context, rows []row) error {
	batches := map[way][]item{}
	sizes := map[way]int{}
	for i := range rows {
		w, body, skip := rows[i].prepare()
		if s.forgotten != nil && s.forgotten(rows[i].Tenant, rows[i].Original+" "+rows[i].Message, rows[i].RejectedAt) {
			skip = skipForgotten
		}
		if skip == "" && !s.isNew(w, body) {
			skip = skipDuplicate
		}
		if skip != "" {
			s.report.Skipped[skip]++
			s.tell(false)
			continue
		}
		if full := len(batches[w]) >= s.cfg.BatchMax || sizes[w]+len(body) > s.cfg.BatchBytesMax || w.single; full {
			if err := s.deliver(ctx, w, batches[w]); err != nil {
				return err
			}
			batches[w], sizes[w] = nil, 0
		}
		batches[w], sizes[w] = append(batches[w], item{id: rows[i].EventID, body: body}), sizes[w]+len(body)
	}
	for _, w := range []way{wayEvents(), waySegment(), wayCloudEvents(), wayXAPI()} {
		if err := s.deliver(ctx, w, batches[w]); err != nil {
			return err
		}
	}
	return nil
}

func (s *sending) isNew(w way, body []byte) bool {
	sum := sha256.Sum256(append([]byte(w.path+"\n"), body...))
	digest := [16]byte(sum[:16])
	if _, ok := s.seen[digest]; ok {
		return false
	}
	s.seen[digest] = struct{}{}
	return true
}

// errDivide asks for a batch to be sent in halves: something in it makes the
// collector refuse it as a whole.
type errDivide struct{ refusal }

func (e *errDivide) Error() string { return e.Code + ": " + e.Message }

// deliver sends a batch until it is answered. Of a batch that is refused as a whole,
// the events at fault are found by halving.
func (s *sending) deliver(ctx context.Context, w way, batch []item) error {
	if len(batch) == 0 {
		return nil
	}
	body := w.body(batch)
	pause := &backoff.ExponentialBackOff{InitialInterval: s.cfg.RetryMin, MaxInterval: s.cfg.RetryMax, Multiplier: 2, RandomizationFactor: .5}
	refused, err := backoff.Retry(ctx, func() (map[int]refusal, error) { return s.attempt(ctx, w, body, len(batch)) },
		backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(s.cfg.GiveUp),
		backoff.WithNotify(func(err error, pause time.Duration) {
			s.log.Warn("the collector did not take a batch; trying again", zap.Error(err), zap.Duration("pause", pause))
		}))
	var divide *errDivide
	switch {
	case errors.As(err, &divide) && len(batch) > 1:
		half := len(batch) / 2
		if err := s.deliver(ctx, w, batch[:half]); err != nil {
			return err
		}
		return s.deliver(ctx, w, batch[half:])
	case errors.As(err, &divide):
		refused = map[int]refusal{0: divide.refusal}
	case err != nil:
		return fmt.Errorf("sending to %s: %w", w.path, err)
	}
	for i := range batch {
		bad, ok := refused[i]
		if ok && bad.ID == "" {
			bad.ID = batch[i].id
		}
		s.report.sent(ok, bad)
	}
	s.tell(false)
	return nil
}

// attempt posts once. Its errors are worth another try, or permanent.
func (s *sending) attempt(ctx context.Context, w way, body []byte, n int) (map[int]refusal, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(s.cfg.Collector, "/")+w.path, bytes.NewReader(body))
	if err != nil {
		return nil, backoff.Permanent(fmt.Errorf("making the request: %w", err))
	}
	req.Header.Set("Content-Type", w.contentType)
	req.Header.Set("Authorization", "Bearer "+s.cfg.Key)
	req.Header.Set("User-Agent", "partnerpulse-replay/1")
	if w.single {
		req.Header.Set("X-Experience-API-Version", "1.0.3")
	}
	s.report.Requests++
	res, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("posting %d events: %w", n, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, answerBytesMax))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	switch code := res.StatusCode; {
	case code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code >= 500:
		fault := fmt.Errorf("the collector answered %s: %s", res.Status, excerpt(raw))
		if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds >= 0 {
			return nil, fmt.Errorf("%w: %w", fault, &backoff.RetryAfterError{Duration: time.Duration(seconds) * time.Second})
		}
		return nil, fault
	default:
		return s.settled(w, res, raw, n)
	}
}

// settled reads an answer that another try would not change.
func (s *sending) settled(w way, res *http.Response, raw []byte, n int) (map[int]refusal, error) {
	refused, ok, err := w.refused(res.StatusCode, res.Header, raw, n)
	if ok {
		return refused, nil
	}
	fault := fmt.Errorf("the collector answered %s: %s", res.Status, excerpt(raw))
	switch code := res.StatusCode; code {
	case http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge:
		var a answer
		if err := json.Unmarshal(raw, &a); err == nil && a.Error.Code != "" && a.Error.Code != "xapi_version" {
			return nil, backoff.Permanent(&errDivide{refusal{Code: a.Error.Code, Message: a.Error.Message}})
		}
	}
	return nil, backoff.Permanent(errors.Join(fault, err))
}

func excerpt(b []byte) string {
	const most = 300
	return string(bytes.TrimSpace(b[:min(len(b), most)]))
}
