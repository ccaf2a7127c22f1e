// Package directory knows which partner a user belongs to, so that the collector can
// settle whose an event is before it reaches the log. It lives in memory: what the
// directory topic says is read at the start and followed, what calls of clients say
// is kept beside it, for as long as there is room.
package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unique"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"partnerpulse/internal/event"
)

// Trust is how much a membership is worth. A higher one is never replaced by a
// lower one; among equals the later one counts.
type Trust int

// The degrees of trust.
const (
	Claimed   Trust = iota + 1 // a page said so, with a public key
	Vouched                    // a signed identity, or a back end's identify or group call
	Described                  // user.upserted
)

// Membership says that a user or visitor belongs to a partner.
type Membership struct {
	Tenant      string
	UserID      string // or, when empty,
	AnonymousID string
	PartnerID   string
	At          time.Time // when it was said
	Trust       Trust
}

// Config bounds the directory's memory.
type Config struct {
	// UsersMax bounds the users that user.upserted described; about 200 bytes each.
	UsersMax int `yaml:"users_max"`
	// CallsMax bounds what identify and group calls and signed identities said; the
	// least recently used goes first. About 300 bytes each.
	CallsMax int `yaml:"calls_max"`
}

// DefaultConfig holds a million described users and 100,000 others.
func DefaultConfig() Config { return Config{UsersMax: 1_000_000, CallsMax: 100_000} }

// Validate checks the values.
func (c *Config) Validate() error {
	if c.UsersMax <= 0 || c.CallsMax <= 0 {
		return errors.New("users_max and calls_max must be positive")
	}
	return nil
}

// ErrLoading says that the directory topic has not been read to its end yet.
var ErrLoading = errors.New("the directory of users is still being read: events that name no partner cannot be taken yet")

// Directory maps users to partners. It is safe for concurrent use.
type Directory struct {
	cfg    Config
	loaded atomic.Bool
	mu     sync.RWMutex
	users  map[subject]membership // those described
	calls  *lru.Cache[subject, membership]

	size    prometheus.Gauge
	dropped prometheus.Counter
	broken  prometheus.Counter
}

// subject is a user or a visitor of a tenant.
type subject struct {
	tenant  unique.Handle[string]
	visitor bool
	id      string
}

type membership struct {
	partner unique.Handle[string] // many users share one
	at      int64                 // unix ms
	trust   Trust
}

// New makes an empty directory. It is not ready before MarkLoaded.
func New(cfg Config, reg prometheus.Registerer) (*Directory, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configuring the directory: %w", err)
	}
	calls, err := lru.New[subject, membership](cfg.CallsMax)
	if err != nil {
		return nil, fmt.Errorf("making the directory: %w", err)
	}
	f := promauto.With(reg)
	return &Directory{
		cfg: cfg, users: map[subject]membership{}, calls: calls,
		size: f.NewGauge(prometheus.GaugeOpts{
			Name: "partnerpulse_directory_users", Help: "Users whose partner user.upserted told.",
		}),
		dropped: f.NewCounter(prometheus.CounterOpts{
			Name: "partnerpulse_directory_dropped_total", Help: "Users that were not kept because directory.users_max is reached.",
		}),
		broken: f.NewCounter(prometheus.CounterOpts{
			Name: "partnerpulse_directory_undecodable_total", Help: "Records of the directory topic that could not be decoded.",
		}),
	}, nil
}

// MarkLoaded says that the topic was read to where it ended at the start.
func (d *Directory) MarkLoaded() { d.loaded.Store(true) }

// Ready gives ErrLoading until MarkLoaded.
func (d *Directory) Ready(context.Context) error {
	if !d.loaded.Load() {
		return ErrLoading
	}
	return nil
}

// Partner gives the partner of a user, or, when the user is not known or not given,
// of a visitor.
func (d *Directory) Partner(tenant, userID, anonymousID string) (string, bool) {
	t := unique.Make(tenant)
	if userID != "" {
		if m, ok := d.find(subject{t, false, userID}); ok {
			return m.partner.Value(), true
		}
	}
	if anonymousID != "" {
		if m, ok := d.find(subject{t, true, anonymousID}); ok {
			return m.partner.Value(), true
		}
	}
	return "", false
}

func (d *Directory) find(s subject) (membership, bool) {
	d.mu.RLock()
	m, ok := d.users[s]
	d.mu.RUnlock()
	if ok {
		return m, true
	}
	return d.calls.Get(s)
}

// Learn takes a membership in, unless what is known has more trust or is later.
func (d *Directory) Learn(m Membership) {
	s := subject{tenant: unique.Make(m.Tenant), id: strings.Clone(m.UserID)}
	if s.id == "" {
		s.id, s.visitor = strings.Clone(m.AnonymousID), true
	}
	if s.id == "" || m.PartnerID == "" || m.PartnerID == event.TenantWide {
		return
	}
	said := membership{partner: unique.Make(m.PartnerID), at: m.At.UnixMilli(), trust: m.Trust}
	d.mu.Lock()
	defer d.mu.Unlock()
	if m.Trust != Described {
		if known, ok := d.calls.Peek(s); !ok || said.over(known) {
			d.calls.Add(s, said)
		}
		return
	}
	known, ok := d.users[s]
	switch {
	case ok && !said.over(known):
		return
	case !ok && len(d.users) >= d.cfg.UsersMax:
		d.dropped.Inc()
		return
	}
	d.users[s] = said
	d.size.Set(float64(len(d.users)))
}

// over tells whether m replaces known. The order does not depend on which of the
// two was learnt first, so every replica ends with the same.
func (m membership) over(known membership) bool {
	switch {
	case m.trust != known.trust:
		return m.trust > known.trust
	case m.at != known.at:
		return m.at > known.at
	}
	return m.partner.Value() > known.partner.Value()
}

// Apply takes one record of the directory topic in. A record without a value takes
// the user out, if he still belongs to the partner of the key. Records that describe
// no user are nothing to the directory. An error says that the record could not be
// decoded; it is counted, and the next record may be applied.
func (d *Directory) Apply(key, value []byte) error {
	tenant, partner, user, ok := event.UserOfKey(string(key))
	if !ok {
		return nil
	}
	if value == nil {
		d.forget(subject{tenant: unique.Make(tenant), id: user}, partner)
		return nil
	}
	e, err := event.UnmarshalCloudEvent(value)
	if err == nil && event.DescribedUser(e) == "" {
		err = errors.New("it describes no user")
	}
	if err != nil {
		d.broken.Inc()
		return fmt.Errorf("decoding a record of the directory: %w", err)
	}
	d.Learn(Membership{Tenant: e.Tenant, UserID: event.DescribedUser(e), PartnerID: e.PartnerID, At: e.Time, Trust: Described})
	return nil
}

func (d *Directory) forget(s subject, partner string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if m, ok := d.users[s]; ok && m.partner.Value() == partner {
		delete(d.users, s)
		d.size.Set(float64(len(d.users)))
	}
	if m, ok := d.calls.Peek(s); ok && m.partner.Value() == partner {
		d.calls.Remove(s)
	}
}
