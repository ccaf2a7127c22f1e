package rules

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"partnerpulse/internal/detect"
)

func TestLapseBeginsAndEnds(t *testing.T) {
	c := DefaultTraining() // lapses on the 91st day after
	for name, test := range map[string]struct {
		completed   []detect.Day
		commitments []Commitment
		through     detect.Day
		want        []Lapse
	}{
		"never began":          {through: 5000},
		"on the last good day": {completed: []detect.Day{1000}, through: 1090},
		"one day later": {
			completed: []detect.Day{1000}, through: 1091,
			want: []Lapse{{Episode: Episode{Firing: 1091, Change: 1001}, Last: 1000, CadenceDays: 60, LimitDays: 90}},
		},
		"ends with the next completion": {
			completed: []detect.Day{1200, 1000}, through: 1210,
			want: []Lapse{{Episode: Episode{Firing: 1091, Change: 1001, End: 1200}, Last: 1000, CadenceDays: 60, LimitDays: 90}},
		},
		"counts from the commitment of one that never completed": {
			commitments: []Commitment{{1000, 20}}, through: 1031,
			want: []Lapse{{Episode: Episode{Firing: 1031, Change: 1001}, CadenceDays: 20, LimitDays: 30}},
		},
		"a shorter cadence makes it late at once": {
			completed: []detect.Day{1000}, commitments: []Commitment{{1060, 20}}, through: 1070,
			want: []Lapse{{Episode: Episode{Firing: 1060, Change: 1001}, Last: 1000, CadenceDays: 20, LimitDays: 30}},
		},
		"a longer cadence ends it": {
			completed: []detect.Day{1000}, commitments: []Commitment{{1100, 100}}, through: 1151,
			want: []Lapse{
				{Episode: Episode{Firing: 1091, Change: 1001, End: 1100}, Last: 1000, CadenceDays: 60, LimitDays: 90},
				{Episode: Episode{Firing: 1151, Change: 1001}, Last: 1000, CadenceDays: 100, LimitDays: 150},
			},
		},
	} {
		if diff := cmp.Diff(test.want, c.Lapses(test.completed, test.commitments, test.through)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestLapsesAgreeWithEachDay compares the episodes with the definition, day by day.
func TestLapsesAgreeWithEachDay(t *testing.T) {
	c := DefaultTraining()
	rapid.Check(t, func(t *rapid.T) {
		days := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) detect.Day { return detect.Day(rapid.IntRange(100, 900).Draw(t, "day")) }), 0, 6).Draw(t, "completed")
		var commitments []Commitment
		seen := map[detect.Day]bool{}
		for range rapid.IntRange(0, 3).Draw(t, "commitments") {
			from := detect.Day(rapid.IntRange(100, 900).Draw(t, "from"))
			if !seen[from] {
				commitments = append(commitments, Commitment{from, rapid.IntRange(1, 120).Draw(t, "cadence")})
			}
			seen[from] = true
		}
		through := detect.Day(rapid.IntRange(100, 1200).Draw(t, "through"))
		lapses := c.Lapses(days, commitments, through)
		for day := detect.Day(90); day <= through; day++ {
			in := 0
			for _, l := range lapses {
				if l.Firing <= day && (l.End == detect.NoDay || day < l.End) {
					in++
				}
			}
			want := 0
			if lapsedOn(c, days, commitments, day) {
				want = 1
			}
			if in != want {
				t.Fatalf("day %d is in %d episodes, want %d: %+v", day, in, want, lapses)
			}
		}
	})
}

// lapsedOn is the definition.
func lapsedOn(c TrainingConfig, completed []detect.Day, commitments []Commitment, day detect.Day) bool {
	cadence, since := c.CadenceDays, detect.NoDay
	newest, first := detect.NoDay, detect.NoDay
	for _, k := range commitments {
		if k.From <= day && k.From > newest {
			newest, cadence = k.From, k.CadenceDays
		}
		if k.From <= day && (first == detect.NoDay || k.From < first) {
			first = k.From
		}
	}
	for _, d := range completed {
		if d <= day {
			since = max(since, d)
		}
	}
	if since == detect.NoDay {
		since = first
	}
	return since != detect.NoDay && float64(day-since) > c.LapseFactor*float64(cadence)
}

func TestExpiries(t *testing.T) {
	c := DefaultTraining()
	first := Certificate{Earned: 1000, Expires: 1365}
	for name, test := range map[string]struct {
		certificates []Certificate
		through      detect.Day
		want         []Expiry
	}{
		"long valid": {certificates: []Certificate{first}, through: 1334},
		"expiring": {
			certificates: []Certificate{first}, through: 1335,
			want: []Expiry{{Episode: Episode{Firing: 1335, Change: 1335}, Expires: 1365}},
		},
		"expired": {
			certificates: []Certificate{first}, through: 1400,
			want: []Expiry{
				{Episode: Episode{Firing: 1335, Change: 1335, End: 1366}, Expires: 1365},
				{Episode: Episode{Firing: 1366, Change: 1366}, Expires: 1365, Expired: true},
			},
		},
		"renewed in time": {
			certificates: []Certificate{{Earned: 1350, Expires: 1715}, first}, through: 1400,
			want: []Expiry{{Episode: Episode{Firing: 1335, Change: 1335, End: 1350}, Expires: 1365}},
		},
		"somebody else's lasts longer": {certificates: []Certificate{first, {Earned: 1010, Expires: 1100}}, through: 1200},
		"renewed late": {
			certificates: []Certificate{first, {Earned: 1370, Expires: 1735}}, through: 1400,
			want: []Expiry{
				{Episode: Episode{Firing: 1335, Change: 1335, End: 1366}, Expires: 1365},
				{Episode: Episode{Firing: 1366, Change: 1366, End: 1370}, Expires: 1365, Expired: true},
			},
		},
	} {
		if diff := cmp.Diff(test.want, c.Expiries(test.certificates, test.through)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestALabelEndsAfterDaysWithoutIt(t *testing.T) {
	for name, test := range map[string]struct {
		days    []detect.Day
		through detect.Day
		want    []Episode
	}{
		"never":                   {through: 10},
		"holds":                   {days: []detect.Day{5, 6}, through: 12, want: []Episode{{Firing: 5, Change: 5}}},
		"ends on the 7th day":     {days: []detect.Day{5, 6}, through: 13, want: []Episode{{Firing: 5, Change: 5, End: 13}}},
		"a short pause":           {days: []detect.Day{12, 6}, through: 14, want: []Episode{{Firing: 6, Change: 6}}},
		"a long pause":            {days: []detect.Day{13, 6}, through: 14, want: []Episode{{Firing: 6, Change: 6, End: 13}, {Firing: 13, Change: 13}}},
		"later days do not count": {days: []detect.Day{6, 15}, through: 14, want: []Episode{{Firing: 6, Change: 6, End: 13}}},
	} {
		if diff := cmp.Diff(test.want, Labelled(test.days, 7, test.through)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestGaps(t *testing.T) {
	c := DefaultCollateral() // 10 searches in 30 days, of which 8 failed; ends after 14 days
	days := []Searched{{100, 5, 4}, {110, 4, 4}, {120, 1, 0}, {121, 10, 0}, {131, 1, 1}}
	want := []Gap{{Episode: Episode{Firing: 120, Change: 120, End: 134}, Searches: 10, Failed: 8}}
	if diff := cmp.Diff(want, c.Gaps(days, 140)); diff != "" {
		t.Error(diff)
	}
	if got := c.Gaps([]Searched{{100, 9, 9}, {130, 1, 1}}, 140); len(got) > 0 {
		t.Errorf("ten searches in 31 days: %+v", got)
	}
}

// TestLaterDaysDoNotMoveEpisodes: what is found through a day is found again later,
// but for the end of the last episode.
func TestLaterDaysDoNotMoveEpisodes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		days := rapid.SliceOf(rapid.Custom(func(t *rapid.T) detect.Day { return detect.Day(rapid.IntRange(1, 60).Draw(t, "day")) })).Draw(t, "days")
		gap := rapid.IntRange(1, 9).Draw(t, "gap")
		through := detect.Day(rapid.IntRange(1, 60).Draw(t, "through"))
		early, late := Labelled(days, gap, through), Labelled(days, gap, 100)
		if len(late) < len(early) {
			t.Fatalf("%v became %v", early, late)
		}
		for i, e := range early {
			if e.Firing != late[i].Firing || e.End != detect.NoDay && e.End != late[i].End {
				t.Fatalf("%v became %v", early, late)
			}
		}
	})
}
