package chaos

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"partnerpulse/internal/fault"
)

// act is a kind of step.
type act string

const (
	kill        act = "kill"         // SIGKILL at a random time
	trap        act = "trap"         // SIGKILL, and a start with a fault point armed
	gentleTrap  act = "gentle trap"  // the same after an orderly end, so that the group goes on at once
	freeze      act = "freeze"       // SIGSTOP, later SIGCONT
	restart     act = "restart"      // an orderly end and a start
	join        act = "join"         // one more enricher joins the group and leaves it
	joinKilled  act = "join killed"  // the same, but it is killed
	rewind      act = "rewind"       // the stopped group is set back to random offsets
	secondGroup act = "second group" // another group inserts from random offsets on, and is killed
)

// step is one thing that happens.
type step struct {
	at     time.Duration // from the begin
	act    act
	role   string
	target int           // which of the role's processes
	spec   string        // armed by a trap
	lasts  time.Duration // until it is undone or the process starts again
}

// deck is one round of steps. Traps kill twice: on the way in, and at the point.
func deck(rng *rand.Rand, apache bool) []step {
	var out []step
	add := func(a act, role, spec string, least, most time.Duration) {
		lasts := least
		if most > least {
			lasts += time.Duration(rng.Int64N(int64(most - least)))
		}
		out = append(out, step{act: a, role: role, target: rng.IntN(16), spec: spec, lasts: lasts})
	}
	nth := func(point string, most int, how string) string {
		spec := point + ":" + string(rune('1'+rng.IntN(most)))
		if how != "" {
			spec += ":" + how
		}
		return spec
	}
	const soon, late = 100 * time.Millisecond, 1500 * time.Millisecond
	for _, point := range []string{
		fault.EnricherSent, fault.EnricherInserted, fault.InsertBody, fault.EnricherMarked, fault.CommitSent, fault.EnricherCommitted,
	} {
		add(trap, "enricher", nth(point, 5, ""), soon, late)
	}
	for _, point := range []string{fault.EnricherInserted, fault.EnricherMarked} {
		add(trap, "enricher", nth(point, 4, "stop"), sessionTimeout+time.Second, sessionTimeout+4*time.Second)
	}
	for _, point := range []string{
		fault.AggregatorRollup, fault.AggregatorProgress, fault.AggregatorScored, fault.AggregatorPublished, fault.AggregatorTaken, fault.AggregatorDone,
	} {
		add(trap, "aggregator", nth(point, 4, ""), soon, late)
	}
	add(trap, "collector", nth(fault.CollectorPublished, 9, ""), soon, late)
	add(trap, "store", nth(fault.StoreInsert, 9, "3ms"), soon, late)
	add(trap, "store", nth(fault.StoreInserted, 9, ""), soon, late)
	for _, role := range []string{"enricher", "enricher", "aggregator", "collector", "store", "broker"} {
		add(kill, role, "", soon, late)
	}
	add(freeze, "enricher", "", sessionTimeout+time.Second, sessionTimeout+5*time.Second)
	add(freeze, "aggregator", "", time.Second, 5*time.Second)
	add(freeze, "aggregator", "", sessionTimeout+time.Second, sessionTimeout+5*time.Second) // another takes its tenants over
	add(freeze, "store", "", 500*time.Millisecond, 4*time.Second)
	if !apache {
		add(freeze, "broker", "", 500*time.Millisecond, 4*time.Second)
	}
	add(restart, "broker", "", 0, 0)
	add(join, "enricher", "", 4*time.Second, 8*time.Second)
	add(joinKilled, "enricher", "", 4*time.Second, 8*time.Second)
	add(rewind, "enricher", "", 0, 0)
	add(secondGroup, "enricher", "", 4*time.Second, 8*time.Second)
	return out
}

// killsOf is how many kills a deck holds.
func killsOf(steps []step) int {
	n := 0
	for _, s := range steps {
		switch {
		case s.act == trap && frozenBy(s.spec):
			n++
		case s.act == trap:
			n += 2
		case s.act == kill, s.act == gentleTrap, s.act == joinKilled, s.act == secondGroup:
			n++
		}
	}
	return n
}

func frozenBy(spec string) bool { return len(spec) > 5 && spec[len(spec)-5:] == ":stop" }

// plan gives the steps of a run, in order; the same seed gives the same plan. A short
// run gets few steps: one of each kind that matters most.
func plan(seed uint64, duration time.Duration, kills int, apache bool) []step {
	rng := rand.New(rand.NewPCG(seed, 3))
	var steps []step
	if duration < time.Minute {
		all := deck(rng, apache)
		pick := func(a act, role string, points ...string) {
			fit := slices.DeleteFunc(slices.Clone(all), func(s step) bool {
				point, _, _ := strings.Cut(s.spec, ":")
				return s.act != a || s.role != role || frozenBy(s.spec) || len(points) > 0 && !slices.Contains(points, point)
			})
			s := fit[rng.IntN(len(fit))]
			if s.act == trap {
				point, _, _ := strings.Cut(s.spec, ":")
				s.act, s.spec, s.lasts = gentleTrap, point+":1", 0
			}
			steps = append(steps, s)
		}
		pick(trap, "enricher", fault.EnricherSent, fault.InsertBody)
		pick(trap, "enricher", fault.EnricherInserted, fault.EnricherMarked, fault.CommitSent, fault.EnricherCommitted)
		pick(trap, "aggregator")
		pick(kill, "store")
		pick(trap, "collector")
		pick(kill, "broker")
		for i := 0; killsOf(steps) < kills; i++ {
			pick(kill, []string{"aggregator", "collector", "store"}[i%3])
		}
		pick(rewind, "enricher")
	} else {
		for killsOf(steps) < kills {
			round := deck(rng, apache)
			rng.Shuffle(len(round), func(i, j int) { round[i], round[j] = round[j], round[i] })
			steps = append(steps, round...)
		}
	}
	// Evenly, with some disorder, between the first and the last twentieth.
	gap := duration * 9 / 10 / time.Duration(len(steps))
	for i := range steps {
		steps[i].at = duration/20 + time.Duration(i)*gap + time.Duration(rng.Int64N(int64(gap/2)+1))
	}
	return steps
}
