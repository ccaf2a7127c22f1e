package collateral_test

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"partnerpulse/internal/collateral"
)

// at gives a content with v views today, each of quality q.
func at(id string, entitled, reached, v, q int64) collateral.Content {
	views := new(big.Int).Mul(big.NewInt(v), big.NewInt(collateral.DecayUnit))
	return collateral.Content{
		ID: id, AgeDays: 100, Entitled: entitled, Reached: reached, Viewing: reached, Views: views,
		Quality: new(big.Int).Mul(views, big.NewInt(q)),
	}
}

// TestByHand: two contents of a programme of 80 partners. a is seen by 40 of them, 100
// views at quality .5, 30 downloads; b by none.
//
//	mean reach  40/160 = .25, mean use 30/40 = .75, mean depth .5
//	r̂ of a = (40 + 5)/100 = .45, of b = (0 + 5)/100 = .05; the 90th percentile is .45
//	R of a = 1, of b = .05/.45 = .111111
//	û of a = (30 + 15)/60 = .75, of b = 15/20 = .75; U of both = 1
//	D of a = (50 + 10)/120 = .5, of b = 10/20 = .5
//	F of both = .5: no impressions are known
//	CCS of a = 35 + 17.5 + 20 + 5 = 77.5, of b = 3.888885 + 17.5 + 20 + 5 = 46.388885
//	b is neglected: (80 − 0)² = 6400 > 51.415·80 = 4113.2
func TestByHand(t *testing.T) {
	a, b := at("a", 80, 40, 100, 500_000), at("b", 80, 0, 0, 0)
	a.Acts = 30
	got := collateral.Scores([]collateral.Content{a, b})
	want := []collateral.Score{
		{
			ID: "a", Reach: 1_000_000, Depth: 500_000, Use: 1_000_000, Find: 500_000, PointsReach: 35_000_000, PointsDepth: 17_500_000,
			PointsUse: 20_000_000, PointsF: 5_000_000, CCS: 77_500_000, FindImputed: true,
		},
		{
			ID: "b", Reach: 111_111, Depth: 500_000, Use: 1_000_000, Find: 500_000, PointsReach: 3_888_885, PointsDepth: 17_500_000,
			PointsUse: 20_000_000, PointsF: 5_000_000, CCS: 46_388_885, FindImputed: true, Neglected: true,
		},
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got  %+v\nwant %+v", got[i], want[i])
		}
	}
}

// TestLabels: what is opened by everybody and closed at once, and what is too young or
// offered to too few to be called neglected.
func TestLabels(t *testing.T) {
	young, few := at("young", 80, 0, 0, 0), at("few", 51, 0, 0, 0)
	young.AgeDays = collateral.NeglectedDays - 1
	got := collateral.Scores([]collateral.Content{
		at("good", 80, 60, 200, 600_000), at("skimmed", 80, 60, 200, 20_000), young, few, at("neglected", 52, 0, 0, 0), at("found", 80, 5, 5, 600_000),
	})
	for _, s := range got {
		if want := s.ID == "skimmed"; s.SeenNotRead != want {
			t.Errorf("%s: seen_not_read is %v", s.ID, s.SeenNotRead)
		}
		if want := s.ID == "neglected"; s.Neglected != want {
			t.Errorf("%s: neglected is %v", s.ID, s.Neglected)
		}
	}
}

// TestProperties: every score is within 0–100 and the sum of its points, the order of
// the contents does not matter, and another reader never lowers a content's reach
// below that of one who is like it otherwise.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 12).Draw(t, "contents")
		contents := make([]collateral.Content, n)
		for i := range contents {
			entitled := rapid.Int64Range(0, 1_000_000).Draw(t, "entitled")
			c := at(string(rune('a'+i)), entitled, rapid.Int64Range(0, entitled).Draw(t, "reached"),
				rapid.Int64Range(0, 1_000_000).Draw(t, "views"), rapid.Int64Range(0, collateral.Unit).Draw(t, "quality"))
			c.Acts, c.Shown = rapid.Int64Range(0, 1e6).Draw(t, "acts"), rapid.Int64Range(0, 1e6).Draw(t, "shown")
			c.Clicks = rapid.Int64Range(0, c.Shown).Draw(t, "clicks")
			contents[i] = c
		}
		scores := collateral.Scores(contents)
		byID := make(map[string]collateral.Score)
		for i, s := range scores {
			if s.CCS < 0 || s.CCS > 100*collateral.Unit || s.PointsReach+s.PointsDepth+s.PointsUse+s.PointsF != s.CCS {
				t.Fatalf("%+v", s)
			}
			byID[s.ID] = s
			for j := range scores {
				if contents[i].Entitled == contents[j].Entitled && contents[i].Reached > contents[j].Reached && s.Reach < scores[j].Reach {
					t.Fatalf("%+v reaches more partners than %+v", contents[i], contents[j])
				}
			}
		}
		for i, j := 0, n-1; i < j; i, j = i+1, j-1 {
			contents[i], contents[j] = contents[j], contents[i]
		}
		for _, s := range collateral.Scores(contents) {
			if s != byID[s.ID] {
				t.Fatalf("in another order %+v, not %+v", s, byID[s.ID])
			}
		}
	})
}
