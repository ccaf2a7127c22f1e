package chstore_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"partnerpulse/internal/chstore"
)

// kinds has a column of every kind that is encoded here.
const kinds = `(row UInt64, s String, lc LowCardinality(String), tags Array(String), flag Bool, u8 UInt8, u16 UInt16, u32 UInt32,
	i32 Int32, i64 Int64, f32 Float32, f64 Float64, day Date, sec DateTime('UTC'), ms DateTime64(3, 'UTC'), us DateTime64(6, 'UTC'),
	nu8 Nullable(UInt8), nu32 Nullable(UInt32), nf32 Nullable(Float32), nms Nullable(DateTime64(3, 'UTC')), money Decimal(18, 4),
	marks SimpleAggregateFunction(sum, UInt64)) ENGINE = MergeTree ORDER BY row`

// drawColumns gives rows for all of them.
func drawColumns(t *rapid.T) []chstore.Column {
	n := rapid.IntRange(1, 40).Draw(t, "rows")
	text := rapid.OneOf(rapid.Just(""), rapid.StringN(0, 300, -1), rapid.SampledFrom([]string{"a", "\x00", "\xff\xfe", strings.Repeat("x", 20_000)}))
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMilli(rapid.Int64Range(0, 4_294_967_295_999).Draw(t, "ms")).UTC()
	})
	money := rapid.Custom(func(t *rapid.T) decimal.Decimal {
		return decimal.New(rapid.Int64Range(-999_999_999_999_999_999, 999_999_999_999_999_999).Draw(t, "units"), -4)
	})
	rows := make([]uint64, n)
	for i := range rows {
		rows[i] = uint64(i)
	}
	return []chstore.Column{
		{Name: "row", Values: rows}, {Name: "s", Values: of(t, n, text)}, {Name: "lc", Values: of(t, n, text)},
		{Name: "tags", Values: of(t, n, rapid.SliceOfN(text, 0, 3))}, {Name: "flag", Values: of(t, n, rapid.Bool())},
		{Name: "u8", Values: of(t, n, rapid.Uint8())}, {Name: "u16", Values: of(t, n, rapid.Uint16())}, {Name: "u32", Values: of(t, n, rapid.Uint32())},
		{Name: "i32", Values: of(t, n, rapid.Int32())}, {Name: "i64", Values: of(t, n, rapid.Int64())},
		{Name: "f32", Values: of(t, n, rapid.Float32())}, {Name: "f64", Values: of(t, n, rapid.Float64())},
		{Name: "day", Values: of(t, n, instant)}, {Name: "sec", Values: of(t, n, instant)}, {Name: "ms", Values: of(t, n, instant)}, {Name: "us", Values: of(t, n, instant)},
		{Name: "nu8", Values: of(t, n, rapid.Ptr(rapid.Uint8(), true))}, {Name: "nu32", Values: of(t, n, rapid.Ptr(rapid.Uint32(), true))},
		{Name: "nf32", Values: of(t, n, rapid.Ptr(rapid.Float32(), true))}, {Name: "nms", Values: of(t, n, rapid.Ptr(instant, true))},
		{Name: "money", Values: of(t, n, money)}, {Name: "marks", Values: of(t, n, rapid.Uint64())},
	}
}

func of[T any](t *rapid.T, n int, g *rapid.Generator[T]) []T {
	return rapid.SliceOfN(g, n, n).Draw(t, fmt.Sprintf("%T", *new(T)))
}

// asTexts gives the columns with their strings as Texts.
func asTexts(cols []chstore.Column) []chstore.Column {
	out := slices.Clone(cols)
	for i, c := range out {
		if strs, ok := c.Values.([]string); ok {
			texts := new(chstore.Texts)
			for j, s := range strs {
				if j%2 == 0 {
					texts.Append(s)
				} else {
					texts.AppendBytes([]byte(s))
				}
			}
			out[i].Values = texts
		}
	}
	return out
}

// TestPostedRowsAreThoseOfTheDriver: the store gets the same values whichever way they go.
func TestPostedRowsAreThoseOfTheDriver(t *testing.T) {
	for _, compression := range []string{"none", "lz4", "zstd"} {
		t.Run(compression, func(t *testing.T) {
			s := open(t, func(c *chstore.Config) { c.Compression = compression })
			if _, err := s.Migrate(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			ways := map[string]func([]chstore.Column) error{
				"driver":       func(cols []chstore.Column) error { return s.InsertByDriver(t.Context(), "driver", cols) },
				"driver_texts": func(cols []chstore.Column) error { return s.InsertByDriver(t.Context(), "driver_texts", asTexts(cols)) },
				"slices":       func(cols []chstore.Column) error { return s.InsertColumns(t.Context(), "slices", cols) },
				"texts":        func(cols []chstore.Column) error { return s.InsertColumns(t.Context(), "texts", asTexts(cols)) },
			}
			for table := range ways {
				if err := s.Exec(t.Context(), "CREATE TABLE "+table+" "+kinds, nil); err != nil {
					t.Fatal(err)
				}
			}
			cols := rapid.Custom(drawColumns)
			for seed := range 8 {
				drawn := cols.Example(seed)
				digests := map[string]uint64{}
				for table, insert := range ways {
					if err := s.Exec(t.Context(), "TRUNCATE TABLE "+table, nil); err != nil {
						t.Fatal(err)
					}
					if err := insert(drawn); err != nil {
						t.Fatalf("%s: %v", table, err)
					}
					digests[table] = digest(t, s, table)
				}
				for table, d := range digests {
					if d != digests["driver"] {
						t.Errorf("rows of seed %d: %s differs from the driver's", seed, table)
					}
				}
			}
		})
	}
}

// digest is of all rows, with their order.
func digest(t *testing.T, s *chstore.Store, table string) uint64 {
	t.Helper()
	var got []struct {
		D uint64 `ch:"d"`
	}
	if err := s.Select(t.Context(), &got, "SELECT cityHash64(groupArray(toString(tuple(*)))) AS d FROM (SELECT * FROM "+table+" ORDER BY row)", nil); err != nil {
		t.Fatal(err)
	}
	return got[0].D
}

// TestPostRefusesWhatAColumnCannotHold, as the driver does.
func TestPostRefusesWhatAColumnCannotHold(t *testing.T) {
	s := open(t)
	if _, err := s.Migrate(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Exec(t.Context(), "CREATE TABLE t "+kinds, nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []chstore.Column{
		{Name: "day", Values: []time.Time{time.Date(2150, 1, 1, 0, 0, 0, 0, time.UTC)}}, {Name: "day", Values: []time.Time{time.Unix(-1, 0)}},
		{Name: "sec", Values: []time.Time{time.Date(2107, 1, 1, 0, 0, 0, 0, time.UTC)}},
		{Name: "ms", Values: []time.Time{time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)}},
		{Name: "money", Values: []decimal.Decimal{decimal.New(1, 14)}}, {Name: "money", Values: []decimal.Decimal{decimal.New(-1, 14)}},
		{Name: "u8", Values: []string{"x"}}, {Name: "u32", Values: asTexts([]chstore.Column{{Values: []string{"x"}}})[0].Values},
	} {
		if err := s.InsertColumns(t.Context(), "t", []chstore.Column{c}); !errors.Is(err, chstore.ErrRefused) {
			t.Errorf("%s %v: %v", c.Name, c.Values, err)
		}
	}
	if err := s.InsertColumns(t.Context(), "t", []chstore.Column{{Name: "money", Values: []decimal.Decimal{decimal.RequireFromString("99999999999999.99999")}}}); err != nil {
		t.Errorf("more digits than are kept: %v", err)
	}
}

// TestPostPassesOverAnAddressThatIsAway and comes back to none that is.
func TestPostPassesOverAnAddressThatIsAway(t *testing.T) {
	s := open(t, func(c *chstore.Config) { c.Addr = append([]string{"http://127.0.0.1:1"}, c.Addr...) })
	if _, err := s.Migrate(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Exec(t.Context(), "CREATE TABLE t (s String) ENGINE = MergeTree ORDER BY s", nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.InsertColumns(t.Context(), "t", asTexts([]chstore.Column{{Name: "s", Values: []string{"x"}}})); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTexts: what goes in comes out, of any range, and nothing is left after Reset.
func TestTexts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.OneOf(rapid.String(), rapid.Just(strings.Repeat("y", 200))), 0, 30).Draw(t, "rows")
		var texts chstore.Texts
		for _, s := range want {
			texts.Append(s)
		}
		low := rapid.IntRange(0, len(want)).Draw(t, "low")
		high := rapid.IntRange(low, len(want)).Draw(t, "high")
		got := texts.Range(low, high)
		if d := cmp.Diff(append([]string{}, want[low:high]...), got.Strings()); d != "" || got.Len() != high-low || texts.Len() != len(want) {
			t.Fatalf("rows %d to %d: %s", low, high, d)
		}
		texts.Reset()
		texts.Append("z")
		if d := cmp.Diff([]string{"z"}, texts.Strings()); d != "" {
			t.Fatal(d)
		}
	})
}
