package scoring

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"

	"partnerpulse/internal/score"
)

// Millionths of a point; as JSON a number with six decimals, exact.
type Millionths int64

// String writes the number with six decimals.
func (m Millionths) String() string {
	sign, v := "", int64(m)
	if v < 0 {
		sign, v = "-", -v
	}
	return fmt.Sprintf("%s%d.%06d", sign, v/score.InputUnit, v%score.InputUnit)
}

// MarshalJSON writes a number.
func (m Millionths) MarshalJSON() ([]byte, error) { return []byte(m.String()), nil }

// Report is an explained score. All points are exact: the components' sum to the
// score, and the parts of the change to its total, in every row and column.
type Report struct {
	Tenant       string            `json:"tenant"`
	PartnerID    string            `json:"partner_id"`
	AsOf         string            `json:"as_of"` // YYYY-MM-DD, the tenant's day; the score is of its end
	ModelVersion string            `json:"model_version"`
	Segment      string            `json:"segment"` // as of the day, empty: none
	Score        *Millionths       `json:"score"`   // 0–100, null without enough coverage
	Tier         string            `json:"tier"`
	Coverage     float64           `json:"coverage"` // 0–1
	Components   []ComponentReport `json:"components"`
	Change       *ChangeReport     `json:"change_7d"` // null: no score on one of the two days
	Actions      []ActionReport    `json:"one_more_would_add"`
	TopEvents    []EventReport     `json:"top_events"`
	// Stored tells that the stored score is this one; it is not while news are being
	// worked off.
	Stored bool `json:"stored"`
}

// ComponentReport is one component of a score.
type ComponentReport struct {
	Name     string     `json:"name"`
	Points   Millionths `json:"points"` // weight times sub-score
	SubScore float64    `json:"sub_score"`
	Weight   float64    `json:"weight"`
	Sum      float64    `json:"sum"`     // decayed inputs
	Bar      *float64   `json:"bar"`     // the sum that earns 100; null for sentiment
	Imputed  bool       `json:"imputed"` // the tenant sends no such events: the segment's median
}

// ChangeReport splits the change over seven days; see score.Change.
type ChangeReport struct {
	Since       string             `json:"since"`
	Before      Millionths         `json:"before"`
	Total       Millionths         `json:"total"`
	DecayLoss   Millionths         `json:"decay_loss"`
	NewActivity Millionths         `json:"new_activity"`
	BarChange   Millionths         `json:"bar_change"`
	Components  []ChangePartReport `json:"components"`
}

// ChangePartReport is the change of one component.
type ChangePartReport struct {
	Name        string     `json:"name"`
	DecayLoss   Millionths `json:"decay_loss"`
	NewActivity Millionths `json:"new_activity"`
	BarChange   Millionths `json:"bar_change"`
}

// ActionReport is what one more of a kind would add to the score of the day.
type ActionReport struct {
	Kind      string     `json:"kind"`
	Component string     `json:"component"`
	Adds      Millionths `json:"adds"`
}

// EventReport is an event with the points that the score had less without it.
type EventReport struct {
	ID        string     `json:"id"`
	Type      string     `json:"type"`
	Day       string     `json:"day"`
	Component string     `json:"component"`
	Value     Millionths `json:"value"` // what it counted for on its day
	Points    Millionths `json:"points"`
}

// Print writes the report for people.
func (r *Report) Print(out io.Writer) error {
	var b strings.Builder
	head := "no score: coverage is too low"
	if r.Score != nil {
		head = fmt.Sprintf("score %s, %s", r.Score, r.Tier)
	}
	fmt.Fprintf(&b, "%s on %s: %s\n", printable(r.PartnerID), r.AsOf, head)
	segment := "no segment"
	if r.Segment != "" {
		segment = "segment " + printable(r.Segment)
	}
	fmt.Fprintf(&b, "tenant %s, %s, model %s, coverage %.3f\n\n", printable(r.Tenant), segment, printable(r.ModelVersion), r.Coverage)
	r.printComponents(&b)
	if c := r.Change; c != nil {
		fmt.Fprintf(&b, "\nChange since %s: %+.6f, from %s\n", c.Since, float64(c.Total)/score.InputUnit, c.Before)
		fmt.Fprintf(&b, "  decay_loss %s  new_activity %s  bar_change %s\n", c.DecayLoss, c.NewActivity, c.BarChange)
	} else {
		b.WriteString("\nNo change to tell: there is no score on this day or seven days before.\n")
	}
	b.WriteString("\nOne more would add\n")
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, a := range r.Actions {
		fmt.Fprintf(w, "  %s\t%+.6f\n", strings.ReplaceAll(a.Kind, "_", " "), float64(a.Adds)/score.InputUnit)
	}
	_ = w.Flush() // a strings.Builder takes everything
	if len(r.TopEvents) > 0 {
		b.WriteString("\nEvents that the score rests on most, with what it had less without each\n")
		w = tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, e := range r.TopEvents {
			fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\n", e.Points, e.Day, e.Component, printable(e.Type), printable(e.ID))
		}
		_ = w.Flush() // a strings.Builder takes everything
	}
	if !r.Stored {
		b.WriteString("\nThe stored score is another one or missing: news are being worked off, or the day was never scored.\n")
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func (r *Report) printComponents(b *strings.Builder) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "component\tpoints\tsub-score\tweight\tsum\tbar\t7-day change\tdecay\tnew\tbars\t")
	for i, c := range r.Components {
		bar := "–"
		if c.Bar != nil {
			bar = fmt.Sprintf("%.3f", *c.Bar)
		}
		name := c.Name
		if c.Imputed {
			name += " (imputed)"
		}
		fmt.Fprintf(w, "%s\t%s\t%.3f\t%.3f\t%.3f\t%s\t", name, c.Points, c.SubScore, c.Weight, c.Sum, bar)
		if r.Change != nil {
			p := r.Change.Components[i]
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t", p.DecayLoss+p.NewActivity+p.BarChange, p.DecayLoss, p.NewActivity, p.BarChange)
		} else {
			fmt.Fprint(w, "\t\t\t\t")
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush() // a strings.Builder takes everything
}

// printable replaces control characters of what strangers sent.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, s)
}
