package collector

import (
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"go.uber.org/zap"

	"partnerpulse/internal/event"
)

// failure is the refusal of a whole request.
type failure struct {
	status     int
	code       string // stable, for programs and metrics
	message    string // what is wrong and how to mend it
	retryAfter time.Duration
}

// errorBody is the JSON of every refusal.
type errorBody struct {
	Error errorDetail `json:"error"`
}

type errorDetail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Docs    string `json:"docs"`
}

// outcome is what became of the events of one request, once it is durable.
type outcome struct {
	accepted []*event.Event
	rejected []rejection
}

// rejection is one refused event and its place in the request.
type rejection struct {
	index   int
	draft   *draft
	problem event.Problem
}

// answerBody is the JSON answer to events.
type answerBody struct {
	Accepted int        `json:"accepted"`
	Rejected int        `json:"rejected"`
	Errors   []errorRow `json:"errors,omitempty"`
}

type errorRow struct {
	Index   int        `json:"index"` // from 0, in the order sent
	ID      string     `json:"id,omitempty"`
	Code    event.Code `json:"code"`
	Pointer string     `json:"pointer"`
	Message string     `json:"message"`
}

// answerEvents tells what became of each event: 202, or 400 when none was taken, or
// 403 when that was because they claim to be somebody else's.
func (c *Collector) answerEvents(w http.ResponseWriter, out *outcome) int {
	body := answerBody{Accepted: len(out.accepted), Rejected: len(out.rejected)}
	for _, r := range out.rejected {
		body.Errors = append(body.Errors, errorRow{
			Index: r.index, ID: r.draft.event.ID, Code: r.problem.Code, Pointer: r.problem.Pointer, Message: r.problem.Message,
		})
	}
	status := http.StatusAccepted
	switch {
	case out.allForbidden():
		status = http.StatusForbidden
	case body.Accepted == 0 && body.Rejected > 0:
		status = http.StatusBadRequest
	}
	c.writeJSON(w, status, &body)
	return status
}

// answerBeacon says that the request was dealt with. The page has gone, nobody
// reads more; what was refused is on the rejects topic.
func (c *Collector) answerBeacon(w http.ResponseWriter, out *outcome) int {
	status := http.StatusNoContent
	if out.allForbidden() {
		status = http.StatusForbidden
	}
	w.WriteHeader(status)
	return status
}

// refuse answers a failure and counts it.
func (c *Collector) refuse(w http.ResponseWriter, endpoint string, f *failure) {
	c.metrics.requests.WithLabelValues(endpoint, strconv.Itoa(f.status), f.code).Inc()
	if f.retryAfter > 0 {
		seconds := (f.retryAfter + time.Second - 1) / time.Second
		w.Header().Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	c.writeJSON(w, f.status, &errorBody{errorDetail{Code: f.code, Message: f.message, Docs: c.cfg.DocsURL + "#" + f.code}})
}

func (c *Collector) writeJSON(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil { // every string was made valid UTF-8 before
		c.log.Error("encoding an answer", zap.Error(err))
		status, b = http.StatusInternalServerError, []byte(`{"error":{"code":"internal","message":"the answer could not be encoded"}}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// A client that has gone sends the same ids again.
	_, _ = w.Write(append(b, '\n'))
}
