package xapi

import "partnerpulse/internal/event"

// Voided is the verb that takes a statement back.
const Voided = "http://adlnet.gov/expapi/verbs/voided"

// Prefixes of the vocabularies.
const (
	adl      = "http://adlnet.gov/expapi/verbs/"
	w3adl    = "https://w3id.org/xapi/adl/verbs/"
	video    = "https://w3id.org/xapi/video/verbs/"
	tincan   = "http://id.tincanapi.com/verb/"
	streams  = "http://activitystrea.ms/schema/1.0/"
	activity = "http://adlnet.gov/expapi/activities/"
	tcType   = "http://id.tincanapi.com/activitytype/"
	cmi5Type = "https://w3id.org/xapi/cmi5/activitytype/"
	media    = "https://w3id.org/xapi/video/activity-type/"
)

// DefaultVerbs maps the verbs of ADL, cmi5, the video profile and the TinCan
// registry.
func DefaultVerbs() map[string]Verb {
	started := Verb{event.TrainingStarted, event.ContentViewed}
	going := Verb{event.TrainingProgressed, event.ContentEngaged}
	resumed := Verb{event.TrainingProgressed, event.ContentViewed}
	return map[string]Verb{
		adl + "registered":  {Training: event.TrainingEnrolled},
		tincan + "enrolled": {Training: event.TrainingEnrolled},
		"http://www.tincanapi.co.uk/verbs/enrolled_onto_learning_plan": {Training: event.TrainingEnrolled},

		adl + "launched": started, adl + "initialized": started, adl + "attempted": started,
		streams + "start": started, video + "played": resumed,

		adl + "experienced": resumed, adl + "resumed": resumed, tincan + "viewed": resumed,
		streams + "open": resumed, streams + "read": resumed, streams + "watch": resumed, streams + "play": resumed,

		adl + "progressed": going, adl + "interacted": going, adl + "suspended": going,
		adl + "terminated": going, adl + "exited": going, w3adl + "abandoned": going,
		video + "paused": going, video + "seeked": going,
		adl + "answered": {Training: event.TrainingProgressed}, adl + "scored": {Training: event.TrainingProgressed},

		adl + "completed":    {event.TrainingCompleted, event.ContentEngaged},
		streams + "complete": {event.TrainingCompleted, event.ContentEngaged},
		w3adl + "satisfied":  {Training: event.TrainingCompleted},
		w3adl + "waived":     {Training: event.TrainingCompleted},
		adl + "passed":       {Training: event.TrainingPassed},
		adl + "mastered":     {Training: event.TrainingPassed},
		adl + "failed":       {Training: event.TrainingFailed},

		tincan + "earned": {Training: event.TrainingCertified},
		"http://specification.openbadges.org/xapi/verbs/earned": {Training: event.TrainingCertified},

		tincan + "downloaded": {Content: event.ContentDownloaded},
		adl + "shared":        {Content: event.ContentShared},
		streams + "share":     {Content: event.ContentShared},
	}
}

// DefaultActivityTypes says what the activity types of ADL, cmi5, the video profile
// and the TinCan registry are.
func DefaultActivityTypes() map[string]Class {
	return map[string]Class{
		activity + "course": Course, cmi5Type + "course": Course,
		"http://www.tincanapi.co.uk/activitytypes/learning_plan": Course,

		activity + "module": Training, activity + "lesson": Training, activity + "assessment": Training,
		activity + "question": Training, activity + "interaction": Training, activity + "cmi.interaction": Training,
		activity + "objective": Training, activity + "performance": Training, activity + "simulation": Training,
		activity + "meeting": Training, cmi5Type + "block": Training, cmi5Type + "au": Training,
		tcType + "chapter": Training, tcType + "school-assignment": Training,
		"http://activitystrea.ms/schema/1.0/badge": Training,

		activity + "media": Content, activity + "file": Content, activity + "link": Content,
		media + "video": Content, streams + "video": Content, streams + "audio": Content,
		streams + "article": Content, streams + "file": Content, streams + "page": Content, streams + "image": Content,
		tcType + "document": Content, tcType + "slide-deck": Content, tcType + "resource": Content,
		tcType + "book": Content, tcType + "blog": Content,
	}
}

// partOf is what an event of a part is for its course.
func partOf(t event.Type) event.Type {
	switch t {
	case event.TrainingEnrolled:
		return event.TrainingStarted
	case event.TrainingCompleted, event.TrainingPassed, event.TrainingFailed:
		return event.TrainingProgressed
	}
	return t
}
