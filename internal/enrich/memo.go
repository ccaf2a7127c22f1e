package enrich

import "strings"

// memoMax is how many entries one generation of a memo holds.
const memoMax = 4096

// memo remembers the outcome of a pure function for the keys seen of late. It has
// two generations: when the young one is full it becomes the old one, and what is
// still asked for moves back. So it is bounded, and costs no more than two lookups.
type memo[T any] struct {
	young, old map[string]T
	max        int
}

func newMemo[T any](most int) memo[T] {
	return memo[T]{young: map[string]T{}, old: map[string]T{}, max: most}
}

// get gives what is remembered of key, else what compute makes of it.
func (m *memo[T]) get(key string, compute func(string) T) T {
	if v, ok := m.young[key]; ok {
		return v
	}
	v, ok := m.old[key]
	if !ok {
		key = strings.Clone(key) // of a record that would be kept whole
		v = compute(key)
	}
	if len(m.young) >= m.max {
		m.old, m.young = m.young, make(map[string]T, m.max)
	}
	m.young[key] = v
	return v
}
