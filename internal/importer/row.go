package importer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
)

// wire is an event as it is posted.
type wire struct {
	ID        string         `json:"id"`
	Type      event.Type     `json:"type"`
	Time      string         `json:"time"`
	PartnerID string         `json:"partner_id,omitzero"`
	Data      map[string]any `json:"data"`
}

const timeLayout = "2006-01-02T15:04:05.000Z"

// events makes the events of a row that happened at a time; the problems are those of
// cells that cannot be what their column says.
func (k *Kind) events(cells map[string]string, line int, at time.Time) (out []wire, problems []Problem) {
	data := make(map[string]any, len(cells))
	partner, retired := "", false
	for _, c := range k.Columns {
		cell, ok := cells[c.Name]
		if !ok {
			if c.Required {
				problems = append(problems, Problem{line, c.Name, "missing", "it is empty and has to be given"})
			}
			continue
		}
		v, err := c.value(cell)
		if err != nil {
			problems = append(problems, Problem{line, c.Name, "value", err.Error()})
			continue
		}
		switch {
		case c.Name == retiredColumn:
			retired, _ = v.(bool)
		case c.envelope:
			partner = cell
		default:
			data[c.Name] = v
		}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	if k.typ == event.PartnerUpserted {
		partner = cells["partner_id"]
	}
	out = append(out, wire{Type: k.typ, Time: at.UTC().Format(timeLayout), PartnerID: partner, Data: data})
	if retired {
		out = append(out, wire{
			Type: event.ContentRetired, Time: at.Add(time.Millisecond).UTC().Format(timeLayout), Data: map[string]any{"content_id": data["content_id"]},
		})
	}
	return out, nil
}

// encode names an event by its content and gives its bytes.
func (w *wire) encode() (jsontext.Value, error) {
	w.ID = ""
	b, err := json.Marshal(w, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encoding a row: %w", err)
	}
	sum := sha256.Sum256(b)
	w.ID = "import-" + hex.EncodeToString(sum[:16])
	if b, err = json.Marshal(w, json.Deterministic(true)); err != nil {
		return nil, fmt.Errorf("encoding a row: %w", err)
	}
	return b, nil
}

// value reads a cell.
func (c *Column) value(cell string) (any, error) {
	switch c.format {
	case whole:
		n, err := strconv.ParseInt(cell, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not a whole number: write digits only, such as 1200", cell)
		}
		return n, nil
	case instant:
		for _, layout := range []string{time.RFC3339, time.DateOnly} {
			if t, err := time.Parse(layout, cell); err == nil {
				return t.UTC().Format(timeLayout), nil
			}
		}
		return nil, fmt.Errorf("%q is not a time: write 2026-03-31 or 2026-03-31T09:15:00Z", cell)
	case list:
		var out []string
		for _, v := range strings.FieldsFunc(cell, func(r rune) bool { return r == '|' || r == ';' }) {
			if v = strings.TrimSpace(v); v != "" {
				out = append(out, v)
			}
		}
		return out, nil
	case flag:
		switch strings.ToLower(cell) {
		case "true", "yes", "1":
			return true, nil
		case "false", "no", "0":
			return false, nil
		}
		return nil, fmt.Errorf("%q is neither true nor false", cell)
	default:
		return cell, nil
	}
}

// column gives the column that a place in an event came from.
func (k *Kind) column(pointer string) string {
	name := strings.TrimPrefix(strings.TrimPrefix(pointer, "/data"), "/")
	name, _, _ = strings.Cut(name, "/")
	if _, ok := k.columns()[name]; ok {
		return name
	}
	return ""
}
