package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.uber.org/zap"
)

const answerBytesMax = 8 << 20

// item is an event and the line that it came from.
type item struct {
	line int
	raw  jsontext.Value
}

// send posts the events of all rows in their order.
func (m *Importer) send(ctx context.Context, file io.Reader, report *Report) error {
	var batch []item
	size, done := 0, 0
	flush := func() error {
		if err := m.deliver(ctx, batch, report); err != nil {
			return err
		}
		batch, size = batch[:0], 0
		m.tell(Progress{Done: done, Total: report.Rows})
		return nil
	}
	err := m.each(file, func(line int, _ map[string]string, problems []Problem, events []jsontext.Value) error {
		if len(problems) > 0 {
			return fmt.Errorf("%w: line %d was right a moment ago, the file has changed meanwhile", ErrFile, line)
		}
		for _, raw := range events {
			if len(batch) >= m.cfg.BatchMax || len(batch) > 0 && size+len(raw) > m.cfg.BatchBytesMax {
				if err := flush(); err != nil {
					return err
				}
			}
			batch, size = append(batch, item{line, raw}), size+len(raw)
		}
		done++
		return nil
	})
	if err == nil {
		err = flush()
	}
	m.tell(Progress{Done: done, Total: report.Rows, Finished: true})
	return err
}

func (m *Importer) tell(p Progress) {
	if m.deps.Progress != nil {
		m.deps.Progress(p)
	}
}

// answer is the collector's.
type answer struct {
	Accepted *int      `json:"accepted"`
	Errors   []refusal `json:"errors"`
	Error    struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

type refusal struct {
	Index   int    `json:"index"`
	Code    string `json:"code"`
	Pointer string `json:"pointer"`
	Message string `json:"message"`
}

var errTooLarge = errors.New("the collector finds the request too large")

// deliver sends a batch until it is answered, with the same ids each time.
func (m *Importer) deliver(ctx context.Context, batch []item, report *Report) error {
	if len(batch) == 0 {
		return nil
	}
	pause := &backoff.ExponentialBackOff{InitialInterval: m.cfg.RetryMin, MaxInterval: m.cfg.RetryMax, Multiplier: 2, RandomizationFactor: .5}
	got, err := backoff.Retry(ctx, func() (*answer, error) { return m.attempt(ctx, batch) },
		backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(m.cfg.GiveUp),
		backoff.WithNotify(func(err error, pause time.Duration) {
			m.log.Warn("the collector did not take a batch; trying again", zap.Error(err), zap.Duration("pause", pause))
		}))
	if errors.Is(err, errTooLarge) && len(batch) > 1 {
		half := len(batch) / 2
		if err := m.deliver(ctx, batch[:half], report); err != nil {
			return err
		}
		return m.deliver(ctx, batch[half:], report)
	}
	if err != nil {
		return fmt.Errorf("sending lines %d to %d: %w", batch[0].line, batch[len(batch)-1].line, err)
	}
	for _, e := range got.Errors {
		if e.Index < 0 || e.Index >= len(batch) {
			return fmt.Errorf("the collector refused event %d of %d: %s", e.Index, len(batch), e.Message)
		}
		report.add(Problem{batch[e.Index].line, m.cfg.Kind.column(e.Pointer), e.Code, e.Message + mend(e.Code)})
	}
	report.Rejected += len(got.Errors)
	report.Accepted += len(batch) - len(got.Errors)
	return nil
}

// mend adds what the collector cannot know about an import.
func mend(code string) string {
	switch code {
	case "too_old":
		return `; give --at a later time, or use a key with the scope "backfill"`
	case "in_future":
		return "; give --at a time that has been"
	}
	return ""
}

// attempt posts once. Its errors are worth another try, or permanent.
func (m *Importer) attempt(ctx context.Context, batch []item) (*answer, error) {
	body := []byte{'['}
	for i, it := range batch {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, it.raw...)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(m.cfg.Collector, "/")+"/v1/events", bytes.NewReader(append(body, ']')))
	if err != nil {
		return nil, backoff.Permanent(fmt.Errorf("making the request: %w", err))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+m.cfg.Key)
	req.Header.Set("User-Agent", "partnerpulse-import/1")
	res, err := m.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("posting %d events: %w", len(batch), err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, answerBytesMax))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	fault := fmt.Errorf("the collector answered %s: %.300s", res.Status, bytes.TrimSpace(raw))
	switch code := res.StatusCode; {
	case code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code >= 500:
		if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds >= 0 {
			return nil, fmt.Errorf("%w: %w", fault, &backoff.RetryAfterError{Duration: time.Duration(seconds) * time.Second})
		}
		return nil, fault
	case code == http.StatusRequestEntityTooLarge:
		return nil, backoff.Permanent(fmt.Errorf("%w: %w", errTooLarge, fault))
	}
	var a answer
	if err := json.Unmarshal(raw, &a); err != nil || a.Accepted == nil && len(a.Errors) == 0 {
		return nil, backoff.Permanent(errors.Join(fault, err))
	}
	return &a, nil
}
