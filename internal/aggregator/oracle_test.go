package aggregator_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"partnerpulse/internal/aggregator"
	"partnerpulse/internal/event"
	"partnerpulse/internal/score"
	"partnerpulse/internal/session"
)

// key is a partner and a local day.
type key struct {
	Partner string
	Day     int32
}

// daily is what the tests compare of partner_daily: metrics by column. The segment
// is a number, by segmentNumber.
type daily map[string]int64

// segmentNumber stands for a segment among the metrics: names are "s1", "s2", ….
func segmentNumber(name string) int64 {
	if name == "" {
		return 0
	}
	n, err := strconv.ParseInt(name[1:], 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// bruteDaily recomputes partner_daily by going through all events one by one.
func bruteDaily(events []sent, loc *time.Location, stages []string, countedMax int) map[key]daily {
	out := make(map[key]daily)
	row := func(k key) daily {
		if out[k] == nil {
			out[k] = daily{}
		}
		return out[k]
	}
	type person struct {
		key
		actor string
		kind  string
	}
	seen := make(map[person]int64)
	commitment, placement := make(map[key]sent), make(map[key]sent)
	for _, e := range events {
		if e.Internal || e.Bot {
			continue
		}
		k := key{e.Partner, session.LocalDay(e.Time, loc)}
		if e.Type == event.CommitmentSet {
			if c, ok := commitment[k]; !ok || cmp.Or(c.Time.Compare(e.Time), cmp.Compare(c.ID, e.ID)) < 0 {
				commitment[k] = e
			}
			continue
		}
		if e.Type == event.PartnerUpserted {
			row(k)["upserts"]++
			if c, ok := placement[k]; e.segment() != "" && (!ok || cmp.Or(c.Time.Compare(e.Time), cmp.Compare(c.ID, e.ID)) < 0) {
				placement[k] = e
			}
		}
		if e.Type.IsDirectory() {
			continue
		}
		r := row(k)
		r["events"]++
		count(r, &e, stages)
		if e.Type.IsInteractive() {
			p := person{k, e.Actor, "active"}
			if seen[p]++; seen[p] == 1 {
				r["active_users"]++
				r["v_activity"] += 1_000_000
			}
		}
		if v, input := value(&e, stages); v > 0 {
			p := person{k, e.Actor, string(e.Type)}
			if seen[p]++; seen[p] <= int64(countedMax) {
				r[input] += v
			}
		}
	}
	for k, e := range commitment {
		var data struct {
			Cadence int64 `json:"cadence_days"`
		}
		if err := json.Unmarshal([]byte(e.Data), &data); err != nil {
			panic(err)
		}
		row(k)["cadence_days"] = data.Cadence
	}
	for k, e := range placement {
		row(k)["segment"] = segmentNumber(e.segment())
	}
	for k, s := range bruteSessions(events, loc, countedMax) {
		r := row(k)
		for _, s := range s {
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
	}
	return out
}

// segment is what an event says of its partner's segment.
func (e *sent) segment() string {
	var data struct {
		Segment string `json:"segment"`
	}
	if err := json.Unmarshal([]byte(e.Data), &data); err != nil {
		panic(err)
	}
	return data.Segment
}

func count(r daily, e *sent, stages []string) {
	column := map[event.Type]string{
		event.PortalLogin: "logins", event.PageViewed: "page_views", event.ContentViewed: "content_views",
		event.ContentDownloaded: "downloads", event.ContentShared: "shares", event.PlaybookPinned: "pins",
		event.PlaybookUnpinned: "unpins", event.SearchPerformed: "searches", event.SearchClicked: "search_clicks",
		event.TrainingEnrolled: "training_enrolled", event.TrainingStarted: "training_started",
		event.TrainingProgressed: "training_progressed", event.TrainingCompleted: "training_completed",
		event.TrainingPassed: "training_passed", event.TrainingFailed: "training_failed",
		event.TrainingCertified: "training_certified", event.LeadReferred: "leads_referred",
		event.DealRegistered: "deals_registered", event.DealAccepted: "deals_accepted", event.DealRejected: "deals_rejected",
		event.DealStageChanged: "deals_moved", event.DealWon: "deals_won", event.DealLost: "deals_lost",
		event.MeetingHeld: "meetings", event.SupportRequested: "support_requested", event.SupportResolved: "support_resolved",
	}[e.Type]
	if column != "" && (e.Type != event.PortalLogin || !strings.Contains(e.Data, `"success":false`)) {
		r[column]++
	}
	switch {
	case e.Type == event.SearchPerformed && e.Results == 0:
		r["zero_result_searches"]++
	case e.Type == event.DealStageChanged && forward(e, stages):
		r["deals_forward"]++
	case e.Type == event.SurveyNPSAnswered && e.NPS != nil:
		r["nps_count"]++
		r["nps_sum"] += int64(*e.NPS)
		if *e.NPS >= 9 {
			r["nps_promoters"]++
		} else if *e.NPS <= 6 {
			r["nps_detractors"]++
		}
	}
}

func forward(e *sent, stages []string) bool {
	from, to := slices.Index(stages, strings.ToLower(e.Prev)), slices.Index(stages, strings.ToLower(e.Stage))
	return e.Stage != e.Prev && (from < 0 || to < 0 || to > from)
}

func value(e *sent, stages []string) (v int64, input string) {
	switch e.Type {
	case event.TrainingProgressed:
		return score.ValueProgressed, "v_training"
	case event.TrainingCompleted:
		return score.ValueCompleted, "v_training"
	case event.TrainingCertified:
		return score.ValueCertified, "v_training"
	case event.DealRegistered:
		return score.ValueRegistered, "v_pipeline"
	case event.DealWon:
		return score.ValueWon, "v_pipeline"
	case event.DealStageChanged:
		if forward(e, stages) {
			return score.ValueForward, "v_pipeline"
		}
	}
	return 0, ""
}

func bruteSessions(events []sent, loc *time.Location, viewsMax int) map[key][]session.Session {
	byPartner := make(map[string][]session.Event)
	for _, e := range events {
		if !e.Internal && !e.Bot && e.Type.IsInteractive() {
			byPartner[e.Partner] = append(byPartner[e.Partner], e.Event)
		}
	}
	out := make(map[key][]session.Session)
	for partner, list := range byPartner {
		for _, s := range session.SplitCounting(list, loc, viewsMax) {
			k := key{partner, s.Day}
			out[k] = append(out[k], s)
		}
	}
	return out
}

// storedDaily reads partner_daily; rows of zeros are left out.
func (w *world) storedDaily() map[key]daily {
	w.t.Helper()
	var rows []struct {
		Partner string   `ch:"partner_id"`
		Day     int32    `ch:"d"`
		Names   []string `ch:"names"`
		Values  []int64  `ch:"vals"`
	}
	var columns []struct {
		Name string `ch:"name"`
	}
	ctx := context.Background()
	if err := w.store.Select(ctx, &columns, `SELECT name FROM system.columns WHERE database = currentDatabase()
		AND table = 'partner_daily' AND name NOT IN ('tenant', 'partner_id', 'day', 'ver') ORDER BY position`, nil); err != nil {
		w.t.Fatal(err)
	}
	var names, values []string
	for _, c := range columns {
		value := "toInt64(" + c.Name + ")"
		if c.Name == "segment" {
			value = "toInt64OrZero(substring(segment, 2))"
		}
		names, values = append(names, "'"+c.Name+"'"), append(values, value)
	}
	q := fmt.Sprintf("SELECT partner_id, toInt32(day) AS d, [%s] AS names, [%s] AS vals FROM partner_daily FINAL",
		strings.Join(names, ","), strings.Join(values, ","))
	if err := w.store.Select(ctx, &rows, q, nil); err != nil {
		w.t.Fatal(err)
	}
	out := make(map[key]daily)
	for _, r := range rows {
		d := daily{}
		for i, v := range r.Values {
			if v != 0 {
				d[r.Names[i]] = v
			}
		}
		if len(d) > 0 {
			out[key{r.Partner, r.Day}] = d
		}
	}
	return out
}

// checkRollups compares partner_daily and sessions with the brute force.
func (w *world) checkRollups() map[key]daily {
	w.t.Helper()
	want := bruteDaily(w.all(), w.loc, w.cfg.DealStages, w.cfg.Model.CountedEventsMax())
	for k, d := range want {
		for name, v := range d {
			if v == 0 {
				delete(d, name)
			}
		}
		if len(d) == 0 {
			delete(want, k)
		}
	}
	if diff := gocmp.Diff(want, w.storedDaily()); diff != "" {
		w.t.Fatalf("partner_daily (-want +got):\n%s", diff)
	}
	w.checkSessions()
	return want
}

func (w *world) checkSessions() {
	w.t.Helper()
	var rows []struct {
		Partner  string    `ch:"partner_id"`
		Day      int32     `ch:"d"`
		Actor    string    `ch:"actor"`
		Start    time.Time `ch:"started_at"`
		End      time.Time `ch:"ended_at"`
		ID       string    `ch:"session_id"`
		Events   uint64    `ch:"events"`
		Views    uint64    `ch:"views"`
		Content  uint64    `ch:"content_views"`
		Keys     uint64    `ch:"key_events"`
		Ms       uint64    `ch:"engaged_ms"`
		Known    uint64    `ch:"engaged_views"`
		Engaged  uint8     `ch:"engaged"`
		Single   uint8     `ch:"single_view_bounce"`
		Quality  int64     `ch:"quality"`
		Deleted  uint8     `ch:"is_deleted"`
		Unneeded uint64    `ch:"ver"`
	}
	err := w.store.Select(context.Background(), &rows, "SELECT * EXCEPT (tenant, day), toInt32(day) AS d FROM sessions FINAL ORDER BY partner_id, day, actor, started_at, session_id", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	got := make(map[key][]session.Session)
	for _, r := range rows {
		k := key{r.Partner, r.Day}
		got[k] = append(got[k], session.Session{
			Actor: r.Actor, SessionID: r.ID, Start: r.Start.UTC(), End: r.End.UTC(), Day: r.Day,
			Events: int(r.Events), Views: int(r.Views), ContentViews: int(r.Content), KeyEvents: int(r.Keys),
			EngagedMs: int64(r.Ms), EngagedViews: int(r.Known), Engaged: r.Engaged == 1, SingleView: r.Single == 1, Quality: r.Quality,
		})
	}
	if diff := gocmp.Diff(bruteSessions(w.all(), w.loc, w.cfg.Model.CountedEventsMax()), got); diff != "" {
		w.t.Fatalf("sessions (-want +got):\n%s", diff)
	}
}

// storedScore is a row of partner_scores in fixed-point units.
type storedScore struct {
	Partner  string  `ch:"partner_id"`
	AsOf     int32   `ch:"d"`
	Score    int64   `ch:"sc"`
	Tier     string  `ch:"tier"`
	Coverage int64   `ch:"cov"`
	Sub      []int64 `ch:"sub"`
	Points   []int64 `ch:"pts"`
	Imputed  []uint8 `ch:"imp"`
}

const scoresQuery = `SELECT partner_id, toInt32(as_of) AS d, ifNull(toInt64(score * 1000000), -1) AS sc, tier,
	toInt64(coverage * 1000) AS cov,
	arrayMap(x -> toInt64(x * 1000), [s_activity, s_content, s_training, s_pipeline, s_sentiment]) AS sub,
	arrayMap(x -> toInt64(x * 1000000), [points_activity, points_content, points_training, points_pipeline, points_sentiment]) AS pts,
	[imputed_activity, imputed_content, imputed_training, imputed_pipeline, imputed_sentiment] AS imp
	FROM partner_scores FINAL ORDER BY partner_id, as_of`

// checkScores compares partner_scores with package score.
func (w *world) checkScores(days map[key]daily) {
	w.t.Helper()
	var rows []storedScore
	if err := w.store.Select(context.Background(), &rows, scoresQuery, nil); err != nil {
		w.t.Fatal(err)
	}
	got := make(map[string][]score.Row)
	for _, r := range rows {
		row := score.Row{AsOf: r.AsOf, Score: r.Score, Tier: score.Tier(r.Tier), Coverage: r.Coverage}
		sum := int64(0)
		for j := range row.Sub {
			row.Sub[j], row.Points[j], row.Imputed[j] = r.Sub[j], r.Points[j], r.Imputed[j] == 1
			sum += r.Points[j]
		}
		if r.Score != score.NoScore && sum != r.Score {
			w.t.Fatalf("%s on day %d: the points sum to %d, the score is %d", r.Partner, r.AsOf, sum, r.Score)
		}
		got[r.Partner] = append(got[r.Partner], row)
	}
	if diff := gocmp.Diff(wantScores(w.t, w.cfg, days, session.LocalDay(w.now, w.loc)), got); diff != "" {
		w.t.Fatalf("partner_scores (-want +got):\n%s", diff)
	}
}

func wantScores(t testing.TB, cfg aggregator.Config, days map[key]daily, today int32) map[string][]score.Row {
	model, err := cfg.Model.With(cfg.Tenants[0].Model.Changes)
	if err != nil {
		t.Fatal(err)
	}
	calc, err := score.NewCalculator(model)
	if err != nil {
		t.Fatal(err)
	}
	var feeds score.Feeds
	for i := range feeds {
		feeds[i] = score.NoFeed
	}
	inputs := make(map[string][]score.Day)
	first := make(map[string]int32)
	for k, d := range days {
		training, pipeline := int64(0), int64(0)
		for name, v := range d {
			if strings.HasPrefix(name, "training_") {
				training += v
			}
			if strings.HasPrefix(name, "deals_") {
				pipeline += v
			}
		}
		for j, n := range []int64{d["active_users"], d["content_views"], training, pipeline, d["nps_count"]} {
			if n > 0 {
				feeds[j] = min(feeds[j], k.Day)
			}
		}
		if f, ok := first[k.Partner]; (d["events"] > 0 || d["upserts"] > 0) && (!ok || k.Day < f) {
			first[k.Partner] = k.Day
		}
		inputs[k.Partner] = append(inputs[k.Partner], score.Day{
			Day:       k.Day,
			Values:    [...]int64{d["v_activity"], d["v_content"], d["v_training"], d["v_pipeline"]},
			Responses: d["nps_count"], Promoters: d["nps_promoters"], Detractors: d["nps_detractors"],
			Segment:     map[bool]string{true: fmt.Sprintf("s%d", d["segment"])}[d["segment"] > 0],
			Completions: d["training_completed"] + d["training_passed"] + d["training_certified"], Cadence: d["cadence_days"],
		})
	}
	out := make(map[string][]score.Row)
	for partner, from := range first {
		if rows := calc.Rows(inputs[partner], feeds, from, today, score.Row{Score: score.NoScore}); len(rows) > 0 {
			out[partner] = rows
		}
	}
	return out
}

// partners is how many partners a random history has.
const partners = 8

// history makes n random events of the partners over some days before end.
func history(rng *rand.Rand, n, days int, end time.Time, prefix string) []sent {
	kinds := event.Types()
	interactive := []event.Type{
		event.PortalLogin, event.PageViewed, event.ContentViewed, event.ContentEngaged, event.ContentEngaged,
		event.ContentDownloaded, event.PlaybookPinned, event.SearchPerformed, event.SearchClicked, event.ContentViewed,
	}
	var out []sent
	at := end
	for i := range n {
		switch { // close together within bursts, anywhere for the next burst
		case i == 0 || rng.IntN(8) == 0:
			at = end.Add(-time.Duration(rng.Int64N(int64(days) * int64(24*time.Hour)))).Truncate(time.Millisecond)
		default:
			at = at.Add(time.Duration(rng.IntN(35*60)) * time.Second)
		}
		if at.After(end) {
			at = end
		}
		kind := interactive[rng.IntN(len(interactive))]
		if rng.IntN(3) == 0 {
			kind = kinds[rng.IntN(len(kinds))]
		}
		small := func(prefix string, n int) string { return fmt.Sprintf("%s%d", prefix, rng.IntN(n)) }
		e := sent{
			Partner: fmt.Sprintf("p-%d", i*partners/n), Internal: rng.IntN(20) == 0, Bot: rng.IntN(20) == 0,
			Event: session.Event{
				ID: fmt.Sprintf("%s%d", prefix, i), Actor: small("u", 3), Type: kind, Time: at,
				SessionID: []string{"", "", "a", "b"}[rng.IntN(4)], ViewID: small("v", 6), ContentID: small("c", 3),
				PlaybookID: []string{"", "pb"}[rng.IntN(2)], Words: uint32(rng.IntN(2) * rng.IntN(2000)), DurationS: uint32(rng.IntN(2) * rng.IntN(600)),
			},
			Stage: []string{"proposal", "demo", "odd"}[rng.IntN(3)], Prev: []string{"Proposal", "demo", "lead"}[rng.IntN(3)],
			Results: uint32(rng.IntN(3)), Data: "{}",
		}
		if e.Type == event.PortalLogin {
			e.Data = []string{`{}`, `{"success":true}`, `{"success":false}`}[rng.IntN(3)]
		}
		if e.Type == event.ContentEngaged {
			e.EngagedMs, e.ScrollPct = uint32(rng.IntN(90_000)), uint8(rng.IntN(101))
		}
		if e.Type == event.CommitmentSet {
			e.Data = fmt.Sprintf(`{"cadence_days":%d}`, 1+rng.IntN(90))
		}
		if e.Type == event.PartnerUpserted {
			e.Data = []string{`{}`, `{"segment":""}`, `{"segment":"s1"}`, `{"segment":"s2"}`, `{"segment":"s3","tier":"gold"}`}[rng.IntN(5)]
		}
		if e.Type == event.SurveyNPSAnswered {
			nps := uint8(rng.IntN(11))
			e.NPS = &nps
		}
		out = append(out, e)
	}
	return out
}

// marathon is a partner that never pauses for four days: its bursts are cut at
// midnights, and one event missing or late moves the cuts of days after it.
func marathon(rng *rand.Rand, end time.Time) []sent {
	var out []sent
	at := end
	for i := range 220 {
		out = append(out, sent{Partner: "p-marathon", Data: "{}", Event: session.Event{
			ID: fmt.Sprintf("m%d", i), Actor: "u", Type: event.PageViewed, Time: at, ViewID: fmt.Sprintf("v%d", i),
		}})
		at = at.Add(-time.Duration(24*60+rng.IntN(5*60)) * time.Second)
	}
	return out
}

// crowd is a partner whose only user does more of everything in a few hours than counts.
func crowd(rng *rand.Rand, end time.Time) []sent {
	kinds := []event.Type{
		event.ContentViewed, event.ContentViewed, event.ContentEngaged, event.ContentEngaged, event.TrainingProgressed,
		event.TrainingCompleted, event.DealRegistered, event.DealStageChanged,
	}
	var out []sent
	for i := range 280 {
		out = append(out, sent{Partner: "p-crowd", Data: "{}", Stage: "won", Prev: "lead", Event: session.Event{
			ID: fmt.Sprintf("c%d", i), Actor: "u", Type: kinds[i%len(kinds)], Time: end.Add(-time.Duration(i) * time.Minute),
			ViewID: fmt.Sprintf("v%d", rng.IntN(50)), ContentID: "doc", Words: 238, EngagedMs: uint32(rng.IntN(60_000)),
		}})
	}
	return out
}
