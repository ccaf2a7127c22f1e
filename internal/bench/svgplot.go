package bench

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// plot is a chart with a logarithmic x axis, as SVG.
type plot struct {
	Title, X, Y string
	LogY        bool
	YMin, YMax  float64
	Marks       []float64 // grid lines of y
	XMarks      []float64
	Band        [2]float64 // shaded range of y; 0, 0: none
	Series      []series
}

// series is one line; points with a y of 0 are left out.
type series struct {
	Name   string
	Dashed bool
	X, Y   []float64
}

// Colours that people with colour-blindness tell apart (Okabe and Ito).
var plotColours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"}

const (
	plotWidth, plotHeight = 640., 360.
	plotLeft, plotRight   = 60., 190.
	plotTop, plotBottom   = 34., 46.
)

func (p *plot) x(v float64) float64 {
	low, high := math.Log(p.XMarks[0]), math.Log(p.XMarks[len(p.XMarks)-1])
	return plotLeft + (math.Log(v)-low)/(high-low)*(plotWidth-plotLeft-plotRight)
}

func (p *plot) y(v float64) float64 {
	low, high := p.YMin, p.YMax
	v = min(max(v, low), high)
	if p.LogY {
		v, low, high = math.Log(v), math.Log(low), math.Log(high)
	}
	return plotHeight - plotBottom - (v-low)/(high-low)*(plotHeight-plotTop-plotBottom)
}

// String is the SVG.
func (p *plot) String() string {
	var b strings.Builder
	out := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	out(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" font-family="sans-serif" font-size="12" role="img" aria-label="%s">`,
		plotWidth, plotHeight, html.EscapeString(p.Title))
	out(`<rect width="100%%" height="100%%" fill="#fff"/>`)
	out(`<text x="%g" y="18" font-size="14" font-weight="bold">%s</text>`, plotLeft, html.EscapeString(p.Title))
	right, bottom := plotWidth-plotRight, plotHeight-plotBottom
	if p.Band[1] > 0 {
		out(`<rect x="%g" y="%.1f" width="%g" height="%.1f" fill="#009e73" opacity=".12"/>`,
			plotLeft, p.y(p.Band[1]), right-plotLeft, p.y(p.Band[0])-p.y(p.Band[1]))
	}
	for _, v := range p.Marks {
		out(`<path d="M%g %.1fH%g" stroke="#ddd"/><text x="%g" y="%.1f" text-anchor="end">%g</text>`, plotLeft, p.y(v), right, plotLeft-6, p.y(v)+4, v)
	}
	for _, v := range p.XMarks {
		out(`<path d="M%.1f %gV%g" stroke="#eee"/><text x="%.1f" y="%g" text-anchor="middle">%g</text>`, p.x(v), plotTop, bottom, p.x(v), bottom+16, v)
	}
	out(`<text x="%g" y="%g" text-anchor="middle">%s</text>`, (plotLeft+right)/2, plotHeight-10, html.EscapeString(p.X))
	out(`<text transform="translate(16 %g) rotate(-90)" text-anchor="middle">%s</text>`, (plotTop+bottom)/2, html.EscapeString(p.Y))
	for i, s := range p.Series {
		p.line(out, s, plotColours[i%len(plotColours)], plotTop+12+18*float64(i))
	}
	out("</svg>")
	return b.String()
}

// line draws a series and its entry of the legend.
func (p *plot) line(out func(string, ...any), s series, colour string, legend float64) {
	dash := ""
	if s.Dashed {
		dash = ` stroke-dasharray="5 4"`
	}
	path, pen := "", "M"
	for i, v := range s.Y {
		if v == 0 {
			pen = "M"
			continue
		}
		path += fmt.Sprintf("%s%.1f %.1f", pen, p.x(s.X[i]), p.y(v))
		pen = "L"
	}
	out(`<path d="%s" fill="none" stroke="%s" stroke-width="2"%s/>`, path, colour, dash)
	for i, v := range s.Y {
		if v != 0 {
			out(`<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`, p.x(s.X[i]), p.y(v), colour)
		}
	}
	x := plotWidth - plotRight + 12
	out(`<path d="M%g %gH%g" stroke="%s" stroke-width="2"%s/><text x="%g" y="%g">%s</text>`,
		x, legend, x+20, colour, dash, x+26, legend+4, html.EscapeString(s.Name))
}
