package alert

import (
	"partnerpulse/internal/detect"
	"partnerpulse/internal/event"
)

// The rules beside those of package detect.
const (
	RuleTenantDrop                        = detect.RuleTenantDrop    // the whole programme went quiet
	RuleTrainingLapse         detect.Rule = "training_lapse"         // no completed training for too long
	RuleCertificationExpiring detect.Rule = "certification_expiring" // within 30 days
	RuleCertificationExpired  detect.Rule = "certification_expired"
	RuleNeglected             detect.Rule = "neglected"     // a document that hardly any partner opens
	RuleSeenNotRead           detect.Rule = "seen_not_read" // a document that many open and few read
	RuleSearchGap             detect.Rule = "search_gap"    // a term that finds nothing useful
)

// Inhibits tells whether an open alert of source's rule and partner makes one of
// target's unnecessary to tell.
func Inhibits(source detect.Rule, sourcePartner string, target detect.Rule, targetPartner string) bool {
	switch source {
	case RuleTenantDrop:
		return targetPartner != event.TenantWide
	case detect.RuleGhosting:
		return sourcePartner == targetPartner && (target == detect.RuleDrop || target == RuleTrainingLapse)
	}
	return false
}

// Rebaselines tells whether a rule has a baseline that can be accepted anew.
func Rebaselines(rule detect.Rule) bool {
	return rule == detect.RuleDrop || rule == detect.RuleGhosting
}
