package plan

import (
	"math"
	"time"

	"partnerpulse/internal/event"
)

const (
	dealLookback   = 130
	leadShare      = .4  // of deals that begin as a lead that the partner refers
	rejectShare    = .12 // of registrations that the vendor refuses
	surveyEvery    = 30  // days between NPS rounds of a partner
	surveyLookback = 20
	answerShare    = .38
	ticketPerHead  = .006 // support requests per user and working day
	ticketLookback = 12
	meetingPerDay  = .06
)

// pipelineOf plans leads and deals from registration to the end.
func (w *World) pipelineOf(p *Partner, d Day, out []event.Event) []event.Event {
	return append(out, w.chains(streamPipeline, p, d, dealLookback, p.deals, (*chain).deal)...)
}

func (c *chain) deal() {
	amount := math.Round(logNormal(c.r, 24000, .9)/100) * 100
	if c.p.place.currency == "JPY" {
		amount *= 150
	}
	months, margin, influence := 12*c.r.IntN(4), between(c.r, 8, 34), "influenced"
	stage := ""
	state := func(next string) fields {
		f := newFields().str("deal_id", "d-"+c.id).opt("prev_stage", stage).str("stage", next).
			dec("amount", amount, 2).str("currency", c.p.place.currency).dec("margin_pct", margin, 1).
			num("recurring_months", months).str("influence", influence)
		stage = next
		return f
	}
	if chance(c.r, leadShare) {
		influence = "sourced"
		c.step(event.LeadReferred, newFields().str("lead_id", "l-"+c.id).dec("amount", amount, 2).str("currency", c.p.place.currency).end())
		c.wait(1, 9)
	}
	c.later(time.Minute)
	c.step(event.DealRegistered, state("registered").end())
	c.wait(1, 4)
	if chance(c.r, rejectShare) {
		c.step(event.DealRejected, state("rejected").end())
		return
	}
	c.step(event.DealAccepted, state("accepted").end())
	for _, next := range []string{"qualified", "proposal", "negotiation"} {
		c.wait(3, 18)
		if chance(c.r, .17) {
			c.step(event.DealLost, state("lost").end())
			return
		}
		amount = math.Round(amount*between(c.r, .9, 1.12)/100) * 100
		c.step(event.DealStageChanged, state(next).end())
	}
	c.wait(3, 15)
	if chance(c.r, .68) {
		c.step(event.DealWon, state("won").end())
	} else {
		c.step(event.DealLost, state("lost").end())
	}
}

// surveysOf plans NPS rounds: each partner has its own day of the month, and a
// third of its people are asked. Moods sink when engagement does.
func (w *World) surveysOf(p *Partner, d Day, out []event.Event) []event.Event {
	for from := max(w.cfg.Start, d-surveyLookback); from <= d; from++ {
		if (int(from)+7*p.index)%surveyEvery != 0 {
			continue
		}
		r := w.rng(streamSurvey, uint64(p.index), uint64(from))
		for n := range p.Users {
			if !chance(r, .34) {
				continue
			}
			c := &chain{w: w, p: p, r: w.rng(streamSurvey, uint64(p.index), uint64(from), uint64(n)), user: p.Users[n], day: from, want: d}
			c.ask("nps-" + from.String())
			out = append(out, c.out...)
		}
	}
	return out
}

func (c *chain) ask(survey string) {
	c.at = 7 * time.Hour
	c.step(event.SurveySent, newFields().str("survey_id", survey).end())
	if !chance(c.r, answerShare) {
		return
	}
	c.wait(1, 9)
	mood := c.p.mood
	if c.p.Fate.Kind == Fading || c.p.Fate.Kind == Stopped {
		mood -= 2.5
	}
	score := int(math.Round(min(10, max(0, mood+1.6*c.r.NormFloat64()))))
	f := newFields().str("survey_id", survey).num("score", score)
	switch {
	case score >= 9 && chance(c.r, .3):
		f = f.str("comment", pick(c.r, []string{"The playbooks save us hours.", "Great support from our channel manager."}))
	case score <= 5 && chance(c.r, .4):
		f = f.str("comment", pick(c.r, []string{"Hard to find current pricing.", "Deal registration takes too long."}))
	}
	c.step(event.SurveyNPSAnswered, f.end())
}

// serviceOf plans support requests and meetings with the channel manager.
func (w *World) serviceOf(p *Partner, d Day, out []event.Event) []event.Event {
	perDay := meetingPerDay + ticketPerHead*float64(len(p.Users))
	return append(out, w.chains(streamService, p, d, ticketLookback, perDay, func(c *chain) {
		phase := pick(c.r, []string{"before", "during", "after"})
		if chance(c.r, meetingPerDay/perDay) {
			c.step(event.MeetingHeld, newFields().str("meeting_id", "m-"+c.id).str("phase", phase).num("duration_s", 900*(1+c.r.IntN(5))).end())
			return
		}
		c.step(event.SupportRequested, newFields().str("ticket_id", "t-"+c.id).str("phase", phase).end())
		response := logNormal(c.r, 4*3600, .9)
		c.wait(1, 6)
		c.step(event.SupportResolved, newFields().str("ticket_id", "t-"+c.id).str("phase", phase).num("response_s", int(response)).end())
	})...)
}
