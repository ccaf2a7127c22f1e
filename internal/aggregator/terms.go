package aggregator

import (
	"errors"
	"slices"

	"github.com/go-json-experiment/json"

	"partnerpulse/internal/alert"
	"partnerpulse/internal/detect"
)

// grounds are the facts that alerts about training rest on, by fingerprint. The terms
// are not among them: which cadence was agreed on, and how early an expiry is told.
type grounds struct {
	completed map[string][]detect.Day // days with a completion
	expires   map[string][]detect.Day // ends of a partner's certificates in a course
}

// amend tells, of the fingerprints with an open alert that the facts still bear out,
// that it was not shown wrong. If its rule no longer finds it, its terms have changed:
// the settings, or a commitment that was imported late. Then it is over, as
// superseded; only a fact that turns up, such as a completion, takes it back.
func (g *grounds) amend(spans []alert.Span, known []knownAlert) error {
	newest := make(map[string]*knownAlert) // by alert; known is in the order of sequences
	for i := range known {
		newest[known[i].Alert] = &known[i]
	}
	borne := make(map[string]bool)
	var errs []error
	for _, k := range newest {
		entry := k.entry()
		if !entry.Open() || k.Message == "" {
			continue
		}
		ok, err := g.bearOut(k)
		errs = append(errs, err)
		borne[k.Fingerprint] = borne[k.Fingerprint] || ok
	}
	for i := range spans {
		spans[i].Rebuilt = spans[i].Rebuilt || borne[spans[i].Fingerprint]
	}
	return errors.Join(errs...)
}

// bearOut tells whether the facts that an alert named when it fired are still so.
func (g *grounds) bearOut(k *knownAlert) (bool, error) {
	completed, aboutLapse := g.completed[k.Fingerprint]
	expires, aboutExpiry := g.expires[k.Fingerprint]
	if !aboutLapse && !aboutExpiry {
		return false, nil
	}
	d, err := k.data()
	if err != nil {
		return false, err
	}
	name := "last_completed_on"
	if aboutExpiry {
		name = "expires_on"
	}
	var said detect.Day
	if raw := d.More[name]; len(raw) > 0 && string(raw) != "null" {
		if err := json.Unmarshal(raw, &said); err != nil {
			return false, err
		}
	}
	if aboutExpiry {
		return said == slices.Max(append(expires, detect.NoDay)), nil
	}
	last := detect.NoDay // on the day of the firing
	for _, day := range completed {
		if day <= detect.Day(k.Firing) {
			last = max(last, day)
		}
	}
	return said == last, nil
}
