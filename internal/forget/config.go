package forget

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"partnerpulse/internal/forgotten"
	"partnerpulse/internal/kafkabus"
)

// Request says who is erased.
type Request struct {
	Tenant    string
	User      string // one of User and Partner
	Partner   string
	Pseudonym string // that the tenant's key makes of User; empty without a key
	// Block refuses for ever what comes of them, instead of what was received so far.
	Block bool
	// DryRun counts and changes nothing.
	DryRun bool
	// Wait is how long to wait for the aggregator to recompute; 0: not at all.
	Wait time.Duration
}

func (r *Request) validate() error {
	if r.Tenant == "" || (r.User == "") == (r.Partner == "") {
		return errors.New("a tenant and either a user or a partner are needed")
	}
	return nil
}

func (r *Request) kind() forgotten.Kind {
	if r.Partner != "" {
		return forgotten.Partner
	}
	return forgotten.User
}

func (r *Request) id() string { return r.User + r.Partner }

// Log is Kafka.
type Log interface {
	// ReadAll hands over what a topic holds.
	ReadAll(ctx context.Context, topic string, fn func(kafkabus.Record) error) error
	Publish(ctx context.Context, msgs ...kafkabus.Message) error
}

// Deps is what an erasure works with.
type Deps struct {
	Store Store
	Log   Log
	Now   func() time.Time
	// Recomputable is the first UTC day that may be marked for recomputation: days
	// before it are about to expire, and would be recomputed from what is left of
	// them. Zero: every day.
	Recomputable time.Time
}

// Forgetter erases.
type Forgetter struct {
	deps Deps
	log  *zap.Logger
}

// New makes a forgetter.
func New(deps Deps, log *zap.Logger) *Forgetter {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	return &Forgetter{deps: deps, log: log}
}

// Report tells what was found and erased, place by place.
type Report struct {
	Tenant  string    `json:"tenant"`
	Kind    string    `json:"kind"`
	DryRun  bool      `json:"dry_run"`
	Until   time.Time `json:"until"`   // what was received up to here is refused from now on
	Pending bool      `json:"pending"` // the aggregator has yet to recompute: repeat the command
	Days    int       `json:"days"`    // (partner, day) keys marked for recomputation
	Places  []Place   `json:"places"`
}

// Place is a table or a topic.
type Place struct {
	Name   string `json:"name"`
	Rows   uint64 `json:"rows"` // found, versions included; erased unless it is a dry run
	Remark string `json:"remark,omitempty"`
}

func (r *Report) add(name string, rows uint64, remark string) {
	for i := range r.Places {
		if r.Places[i].Name == name {
			r.Places[i].Rows += rows
			return
		}
	}
	r.Places = append(r.Places, Place{name, rows, remark})
}
