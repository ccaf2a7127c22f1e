package forget

import (
	"iter"
	"maps"
	"strconv"

	"partnerpulse/internal/chstore"
)

// inPieces gives the parameters of a statement that names long lists, a piece of each list
// at a time, in all combinations. It is for conditions that are true of a row when they are
// for one element of a list; a row for which they are for more is met more than once.
func inPieces(p chstore.Params) iter.Seq[chstore.Params] {
	return func(yield func(chstore.Params) bool) {
		for name, value := range p {
			pieces := piecesOf(value)
			if len(pieces) < 2 {
				continue
			}
			for _, piece := range pieces {
				q := maps.Clone(p)
				q[name] = piece
				for r := range inPieces(q) {
					if !yield(r) {
						return
					}
				}
			}
			return
		}
		yield(p)
	}
}

// piecesOf divides a list.
func piecesOf(value any) []any {
	var out []any
	switch list := value.(type) {
	case []string:
		for piece := range chstore.Pieces(list, func(s string) string { return s }) {
			out = append(out, piece)
		}
	case []uint64:
		for piece := range chstore.Pieces(list, func(n uint64) string { return strconv.FormatUint(n, 10) }) {
			out = append(out, piece)
		}
	}
	return out
}
