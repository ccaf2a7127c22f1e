package chstore_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"partnerpulse/internal/chstore"
)

// TestPiecesAreTheListInOrder, none of them empty, and none larger than a request takes.
func TestPiecesAreTheListInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []string
		for range rapid.IntRange(0, 5).Draw(t, "runs") {
			text := strings.Repeat("x", rapid.SampledFrom([]int{0, 1, 30, 256, 47 << 10, 60 << 10}).Draw(t, "length"))
			list = append(list, slices.Repeat([]string{text}, rapid.IntRange(0, 2500).Draw(t, "n"))...)
		}
		var all []string
		for piece := range chstore.Pieces(list, func(s string) string { return s }) {
			size := 0
			for _, s := range piece {
				size += len(s) + len("'',")
			}
			if len(piece) == 0 || size > 128<<10 {
				t.Fatalf("a piece of %d texts in %d bytes", len(piece), size)
			}
			all = append(all, piece...)
		}
		if !slices.Equal(all, list) {
			t.Fatalf("%d texts became %d", len(list), len(all))
		}
	})
}

// TestPiecesEndWhenNobodyWantsMore as any sequence does.
func TestPiecesEndWhenNobodyWantsMore(t *testing.T) {
	n := 0
	for range chstore.Pieces(make([]string, 10_000), func(s string) string { return s }) {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("%d pieces were taken, want 2", n)
	}
}
