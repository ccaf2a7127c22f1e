package aggregator_test

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"regexp"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"partnerpulse/internal/kafkabus"
)

// interruptedPieces is in how many pieces the history of TestInterruptionAnywhere
// arrives, faultsOfPiece how many faults each meets before it is worked off.
const (
	interruptedPieces = 8
	faultsOfPiece     = 7
)

// TestInterruptionAnywhere lets each kind of writing statement and of publication fail,
// before or after it took effect, wherever in a tick it comes; the rows must come out
// the same as without, and every message repeated must be the same to the byte. Which
// kinds there are is learnt from the world without faults.
func TestInterruptionAnywhere(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	rng := rand.New(rand.NewPCG(3, 3))
	events := history(rng, 900, 50, end, "e")
	slices.SortFunc(events, func(a, b sent) int { return a.Time.Compare(b.Time) })
	var pieces [][]sent
	for rest := events; len(rest) > 0; rest = rest[len(pieces[len(pieces)-1]):] {
		n := (len(events)/2 + interruptedPieces - 2) / (interruptedPieces - 1)
		if len(pieces) == 0 {
			n = len(events) / 2 // long enough for detection to begin
		}
		pieces = append(pieces, rest[:min(len(rest), n)])
	}

	calm, rough := newWorld(t, "Europe/Berlin", end), newWorld(t, "Europe/Berlin", end)
	plan := newFaultPlan(rng)
	for _, piece := range pieces {
		calm.bus.faults, calm.faulty.seen = calm.faulty, nil
		calm.now = piece[len(piece)-1].Time
		calm.send(piece...)
		calm.settle()
		plan.learn(calm.faulty.seen)
	}
	for i, piece := range pieces {
		rough.bus.faults = rough.faulty
		rough.now = piece[len(piece)-1].Time
		rough.send(piece...)
		for j, f := range plan.of(i) {
			rough.faulty.arm(f)
			if err := rough.tickOn(); err != nil {
				plan.met(f)
				if !errors.Is(err, errInjected) {
					t.Fatal(err)
				}
			}
			if (i+j)%3 == 0 {
				rough.restart()
			}
		}
		rough.faulty.arm(faultAt{})
		rough.settle()
	}
	plan.check(t)
	if len(calm.bus.on(kafkabus.TopicDrop)) == 0 {
		t.Error("nothing was told: the test shows nothing about alerts")
	}
	if diff := gocmp.Diff(calm.state(), rough.state()); diff != "" {
		t.Fatalf("state after interruptions (-without +with):\n%s", diff)
	}
	if diff := gocmp.Diff(calm.dump("alerts", "tenant, partner_id, transition_id"), rough.dump("alerts", "tenant, partner_id, transition_id")); diff != "" {
		t.Fatalf("alerts after interruptions (-without +with):\n%s", diff)
	}
	rough.checkScores(rough.checkRollups())
	sameMessages(t, calm.bus.on(kafkabus.TopicDrop), rough.bus.on(kafkabus.TopicDrop))
	sameMessages(t, calm.bus.on(kafkabus.TopicScores), rough.bus.on(kafkabus.TopicScores))
	var left []struct {
		Rows uint64 `ch:"rows"`
	}
	if err := rough.store.Select(t.Context(), &left, "SELECT count() AS rows FROM agg_keys", nil); err != nil || left[0].Rows > 0 {
		t.Errorf("%v rows left in the work table, error %v", left, err)
	}
}

// tickOn ticks until there is nothing left to do, or until the first error.
func (w *world) tickOn() error {
	w.t.Helper()
	for range 100 {
		if work, err := w.agg.Tick(context.Background()); err != nil || !work.More {
			return err
		}
	}
	w.t.Fatal("no end of work after 100 ticks")
	return nil
}

// faultPlan spreads faults over the pieces of a history, so that each kind of write
// fails at least once.
type faultPlan struct {
	rng    *rand.Rand
	pieces [][]string              // the writes of each piece, in order
	failed map[string]map[bool]int // how often a kind has, by faultAt.after
}

func newFaultPlan(rng *rand.Rand) *faultPlan {
	return &faultPlan{rng: rng, failed: make(map[string]map[bool]int)}
}

// learn notes the writes of the next piece.
func (p *faultPlan) learn(writes []string) {
	p.pieces = append(p.pieces, writes)
	for _, kind := range writes {
		if p.failed[kind] == nil {
			p.failed[kind] = make(map[bool]int)
		}
	}
}

// times is how often a kind has failed.
func (p *faultPlan) times(kind string) int { return p.failed[kind][false] + p.failed[kind][true] }

// of chooses the faults of a piece: kinds that failed least first, those that later
// pieces do not have before others; in the order of their first occurrence, because
// what comes before a fault is done again after it. The tables that are written side by
// side with what is told come after it and before the end: when one of them fails, all is
// told nevertheless, and not again.
func (p *faultPlan) of(piece int) []faultAt {
	later := make(map[string]int)
	for _, writes := range p.pieces[piece+1:] {
		for _, kind := range slices.Compact(slices.Sorted(slices.Values(writes))) {
			later[kind]++
		}
	}
	writes := p.pieces[piece]
	kinds := slices.Compact(slices.Sorted(slices.Values(writes)))
	p.rng.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	slices.SortStableFunc(kinds, func(a, b string) int {
		return cmp.Or(cmp.Compare(p.times(a), p.times(b)), cmp.Compare(later[a], later[b]))
	})
	kinds = kinds[:min(len(kinds), faultsOfPiece)]
	order := func(kind string) int {
		if besides.MatchString(kind) {
			return 2*slices.IndexFunc(writes, ends.MatchString) - 1
		}
		return 2 * slices.Index(writes, kind)
	}
	slices.SortStableFunc(kinds, func(a, b string) int { return cmp.Compare(order(a), order(b)) })
	var out []faultAt
	for _, kind := range kinds {
		f := faultAt{kind: kind, nth: 1, after: p.rng.IntN(2) == 0}
		if p.times(kind) > 0 {
			f.after = p.failed[kind][true] == 0
			f.nth += p.rng.IntN(len(slices.DeleteFunc(slices.Clone(writes), func(w string) bool { return w != kind })))
		}
		out = append(out, f)
	}
	return out
}

var (
	besides = regexp.MustCompile(`INSERT INTO (user|content|search)_daily `)
	ends    = regexp.MustCompile(`INSERT INTO dirty_days `)
)

func (p *faultPlan) met(f faultAt) { p.failed[f.kind][f.after]++ }

// check tells kinds that never failed.
func (p *faultPlan) check(t *testing.T) {
	t.Helper()
	for kind := range p.failed {
		if p.times(kind) == 0 {
			t.Errorf("this write never failed:\n%s", kind)
		}
	}
	longest := slices.MaxFunc(p.pieces, func(a, b []string) int { return cmp.Compare(len(a), len(b)) })
	faults := 0
	for kind := range p.failed {
		faults += p.times(kind)
	}
	t.Logf("%d faults at %d kinds of writes; a piece asks for up to %d writes", faults, len(p.failed), len(longest))
	if len(p.failed) < 30 {
		t.Errorf("only %d kinds of writes: the history does not ask for all", len(p.failed))
	}
}

// sameMessages compares two topics; repetitions of a value are allowed in got.
func sameMessages(t *testing.T, want, got []kafkabus.Message) {
	t.Helper()
	set := func(msgs []kafkabus.Message) []string {
		var out []string
		for _, m := range msgs {
			out = append(out, string(m.Key)+" "+string(m.Value))
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	if diff := gocmp.Diff(set(want), set(got)); diff != "" {
		t.Errorf("messages (-without +with):\n%s", diff)
	}
}

// TestMarkDuringBatchStaysDirty: a mark that arrives while its key is worked off
// is worked off later.
func TestMarkDuringBatchStaysDirty(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	w := newWorld(t, "UTC", at)
	first, second := visit("p", "1", at.Add(-2*time.Hour)), visit("p", "2", at.Add(-time.Hour))
	w.send(first)
	w.insert([]sent{second})
	w.faulty.arm(faultAt{kind: "rows of partner_progress", nth: 1, after: true}) // late in the batch
	_, err := w.agg.Tick(t.Context())
	w.faulty.arm(faultAt{})
	if err == nil {
		t.Fatal("the fault was not met")
	}
	w.mark([]sent{second})
	w.settle()
	w.checkScores(w.checkRollups())
}

// TestDroppedHours: hours of marks go once they are old and worked off, never before.
func TestDroppedHours(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	w := newWorld(t, "UTC", at)
	w.send(visit("p", "1", at))
	w.settle()
	hours := func() int { return len(w.dump("dirty_days", "hour, tenant, partner_id, day")) }
	if hours() != 1 {
		t.Fatal("no marks to begin with")
	}
	w.now = at.Add(23 * time.Hour)
	w.settle()
	if hours() != 1 {
		t.Fatal("marks were dropped within 24 hours")
	}
	w.now = at.Add(26 * time.Hour)
	w.settle()
	if n := hours(); n != 0 {
		t.Fatalf("%d rows of finished marks are left", n)
	}
}
