package chstore

import "encoding/binary"

// Texts is a column of strings as ClickHouse's Native format has it, each behind its
// length: an insert copies it as it is, and the garbage collector has nothing to look
// at in it. The zero value is empty.
type Texts struct {
	buf  []byte
	rows int
}

// Append adds a row.
func (t *Texts) Append(s string) {
	if len(s) < 0x80 {
		t.buf = append(t.buf, byte(len(s)))
	} else {
		t.buf = binary.AppendUvarint(t.buf, uint64(len(s)))
	}
	t.buf = append(t.buf, s...)
	t.rows++
}

// AppendBytes adds a row.
func (t *Texts) AppendBytes(b []byte) {
	t.buf = append(binary.AppendUvarint(t.buf, uint64(len(b))), b...)
	t.rows++
}

// AppendAt adds a row behind so many others; rows that are missing are empty.
func (t *Texts) AppendAt(rows int, s string) {
	t.Pad(rows)
	t.Append(s)
}

// Pad adds empty rows until there are so many.
func (t *Texts) Pad(rows int) {
	if n := rows - t.rows; n > 0 {
		t.buf = append(t.buf, make([]byte, n)...) // the compiler makes no slice for this
		t.rows = rows
	}
}

// Len is the number of rows.
func (t *Texts) Len() int { return t.rows }

// Reset empties the column and keeps its memory.
func (t *Texts) Reset() { t.buf, t.rows = t.buf[:0], 0 }

// Range gives the rows [low, high), which share t's memory.
func (t *Texts) Range(low, high int) *Texts {
	if low == 0 && high == t.rows {
		return &Texts{buf: t.buf, rows: t.rows}
	}
	rest := t.buf
	skip := func(n int) int {
		before := len(rest)
		for range n {
			length, size := binary.Uvarint(rest)
			rest = rest[size+int(length):]
		}
		return before - len(rest)
	}
	start := skip(low)
	if high == t.rows {
		return &Texts{buf: t.buf[start:], rows: high - low}
	}
	return &Texts{buf: t.buf[start : start+skip(high-low)], rows: high - low}
}

// Strings gives the rows one by one, in memory of their own.
func (t *Texts) Strings() []string {
	out := make([]string, 0, t.rows)
	for rest := t.buf; len(rest) > 0; {
		length, size := binary.Uvarint(rest)
		end := size + int(length)
		out = append(out, string(rest[size:end]))
		rest = rest[end:]
	}
	return out
}
