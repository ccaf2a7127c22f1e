package enrich

// fieldName is a member name of data that has a column.
type fieldName uint8

// The names; nameNone is every other one.
const (
	nameNone fieldName = iota
	nameViewID
	namePath
	nameTitle
	nameContentID
	nameKind
	nameWords
	namePages
	nameDurationS
	namePlaybookID
	nameEntrySource
	nameEngagedMS
	nameMaxScrollPct
	namePagesSeen
	nameMediaPct
	nameChannel
	nameSearchID
	nameQuery
	nameResultsCount
	namePosition
	nameCourseID
	nameProgress
	nameScoreScaled
	nameDueAt
	nameExpiresAt
	nameLeadID
	nameDealID
	nameStage
	namePrevStage
	nameAmount
	nameCurrency
	nameMarginPct
	nameInfluence
	namePhase
	nameResponseS
	nameSurveyID
	nameScore
)

// fieldOf finds the field of an unquoted member name. The compiler turns the
// switch into a search without allocation.
func fieldOf(name []byte) fieldName {
	switch string(name) {
	case "view_id":
		return nameViewID
	case "path":
		return namePath
	case "title":
		return nameTitle
	case "content_id":
		return nameContentID
	case "kind":
		return nameKind
	case "words":
		return nameWords
	case "pages":
		return namePages
	case "duration_s":
		return nameDurationS
	case "playbook_id":
		return namePlaybookID
	case "entry_source":
		return nameEntrySource
	case "engaged_ms":
		return nameEngagedMS
	case "max_scroll_pct":
		return nameMaxScrollPct
	case "pages_seen":
		return namePagesSeen
	case "media_pct":
		return nameMediaPct
	case "channel":
		return nameChannel
	case "search_id":
		return nameSearchID
	case "query":
		return nameQuery
	case "results_count":
		return nameResultsCount
	case "position":
		return namePosition
	case "course_id":
		return nameCourseID
	case "progress":
		return nameProgress
	case "score_scaled":
		return nameScoreScaled
	case "due_at":
		return nameDueAt
	case "expires_at":
		return nameExpiresAt
	case "lead_id":
		return nameLeadID
	case "deal_id":
		return nameDealID
	case "stage":
		return nameStage
	case "prev_stage":
		return namePrevStage
	case "amount":
		return nameAmount
	case "currency":
		return nameCurrency
	case "margin_pct":
		return nameMarginPct
	case "influence":
		return nameInfluence
	case "phase":
		return namePhase
	case "response_s":
		return nameResponseS
	case "survey_id":
		return nameSurveyID
	case "score":
		return nameScore
	}
	return nameNone
}
