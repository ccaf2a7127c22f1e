package refdata

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"partnerpulse/internal/enrich"
	"partnerpulse/internal/event"
)

// DirectoryConfig bounds the memory of the directory.
type DirectoryConfig struct {
	// PartnersMax and ContentMax bound the entries; later ones are not kept, which is
	// counted. About 300 bytes each. Default 200,000 each.
	PartnersMax int `yaml:"partners_max"`
	ContentMax  int `yaml:"content_max"`
}

// DefaultDirectoryConfig holds 200,000 of each.
func DefaultDirectoryConfig() DirectoryConfig {
	return DirectoryConfig{PartnersMax: 200_000, ContentMax: 200_000}
}

// Validate checks the values.
func (c *DirectoryConfig) Validate() error {
	if c.PartnersMax <= 0 || c.ContentMax <= 0 {
		return errors.New("partners_max and content_max must be positive")
	}
	return nil
}

// Directory keeps what the directory topic says of partners and content. It is safe
// for concurrent use.
type Directory struct {
	cfg      DirectoryConfig
	mu       sync.RWMutex
	partners map[entity]dated[enrich.PartnerAttributes]
	content  map[entity]dated[enrich.ContentAttributes]
	entries  *prometheus.GaugeVec
	passed   *prometheus.CounterVec
}

type entity struct{ tenant, id string }

// dated is what an event said, with its time.
type dated[T any] struct {
	said T
	at   int64 // unix ms
}

// NewDirectory makes an empty one.
func NewDirectory(cfg DirectoryConfig, reg prometheus.Registerer) *Directory {
	f := promauto.With(reg)
	return &Directory{
		cfg: cfg, partners: map[entity]dated[enrich.PartnerAttributes]{}, content: map[entity]dated[enrich.ContentAttributes]{},
		entries: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "partnerpulse_enrichment_directory_entries", Help: "Partners and content whose attributes are known, by kind.",
		}, []string{"kind"}),
		passed: f.NewCounterVec(prometheus.CounterOpts{
			Name: "partnerpulse_enrichment_directory_passed_total",
			Help: "Records of the directory topic that were not taken in, by reason (undecodable, full).",
		}, []string{"reason"}),
	}
}

// Partner gives the attributes of a partner.
func (d *Directory) Partner(tenant, partnerID string) (enrich.PartnerAttributes, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	p, ok := d.partners[entity{tenant, partnerID}]
	return p.said, ok
}

// Content gives the attributes of content.
func (d *Directory) Content(tenant, contentID string) (enrich.ContentAttributes, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	c, ok := d.content[entity{tenant, contentID}]
	return c.said, ok
}

// attributes are the members of data that are kept.
type attributes struct {
	Tier      any `json:"tier"`
	Segment   any `json:"segment"`
	Region    any `json:"region"`
	ContentID any `json:"content_id"`
	Title     any `json:"title"`
	Kind      any `json:"kind"`
}

// Apply takes a record of the directory topic in; one without a value takes its
// entity out. What describes neither partners nor content is nothing to it. After an
// error, which is counted, the next record may be applied.
func (d *Directory) Apply(key, value []byte) error {
	if value == nil {
		d.remove(string(key))
		return nil
	}
	e, err := event.UnmarshalCloudEvent(value)
	if err != nil {
		d.passed.WithLabelValues("undecodable").Inc()
		return fmt.Errorf("decoding a record of the directory: %w", err)
	}
	var a attributes
	if err := json.Unmarshal(e.Data, &a); err != nil {
		d.passed.WithLabelValues("undecodable").Inc()
		return fmt.Errorf("decoding a record of the directory: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch at := e.Time.UnixMilli(); e.Type {
	case event.PartnerUpserted:
		said := enrich.PartnerAttributes{Tier: text(a.Tier), Segment: text(a.Segment), Region: text(a.Region)}
		take(d, "partners", d.partners, entity{e.Tenant, e.PartnerID}, dated[enrich.PartnerAttributes]{said, at}, d.cfg.PartnersMax)
	case event.ContentPublished:
		said := enrich.ContentAttributes{Title: text(a.Title), Kind: text(a.Kind)}
		take(d, "content", d.content, entity{e.Tenant, text(a.ContentID)}, dated[enrich.ContentAttributes]{said, at}, d.cfg.ContentMax)
	}
	return nil
}

// take keeps what was said last.
func take[T any](d *Directory, kind string, in map[entity]dated[T], key entity, said dated[T], most int) {
	known, ok := in[key]
	switch {
	case ok && known.at > said.at:
		return
	case !ok && len(in) >= most:
		d.passed.WithLabelValues("full").Inc()
		return
	}
	in[entity{strings.Clone(key.tenant), strings.Clone(key.id)}] = said
	d.entries.WithLabelValues(kind).Set(float64(len(in)))
}

// remove takes the entity of a key of the topic out.
func (d *Directory) remove(key string) {
	owner, what, described := strings.Cut(key, event.EntitySeparator)
	tenant, partner, ok := strings.Cut(owner, "/")
	if !ok {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !described {
		delete(d.partners, entity{tenant, partner})
		d.entries.WithLabelValues("partners").Set(float64(len(d.partners)))
		return
	}
	if id, ok := strings.CutPrefix(what, "content"+event.EntitySeparator); ok {
		delete(d.content, entity{tenant, id})
		d.entries.WithLabelValues("content").Set(float64(len(d.content)))
	}
}

// text gives a string, and "" for anything else.
func text(v any) string {
	s, _ := v.(string)
	return strings.Clone(s)
}
