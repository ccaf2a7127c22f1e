package segment

import (
	"strings"

	"partnerpulse/internal/event"
)

// kind says how a value is brought into the form that the schema asks for.
type kind byte

const (
	asIs     kind = iota
	text          // a number becomes a string
	number        // a string with a number becomes one
	boolean       // "true" and "false" become booleans
	instant       // RFC 3339
	currency      // capitals
)

// field is one field of data and where it comes from.
type field struct {
	name string
	kind kind
	from []string // names of properties, normal; the first one that is there counts
}

// f writes a field: its own name comes first of all.
func f(name string, k kind, from ...string) field {
	out := field{name: name, kind: k, from: []string{normal(name)}}
	for _, n := range from {
		out.from = append(out.from, normal(n))
	}
	return out
}

// fieldsOf is where the fields of a type come from.
func fieldsOf(t event.Type) []field {
	group, _, _ := strings.Cut(string(t), ".")
	contentID := f("content_id", text, "asset_id", "content_asset_id", "article_id", "document_id", "resource_id",
		"collateral_id", "file_id", "video_id", "product_id", "slug", "file_name", "id")
	viewID := f("view_id", text, "page_view_id", "pageview_id")
	searchID := f("search_id", text, "query_id")
	playbookID := f("playbook_id", text, "playbook")
	position := f("position", number, "rank", "result_position")
	switch t {
	case event.PortalLogin:
		return []field{f("method", text, "provider", "login_method", "auth_method"), f("success", boolean)}
	case event.PageViewed:
		return []field{viewID, f("path", text), f("title", text)}
	case event.ContentViewed:
		return []field{viewID, contentID, f("version", text), f("kind", text, "content_type", "asset_type", "category", "type"),
			f("words", number, "word_count"), f("pages", number, "page_count", "total_pages"),
			f("duration_s", number, "total_length", "duration"), playbookID, f("entry_source", text), searchID, position}
	case event.ContentEngaged:
		return []field{viewID, contentID, f("engaged_ms", number, "time_on_page_ms", "engagement_time_msec"),
			f("max_scroll_pct", number, "scroll_depth", "max_scroll", "percent_scrolled"), f("pages_seen", number), f("media_pct", number, "percent_watched")}
	case event.ContentDownloaded, event.ContentShared:
		return []field{contentID, viewID, f("channel", text, "share_via", "share_method", "method")}
	case event.PlaybookPinned, event.PlaybookUnpinned:
		return []field{f("playbook_id", text, "playbook", "id"), f("content_id", text)}
	case event.SearchPerformed:
		return []field{searchID, f("query", text, "search_query", "search_term", "term", "keyword", "keywords"),
			f("results_count", number, "result_count", "number_of_results", "num_results", "total_results", "hits"), f("filters", asIs)}
	case event.SearchClicked:
		return []field{searchID, contentID, position}
	case event.SurveySent, event.SurveyNPSAnswered:
		return []field{f("survey_id", text, "id"), f("score", number, "nps", "nps_score", "rating"), f("comment", text, "feedback")}
	case event.MeetingHeld:
		return []field{f("meeting_id", text, "event_id", "id"), f("phase", text), f("duration_s", number, "duration")}
	case event.LeadReferred:
		return append([]field{f("lead_id", text, "referral_id", "id")}, money()...)
	}
	switch group {
	case "training":
		return training(t)
	case "deal":
		return append([]field{f("deal_id", text, "opportunity_id", "registration_id", "id"),
			f("stage", text, "stage_name", "new_stage", "to_stage"), f("prev_stage", text, "previous_stage", "old_stage", "from_stage"),
			f("margin_pct", number, "margin"), f("recurring_months", number, "term_months", "contract_months"), f("influence", text)}, money()...)
	case "support":
		return []field{f("ticket_id", text, "case_id", "conversation_id", "id"), f("phase", text),
			f("response_s", number, "response_time", "first_response_time")}
	}
	return directory(t)
}

func money() []field {
	return []field{f("amount", number, "value", "revenue", "total"), f("currency", currency, "currency_code")}
}

func training(t event.Type) []field {
	if t == event.CommitmentSet {
		return []field{f("cadence_days", number), f("course_id", text)}
	}
	return []field{f("course_id", text, "training_id", "certification_id", "certificate_id", "exam_id", "id"),
		f("registration", text, "registration_id", "enrollment_id"),
		f("progress", number, "percent_complete", "progress_pct", "percentage"), f("score_scaled", number),
		f("duration_s", number, "duration"), f("due_at", instant, "due_date"),
		f("expires_at", instant, "expiration_date", "expiry_date", "valid_until")}
}

// directory is where the fields of the types that describe things come from; for
// users and partners, the traits of identify and group.
func directory(t event.Type) []field {
	switch t {
	case event.PartnerUpserted:
		return []field{f("partner_id", text), f("name", text, "company", "account_name"), f("tier", text, "partner_tier", "plan"),
			f("segment", text, "industry"), f("region", text), f("owner", text, "channel_manager", "account_owner"),
			f("joined_at", instant, "created_at"), f("status", text)}
	case event.UserUpserted:
		return []field{f("user_id", text), f("name", text), f("role", text, "title", "position"), f("region", text),
			f("joined_at", instant, "created_at"), f("status", text)}
	case event.ContentPublished, event.ContentRetired, event.CoursePublished:
		return []field{f("content_id", text), f("course_id", text), f("title", text), f("kind", text), f("words", number),
			f("pages", number), f("duration_s", number), f("owner", text), f("audience", asIs)}
	}
	return nil
}

// names is one row of the default table of track names.
type names struct {
	typ  event.Type
	set  [2]string // a field of data and its value, where the name tells it
	list []string
}

// things gives every pairing of things and verbs: "article viewed".
func things(verbs string, nouns ...string) []string {
	var out []string
	for _, noun := range nouns {
		for verb := range strings.SplitSeq(verbs, ", ") {
			out = append(out, noun+" "+verb)
		}
	}
	return out
}

// defaultNames are the track names known without configuration, normal. Every type
// of the contract is known by its own name besides. Names of Segment's B2B SaaS, video,
// e-commerce and live chat specifications are among them.
func defaultNames() []names {
	none := [2]string{}
	assets := []string{"document", "asset", "resource", "collateral", "file"}
	return []names{
		{event.PortalLogin, none, []string{"signed in", "user signed in", "logged in", "user logged in", "login", "sign in"}},
		{event.PageViewed, none, []string{"viewed page", "page view", "screen viewed"}},
		{event.ContentViewed, none, append([]string{"content opened"}, things("viewed, opened", assets...)...)},
		{event.ContentViewed, [2]string{"kind", "article"}, things("viewed, opened, read", "article")},
		{event.ContentViewed, [2]string{"kind", "video"}, []string{"video viewed", "video playback started", "video content started"}},
		{event.ContentViewed, [2]string{"kind", "product"}, []string{"product viewed"}},
		{event.ContentDownloaded, none, append([]string{"content download"}, things("downloaded", append(assets, "article", "whitepaper", "video")...)...)},
		{event.ContentShared, none, append([]string{"product shared"}, things("shared", append(assets, "article", "video")...)...)},
		{event.PlaybookPinned, none, []string{"playbook saved", "playbook bookmarked"}},
		{event.PlaybookUnpinned, none, []string{"playbook removed", "playbook unsaved"}},
		{event.SearchPerformed, none, append([]string{"search", "searched", "site searched"}, things("searched", "products", "content", "documents", "resources")...)},
		{event.SearchClicked, none, []string{"search result clicked", "search result opened"}},
		{event.TrainingEnrolled, none, things("enrolled", "course", "certification")},
		{event.TrainingStarted, none, things("started", "course", "certification")},
		{event.TrainingProgressed, none, append(things("progressed", "course"), things("completed", "lesson", "module", "course module")...)},
		{event.TrainingCompleted, none, things("completed", "course")},
		{event.TrainingPassed, none, things("passed", "course", "exam", "quiz", "assessment")},
		{event.TrainingFailed, none, things("failed", "course", "exam", "quiz", "assessment")},
		{event.TrainingCertified, none, append(things("certified", "course", "user"), things("earned, awarded, completed", "certification", "certificate")...)},
		{event.LeadReferred, none, things("submitted, created, registered", "lead")},
		{event.DealRegistered, none, append([]string{"deal registration submitted"}, things("created, registered", "opportunity", "deal")...)},
		{event.DealAccepted, none, []string{"deal approved", "deal registration approved", "deal registration accepted"}},
		{event.DealRejected, none, []string{"deal declined", "deal registration rejected", "deal registration declined"}},
		{event.DealStageChanged, none, append([]string{"deal stage updated"}, things("stage changed, stage updated", "opportunity")...)},
		{event.DealWon, none, things("won, closed won", "opportunity", "deal")},
		{event.DealLost, none, things("lost, closed lost", "opportunity", "deal")},
		{event.MeetingHeld, none, things("completed, attended", "meeting")},
		{event.SupportRequested, none, append([]string{"live chat conversation started"}, things("created, opened, submitted", "support ticket", "ticket", "case")...)},
		{event.SupportResolved, none, append([]string{"live chat conversation ended"}, things("resolved, solved, closed", "support ticket", "ticket", "case")...)},
		{event.SurveySent, none, []string{"nps survey sent"}},
		{event.SurveyNPSAnswered, none, []string{"nps answered", "nps survey answered", "nps survey submitted", "nps score submitted"}},
	}
}

// defaultPartnerFrom is where a call tells its partner, in this order.
func defaultPartnerFrom() []string {
	return []string{
		"properties.partner_id", "traits.partner_id", "context.partner_id", "context.groupId", "groupId",
		"context.traits.partner_id", "traits.company.id", "context.traits.company.id", "integrations.PartnerPulse.partner_id",
	}
}

// defaultDropTraits are traits that say who a person is and that no metric needs.
func defaultDropTraits() []string {
	return []string{"email", "phone", "address", "avatar", "birthday", "age", "gender", "username", "first_name", "last_name"}
}
