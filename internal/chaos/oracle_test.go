package chaos

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"partnerpulse/internal/event"
	"partnerpulse/internal/score"
	"partnerpulse/internal/session"
)

// truth is what a partner's rows must be, computed here one event after another and
// by the pure packages session and score: no SQL, nothing from the store.
type truth struct {
	daily    map[int32]map[string]int64 // by local day; zeros are left out
	sessions []session.Session          // by actor, start, session id
}

// truthOf recomputes one partner.
func (w *world) truthOf(partner int, loc *time.Location, dealStages []string) truth {
	events := w.all(partner)
	t := truth{daily: map[int32]map[string]int64{}}
	row := func(day int32) map[string]int64 {
		if t.daily[day] == nil {
			t.daily[day] = map[string]int64{}
		}
		return t.daily[day]
	}
	type tally struct {
		day   int32
		actor string
		of    string
	}
	seen := map[tally]int{}
	commitments := map[int32]*happening{}
	var interactive []session.Event
	for i := range events {
		e := &events[i]
		if e.Internal {
			continue
		}
		day := session.LocalDay(e.Time, loc)
		switch {
		case e.Type == event.CommitmentSet:
			if c := commitments[day]; c == nil || cmp.Or(c.Time.Compare(e.Time), cmp.Compare(c.ID, e.ID)) < 0 {
				commitments[day] = e
			}
			continue
		case e.Type == event.PartnerUpserted:
			row(day)["upserts"]++
			continue
		case e.Type.IsDirectory():
			continue
		}
		r := row(day)
		r["events"]++
		e.count(r, dealStages)
		if e.Type.IsInteractive() {
			interactive = append(interactive, e.Event)
			k := tally{day, e.Actor, "active"}
			if seen[k]++; seen[k] == 1 {
				r["active_users"]++
				r["v_activity"] += score.ValueActiveUser
			}
		}
		if column, value := e.worth(dealStages); value > 0 {
			k := tally{day, e.Actor, string(e.Type)}
			if seen[k]++; seen[k] <= score.CountedMax {
				r[column] += value
			}
		}
	}
	for day, e := range commitments {
		row(day)["cadence_days"] = e.Cadence
	}
	t.sessions = session.Split(interactive, loc)
	for i := range t.sessions {
		addSession(row(t.sessions[i].Day), &t.sessions[i])
	}
	t.prune()
	return t
}

// columns says where a type is counted.
var columns = map[event.Type]string{
	event.PortalLogin: "logins", event.PageViewed: "page_views", event.ContentViewed: "content_views",
	event.ContentDownloaded: "downloads", event.ContentShared: "shares",
	event.PlaybookPinned: "pins", event.PlaybookUnpinned: "unpins",
	event.SearchPerformed: "searches", event.SearchClicked: "search_clicks",
	event.TrainingEnrolled: "training_enrolled", event.TrainingStarted: "training_started",
	event.TrainingProgressed: "training_progressed", event.TrainingCompleted: "training_completed",
	event.TrainingPassed: "training_passed", event.TrainingFailed: "training_failed", event.TrainingCertified: "training_certified",
	event.LeadReferred: "leads_referred", event.DealRegistered: "deals_registered", event.DealAccepted: "deals_accepted",
	event.DealRejected: "deals_rejected", event.DealStageChanged: "deals_moved", event.DealWon: "deals_won",
	event.DealLost: "deals_lost", event.MeetingHeld: "meetings",
	event.SupportRequested: "support_requested", event.SupportResolved: "support_resolved",
}

func (h *happening) count(r map[string]int64, dealStages []string) {
	if column := columns[h.Type]; column != "" && !h.FailedLogin {
		r[column]++
	}
	if h.Type == event.SearchPerformed && h.Results == 0 {
		r["zero_result_searches"]++
	}
	if h.Type == event.DealStageChanged && h.forward(dealStages) {
		r["deals_forward"]++
	}
	if h.NPS != nil {
		r["nps_count"]++
		r["nps_sum"] += int64(*h.NPS)
		switch {
		case *h.NPS >= 9:
			r["nps_promoters"]++
		case *h.NPS <= 6:
			r["nps_detractors"]++
		}
	}
}

// forward: to a later known stage; with an unknown one on either side, any change.
func (h *happening) forward(dealStages []string) bool {
	from, to := slices.Index(dealStages, strings.ToLower(h.Prev)), slices.Index(dealStages, strings.ToLower(h.Stage))
	return h.Stage != h.Prev && (from < 0 || to < 0 || to > from)
}

func (h *happening) worth(dealStages []string) (column string, value int64) {
	switch h.Type {
	case event.TrainingProgressed:
		return "v_training", score.ValueProgressed
	case event.TrainingCompleted:
		return "v_training", score.ValueCompleted
	case event.TrainingCertified:
		return "v_training", score.ValueCertified
	case event.DealRegistered:
		return "v_pipeline", score.ValueRegistered
	case event.DealWon:
		return "v_pipeline", score.ValueWon
	case event.DealStageChanged:
		if h.forward(dealStages) {
			return "v_pipeline", score.ValueForward
		}
	}
	return "", 0
}

func addSession(r map[string]int64, s *session.Session) {
	r["sessions"]++
	if s.Engaged {
		r["engaged_sessions"]++
	} else {
		r["ga4_bounces"]++
	}
	if s.SingleView {
		r["single_view_bounces"]++
	}
	r["engaged_ms"] += s.EngagedMs
	r["engaged_views"] += int64(s.EngagedViews)
	r["session_views"] += int64(s.Views)
	r["v_content"] += s.Quality
}

// prune removes zeros, and rows that have nothing else.
func (t *truth) prune() {
	for day, r := range t.daily {
		for name, v := range r {
			if v == 0 {
				delete(r, name)
			}
		}
		if len(r) == 0 {
			delete(t.daily, day)
		}
	}
}

// feedsOf gives the first day of each feed over the partners of one tenant.
func feedsOf(of []truth) score.Feeds {
	var feeds score.Feeds
	for i := range feeds {
		feeds[i] = score.NoFeed
	}
	for _, t := range of {
		for day, r := range t.daily {
			training, pipeline := int64(0), int64(0)
			for name, v := range r {
				if strings.HasPrefix(name, "training_") {
					training += v
				}
				if strings.HasPrefix(name, "deals_") {
					pipeline += v
				}
			}
			for i, n := range []int64{r["active_users"], r["content_views"], training, pipeline, r["nps_count"]} {
				if n > 0 {
					feeds[i] = min(feeds[i], day)
				}
			}
		}
	}
	return feeds
}

// scores are the partner's score rows up to today.
func (t *truth) scores(calc *score.Calculator, feeds score.Feeds, today int32) []score.Row {
	var days []score.Day
	first := int32(-1)
	for day, r := range t.daily {
		if (r["events"] > 0 || r["upserts"] > 0) && (first < 0 || day < first) {
			first = day
		}
		days = append(days, score.Day{
			Day: day, Values: [...]int64{r["v_activity"], r["v_content"], r["v_training"], r["v_pipeline"]},
			Responses: r["nps_count"], Promoters: r["nps_promoters"], Detractors: r["nps_detractors"],
			Completions: r["training_completed"] + r["training_passed"] + r["training_certified"], Cadence: r["cadence_days"],
		})
	}
	if first < 0 {
		return nil
	}
	return calc.Rows(days, feeds, first, today, score.Row{Score: score.NoScore})
}
