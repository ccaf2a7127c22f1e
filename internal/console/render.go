package console

import (
	"bytes"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.uber.org/zap"
)

// pageFuncs are the helpers of the templates.
func pageFuncs() template.FuncMap {
	return template.FuncMap{
		"one":   func(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) },
		"score": scoreText,
		"day":   func(t time.Time) string { return t.Format("2 Jan 2006") },
		"stamp": func(t time.Time) string { return t.UTC().Format("2 Jan 15:04 UTC") },
		"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"sum": func(values ...float64) (total float64) {
			for _, v := range values {
				total += v
			}
			return total
		},
		"plain": func(s string) string { return strings.ReplaceAll(s, "_", " ") },
		"add":   func(a, b int) int { return a + b },
	}
}

func scoreText(v *float64) string {
	if v == nil {
		return "–"
	}
	return strconv.FormatFloat(*v, 'f', 1, 64)
}

// render writes a whole page. The template is executed into memory first, so that
// a failure gives a clean 500 and not half a page.
func (c *Console) render(w http.ResponseWriter, status int, page, block string, data any) {
	var b bytes.Buffer
	if err := c.pages[page].ExecuteTemplate(&b, block, data); err != nil {
		c.log.Error("rendering page", zap.String("page", page), zap.Error(err))
		http.Error(w, "This page could not be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client is gone if this fails
}

// writeJSON writes v; the API's answers are never cached.
func (c *Console) writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v, json.Deterministic(true), jsontext.AllowInvalidUTF8(true), jsontext.EscapeForHTML(true))
	if err != nil {
		c.log.Error("encoding answer", zap.Error(err))
		status, b = http.StatusInternalServerError, []byte(`{"code":"internal","message":"the answer could not be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) //nolint:gosec // JSON, escaped for HTML and not to be sniffed
}
