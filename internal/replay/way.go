package replay

import (
	"bytes"
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json"
)

// way is how events of one source are sent: the sender of an event used it, or one
// that takes the same form.
type way struct {
	path        string
	contentType string
	head, tail  string // around the events of a request
	single      bool   // one event a request
}

func wayEvents() way {
	return way{path: "/v1/events", contentType: "application/json", head: "[", tail: "]"}
}

func waySegment() way {
	return way{path: "/v1/batch", contentType: "application/json", head: `{"batch":[`, tail: "]}"}
}

func wayCloudEvents() way {
	return way{path: "/v1/cloudevents", contentType: "application/cloudevents-batch+json", head: "[", tail: "]"}
}

// wayXAPI sends each statement alone: a request with one bad statement is refused whole.
func wayXAPI() way {
	return way{path: "/xapi/statements", contentType: "application/json", single: true}
}

// body puts events into a request.
func (w *way) body(items []item) []byte {
	var b bytes.Buffer
	b.WriteString(w.head)
	for i := range items {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(items[i].body)
	}
	b.WriteString(w.tail)
	return b.Bytes()
}

// refusal is why an event was refused again.
type refusal struct {
	Index   int    `json:"index"`
	ID      string `json:"id"`
	Code    string `json:"code"`
	Pointer string `json:"pointer"`
	Message string `json:"message"`
}

// answer is what any of the ways answers.
type answer struct {
	Accepted *int      `json:"accepted"`
	Success  *bool     `json:"success"`
	Errors   []refusal `json:"errors"`
	Error    struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// codeNotCounted stands for xAPI statements that were taken and not counted; why is
// said by the new reject.
const codeNotCounted = "not_counted"

// refused gives what an answer refuses of n events, by index; ok is false for an
// answer to the request as a whole.
func (w *way) refused(status int, header http.Header, raw []byte, n int) (out map[int]refusal, ok bool, err error) {
	if w.single {
		switch {
		case status == http.StatusOK && header.Get("X-PartnerPulse-Not-Counted") != "":
			return map[int]refusal{0: {Code: codeNotCounted, Message: "the statement was taken and is not counted"}}, true, nil
		case status == http.StatusOK:
			return nil, true, nil
		}
		return nil, false, nil
	}
	var a answer
	if err := json.Unmarshal(raw, &a); err != nil {
		return nil, false, fmt.Errorf("reading the answer: %w", err)
	}
	if a.Accepted == nil && a.Success == nil {
		return nil, false, nil
	}
	out = make(map[int]refusal, len(a.Errors))
	for _, e := range a.Errors {
		if e.Index < 0 || e.Index >= n {
			return nil, false, fmt.Errorf("reading the answer: it names event %d of %d", e.Index, n)
		}
		out[e.Index] = e
	}
	if a.Accepted != nil && *a.Accepted+len(out) != n {
		return nil, false, fmt.Errorf("reading the answer: %d accepted and %d refused are not %d events", *a.Accepted, len(out), n)
	}
	return out, true, nil
}
