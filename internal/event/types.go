package event

import "strings"

// Type names what happened.
type Type string

// The contract's event types.
const (
	PortalLogin        Type = "portal.login"
	PageViewed         Type = "page.viewed"
	ContentViewed      Type = "content.viewed"
	ContentEngaged     Type = "content.engaged"
	ContentDownloaded  Type = "content.downloaded"
	ContentShared      Type = "content.shared"
	PlaybookPinned     Type = "playbook.pinned"
	PlaybookUnpinned   Type = "playbook.unpinned"
	SearchPerformed    Type = "search.performed"
	SearchClicked      Type = "search.clicked"
	TrainingEnrolled   Type = "training.enrolled"
	TrainingStarted    Type = "training.started"
	TrainingProgressed Type = "training.progressed"
	TrainingCompleted  Type = "training.completed"
	TrainingPassed     Type = "training.passed"
	TrainingFailed     Type = "training.failed"
	TrainingCertified  Type = "training.certified"
	LeadReferred       Type = "lead.referred"
	DealRegistered     Type = "deal.registered"
	DealAccepted       Type = "deal.accepted"
	DealRejected       Type = "deal.rejected"
	DealStageChanged   Type = "deal.stage_changed"
	DealWon            Type = "deal.won"
	DealLost           Type = "deal.lost"
	MeetingHeld        Type = "meeting.held"
	SupportRequested   Type = "support.requested"
	SupportResolved    Type = "support.resolved"
	SurveySent         Type = "survey.sent"
	SurveyNPSAnswered  Type = "survey.nps_answered"
	PartnerUpserted    Type = "partner.upserted"
	UserUpserted       Type = "user.upserted"
	ContentPublished   Type = "content.published"
	ContentRetired     Type = "content.retired"
	CoursePublished    Type = "course.published"
	CommitmentSet      Type = "training.commitment_set"
)

// CustomPrefix starts the types that a tenant may allow: stored, never scored.
const CustomPrefix = "custom."

// Types lists the contract's types in the order of the contract's table.
func Types() []Type {
	return []Type{
		PortalLogin, PageViewed, ContentViewed, ContentEngaged, ContentDownloaded, ContentShared,
		PlaybookPinned, PlaybookUnpinned, SearchPerformed, SearchClicked,
		TrainingEnrolled, TrainingStarted, TrainingProgressed, TrainingCompleted, TrainingPassed,
		TrainingFailed, TrainingCertified, LeadReferred,
		DealRegistered, DealAccepted, DealRejected, DealStageChanged, DealWon, DealLost,
		MeetingHeld, SupportRequested, SupportResolved, SurveySent, SurveyNPSAnswered,
		PartnerUpserted, UserUpserted, ContentPublished, ContentRetired, CoursePublished, CommitmentSet,
	}
}

// IsCustom tells a custom.* type, which needs the tenant's permission.
func (t Type) IsCustom() bool {
	return strings.HasPrefix(string(t), CustomPrefix) && len(t) > len(CustomPrefix)
}

// IsInteractive tells the types that a person causes in the portal. Only they
// make sessions; training, deals and surveys may come from back ends at any hour.
func (t Type) IsInteractive() bool {
	group, _, _ := strings.Cut(string(t), ".")
	switch group {
	case "portal", "page", "content", "playbook", "search":
		return t != ContentPublished && t != ContentRetired
	}
	return false
}

// IsDirectory tells the types that describe partners, users, content and courses
// rather than behaviour. They need no user and are never scored.
func (t Type) IsDirectory() bool {
	switch t {
	case PartnerUpserted, UserUpserted, ContentPublished, ContentRetired, CoursePublished, CommitmentSet:
		return true
	}
	return false
}

// IsTenantWide tells the directory types that belong to no single partner; their
// partner is TenantWide.
func (t Type) IsTenantWide() bool {
	return t == ContentPublished || t == ContentRetired || t == CoursePublished
}
