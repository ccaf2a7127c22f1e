package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"go.uber.org/zap"

	"partnerpulse/internal/event"
)

// Config says what is imported where.
type Config struct {
	Kind      Kind
	At        time.Time // when the rows hold; with the row it makes the event's id
	Collector string    // base address
	Key       string    // server key with the scope directory
	DryRun    bool      // check only
	// BatchMax and BatchBytesMax bound one request. Defaults 100 and 256 KiB.
	BatchMax, BatchBytesMax int
	// RequestTimeout bounds one request (default 60 s), GiveUp the repetition of one
	// that the collector cannot take at the moment (default 5 min).
	RequestTimeout, GiveUp time.Duration
	// RetryMin and RetryMax bound the pause between repetitions. Defaults 200 ms, 10 s.
	RetryMin, RetryMax time.Duration
}

// ProblemsMax is how many problems a report names; all are counted.
const ProblemsMax = 100

// Schemas checks events; *eventschema.Set is one.
type Schemas interface {
	Check(t event.Type, raw []byte) []event.Problem
}

// Deps is what an import works with.
type Deps struct {
	Schemas   Schemas
	Transport http.RoundTripper // nil: the usual one
	Progress  func(Progress)    // nil: nobody looks
}

// Progress of the sending, in rows.
type Progress struct {
	Done, Total int
	Finished    bool
}

// Report is what became of a file.
type Report struct {
	Kind     string    `json:"kind"`
	DryRun   bool      `json:"dry_run"`
	Rows     int       `json:"rows"`     // without the header and empty lines
	Wrong    int       `json:"wrong"`    // rows with a problem
	Accepted int       `json:"accepted"` // events that the collector took, those it had before too
	Rejected int       `json:"rejected"` // events that it refused
	Problems []Problem `json:"problems"` // the first ProblemsMax
}

// ErrProblems says that a file, or what the collector thinks of it, has problems; the
// report names them.
var ErrProblems = errors.New("the file was not imported as it is")

// Importer imports one file.
type Importer struct {
	cfg    Config
	deps   Deps
	log    *zap.Logger
	client *http.Client
}

// New checks cfg.
func New(cfg Config, deps Deps, log *zap.Logger) (*Importer, error) {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	wait := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&cfg.BatchMax, 100)
	def(&cfg.BatchBytesMax, 256<<10)
	wait(&cfg.RequestTimeout, time.Minute)
	wait(&cfg.GiveUp, 5*time.Minute)
	wait(&cfg.RetryMin, 200*time.Millisecond)
	wait(&cfg.RetryMax, 10*time.Second)
	if !cfg.DryRun {
		if u, err := url.Parse(cfg.Collector); err != nil || u.Host == "" {
			return nil, fmt.Errorf("the collector's address %q is not a URL such as http://127.0.0.1:8080", cfg.Collector)
		}
		if cfg.Key == "" {
			return nil, errors.New(`importing needs a server key with the scope "directory"`)
		}
	}
	return &Importer{cfg: cfg, deps: deps, log: log, client: &http.Client{Transport: deps.Transport, Timeout: cfg.RequestTimeout}}, nil
}

// Run checks the whole file and, unless something is wrong with it or it is a dry
// run, sends it. The report is there after an error too.
func (m *Importer) Run(ctx context.Context, file io.ReadSeeker) (*Report, error) {
	report := &Report{Kind: m.cfg.Kind.Name, DryRun: m.cfg.DryRun, Problems: []Problem{}}
	if err := m.check(file, report); err != nil {
		return report, err
	}
	if report.Wrong > 0 {
		return report, fmt.Errorf("%w: %d of %d rows have problems, nothing was sent", ErrProblems, report.Wrong, report.Rows)
	}
	if m.cfg.DryRun {
		return report, nil
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return report, fmt.Errorf("reading the file again: %w", err)
	}
	if err := m.send(ctx, file, report); err != nil {
		return report, err
	}
	if report.Rejected > 0 {
		return report, fmt.Errorf("%w: the collector refused %d of %d events; the others are in: mend these and import again",
			ErrProblems, report.Rejected, report.Rejected+report.Accepted)
	}
	return report, nil
}

// check goes through all rows without sending.
func (m *Importer) check(file io.Reader, report *Report) error {
	seen := make(map[string]int)
	return m.each(file, func(line int, cells map[string]string, problems []Problem, _ []jsontext.Value) error {
		report.Rows++
		if cells != nil {
			var name []string
			for _, k := range m.cfg.Kind.keys {
				name = append(name, cells[k])
			}
			key := strings.Join(name, event.EntitySeparator)
			if first, twice := seen[key]; twice {
				problems = append(problems, Problem{line, m.cfg.Kind.keys[0], "twice",
					fmt.Sprintf("%q stands on line %d too: which of the two holds is not to be told, keep one", strings.Join(name, ", "), first)})
			} else {
				seen[key] = line
			}
		}
		if len(problems) > 0 {
			report.Wrong++
			report.add(problems...)
		}
		return nil
	})
}

func (r *Report) add(problems ...Problem) {
	r.Problems = append(r.Problems, problems[:min(len(problems), ProblemsMax-len(r.Problems))]...)
}

// each calls visit for every row with its cells, problems and events.
func (m *Importer) each(file io.Reader, visit func(line int, cells map[string]string, problems []Problem, events []jsontext.Value) error) error {
	t, err := newTable(file, m.cfg.Kind)
	if err != nil {
		return err
	}
	for {
		cells, line, err := t.next()
		var wrong *rowError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &wrong):
			if err := visit(wrong.Line, nil, []Problem{wrong.Problem}, nil); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		wires, problems := m.cfg.Kind.events(cells, line, m.cfg.At)
		var events []jsontext.Value
		for i := range wires {
			raw, err := wires[i].encode()
			if err != nil {
				return err
			}
			for _, p := range m.deps.Schemas.Check(wires[i].Type, raw) {
				// A partner_id can be wrong in the envelope and in data: that is one mistake.
				told := Problem{line, m.cfg.Kind.column(p.Pointer), string(p.Code), p.Message}
				if !slices.ContainsFunc(problems, func(q Problem) bool { return q.Column == told.Column && q.Code == told.Code }) {
					problems = append(problems, told)
				}
			}
			events = append(events, raw)
		}
		if err := visit(line, cells, problems, events); err != nil {
			return err
		}
	}
}
