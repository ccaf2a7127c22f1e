package plan

import (
	"fmt"
	"math"
	"strings"
)

// Content is one piece of collateral.
type Content struct {
	ID, Title, Kind string
	Words           int // 0 for media
	Pages           int // 0 for pages on the web and media
	DurationS       int // seconds of a recording, 0 otherwise
	Audience        string
	Published       Day     // may be before the history
	depth           float64 // typical share of it that readers take in
}

// playbook is a collection of contents for one selling motion.
type playbook struct {
	id, title string
	contents  []int // indexes of contents
}

// course is one training; certifying ones end in a certificate.
type course struct {
	id, title string
	minutes   int
	certifies bool
	validDays int // of the certificate
}

type catalog struct {
	contents   []Content
	popularity []float64 // of each content, without regard to age
	playbooks  []playbook
	courses    []course

	neglected, seenNotRead []string // content ids
}

func products() []string {
	return []string{"Core Platform", "Edge Gateway", "Insight Analytics", "Secure Access"}
}

type template struct {
	name, kind, audience    string
	words, pages, durationS int
	weight                  float64
}

// templates are the kinds of document that each product has, with typical length
// and demand.
func templates() []template {
	return []template{
		{"Pitch Deck", "deck", "sales", 1400, 18, 0, 10},
		{"Datasheet", "pdf", "sales", 900, 2, 0, 9},
		{"Battlecard", "page", "sales", 700, 0, 0, 8},
		{"Pricing Guide", "pdf", "sales", 1600, 6, 0, 9},
		{"Case Study", "pdf", "sales", 1100, 4, 0, 5},
		{"Demo Video", "video", "presales", 0, 0, 540, 6},
		{"ROI Calculator", "sheet", "presales", 400, 3, 0, 3},
		{"Solution Brief", "pdf", "presales", 1300, 4, 0, 4},
		{"Implementation Guide", "page", "technical", 5200, 0, 0, 4},
		{"FAQ", "page", "sales", 1800, 0, 0, 4},
		{"Webinar Recording", "video", "presales", 0, 0, 2700, 2},
		{"Email Templates", "page", "sales", 650, 0, 0, 3},
		{"White Paper", "pdf", "technical", 4300, 14, 0, 2},
		{"Release Notes", "page", "technical", 1500, 0, 0, 3},
		{"Security Overview", "pdf", "technical", 2400, 8, 0, 2},
	}
}

const (
	neglectedEvery   = 13 // every 13th content is hardly ever opened
	seenNotReadEvery = 17 // every 17th is opened often and closed at once
	recentEvery      = 6  // every 6th is published during the history
)

// newCatalog makes 60 contents, 12 playbooks and 15 courses.
func (w *World) newCatalog() catalog {
	var c catalog
	r := w.rng(streamCatalog)
	for _, product := range products() {
		for _, t := range templates() {
			n := len(c.contents)
			content := Content{
				ID: slug(product + " " + t.name), Title: product + " " + t.name, Kind: t.kind, Audience: t.audience,
				Words: t.words * (80 + r.IntN(50)) / 100, Pages: t.pages, DurationS: t.durationS * (70 + r.IntN(70)) / 100,
				Published: w.cfg.Start - 20 - Day(r.IntN(500)), depth: between(r, .35, .75),
			}
			weight := t.weight * logNormal(r, 1, .5)
			switch {
			case n%neglectedEvery == 5:
				weight, c.neglected = .02, append(c.neglected, content.ID)
			case n%seenNotReadEvery == 3:
				weight, content.depth, c.seenNotRead = weight+9, .04, append(c.seenNotRead, content.ID)
			case n%recentEvery == 2:
				content.Published = w.cfg.Start + 5 + Day(r.IntN(max(1, w.cfg.Days-10)))
			}
			c.contents = append(c.contents, content)
			c.popularity = append(c.popularity, weight)
		}
	}
	c.playbooks, c.courses = newPlaybooks(len(c.contents)/len(products())), newCourses()
	return c
}

// newPlaybooks makes three motions for each product out of its documents.
func newPlaybooks(perProduct int) []playbook {
	motions := []struct {
		name      string
		documents []int
	}{
		{"Land", []int{0, 2, 4, 5, 11}}, {"Expand", []int{1, 3, 6, 7}}, {"Renew", []int{8, 9, 13, 14}},
	}
	var out []playbook
	for p, product := range products() {
		for _, m := range motions {
			b := playbook{id: slug("playbook " + product + " " + m.name), title: product + ": " + m.name}
			for _, d := range m.documents {
				b.contents = append(b.contents, p*perProduct+d)
			}
			out = append(out, b)
		}
	}
	return out
}

func newCourses() []course {
	out := []course{
		{id: "partner-onboarding", title: "Partner Onboarding", minutes: 45},
		{id: "deal-registration-essentials", title: "Deal Registration Essentials", minutes: 30},
		{id: "security-and-compliance", title: "Security and Compliance", minutes: 60, certifies: true, validDays: 365},
	}
	for _, product := range products() {
		out = append(out,
			course{id: slug(product + " foundations"), title: product + " Foundations", minutes: 60},
			course{id: slug(product + " sales associate"), title: product + " Sales Associate", minutes: 120, certifies: true, validDays: 365},
			course{id: slug(product + " technical professional"), title: product + " Technical Professional", minutes: 300, certifies: true, validDays: 730})
	}
	return out
}

// available gives the running weights of the contents on a day for weighted():
// 0 before publication, and a bump while a document is new.
func (c *catalog) available(d Day) []float64 {
	const newDays, newBump = 14, 2.0
	running, sum := make([]float64, len(c.contents)), 0.0
	for i := range c.contents {
		if age := float64(d - c.contents[i].Published); age >= 0 {
			sum += c.popularity[i] * (1 + newBump*math.Exp2(-age/newDays))
		}
		running[i] = sum
	}
	return running
}

// referenceSeconds is how long it takes to take the whole in: words at 238 a
// minute (Brysbaert 2019), or the recording's length.
func (c *Content) referenceSeconds() float64 {
	if c.DurationS > 0 {
		return float64(c.DurationS)
	}
	return float64(max(c.Words, 200)) / 238 * 60
}

func (c *Content) path() string { return "/library/" + c.ID }

// searchGaps are what people look for in vain.
func searchGaps() []string {
	return []string{"competitor comparison globex", "kubernetes operator", "gdpr dpa template", "co-branded landing page", "education discount"}
}

// queries are what people look for, with words of the catalogue.
func queries() []string {
	return []string{
		"pricing", "pitch deck", "edge gateway battlecard", "roi", "case study manufacturing", "demo video", "security overview",
		"secure access faq", "implementation guide", "analytics datasheet", "email template", "release notes", "white paper",
		"discount levels", "core platform", "webinar", "migration", "api limits",
	}
}

func slug(s string) string { return strings.ReplaceAll(strings.ToLower(s), " ", "-") }

func numbered(prefix string, n int) string { return fmt.Sprintf("%s-%04d", prefix, n) }
