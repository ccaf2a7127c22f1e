package clickhouse

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// Protocol revisions at which the Native format gains a part (ClickHouse,
// src/Core/ProtocolDefines.h).
const (
	revisionCustomSerialization = 54454
)

// nativeTranscoder rewrites Native blocks of revision 0, which is all libchdb
// writes, to the revision a client asked for. The column data is the same in
// both; only the headers differ: a block info, and per column a flag for custom
// serialization. It writes to w without copying the column data.
type nativeTranscoder struct {
	w        io.Writer
	revision uint64
	// columnTypes, asked for once when a bare DateTime appears, returns the
	// exact types of the result: revision 0 leaves out the time zone.
	columnTypes func() []string

	types map[string]*nativeType
	exact []string
	asked bool
	head  []byte
}

// block info: fields 1 (is_overflows = false) and 2 (bucket_num = -1), then 0.
func appendBlockInfo(b []byte) []byte {
	b = binary.AppendUvarint(b, 1)
	b = append(b, 0)
	b = binary.AppendUvarint(b, 2)
	b = binary.LittleEndian.AppendUint32(b, 0xffffffff)
	return binary.AppendUvarint(b, 0)
}

// Write takes whole blocks, as libchdb hands them out.
func (n *nativeTranscoder) Write(p []byte) (int, error) {
	c := &cursor{buf: p}
	for c.pos < len(p) {
		if err := n.block(c); err != nil {
			return 0, fmt.Errorf("converting a native block: %w", err)
		}
	}
	return len(p), nil
}

func (n *nativeTranscoder) block(c *cursor) error {
	columns, err := c.uvarint()
	if err != nil {
		return err
	}
	rows, err := c.uvarint()
	if err != nil {
		return err
	}
	n.head = appendBlockInfo(n.head[:0])
	n.head = binary.AppendUvarint(n.head, columns)
	n.head = binary.AppendUvarint(n.head, rows)
	for i := range columns {
		if err := n.column(c, int(i), rows); err != nil {
			return err
		}
	}
	return n.flush() // a block without columns
}

func (n *nativeTranscoder) column(c *cursor, index int, rows uint64) error {
	name, err := c.str()
	if err != nil {
		return err
	}
	written, err := c.str()
	if err != nil {
		return err
	}
	typ, err := n.typeOf(string(written))
	if err != nil {
		return fmt.Errorf("column %q: %w", name, err)
	}
	n.head = appendString(n.head, name)
	n.head = appendString(n.head, []byte(n.announced(index, string(written))))
	if n.revision >= revisionCustomSerialization {
		n.head = append(n.head, 0)
	}
	start := c.pos
	if err := typ.skipColumn(c, rows); err != nil {
		return fmt.Errorf("column %q: %w", name, err)
	}
	if err := n.flush(); err != nil {
		return err
	}
	if c.pos == start {
		return nil
	}
	_, err = n.w.Write(c.buf[start:c.pos])
	return err
}

func (n *nativeTranscoder) flush() error {
	if len(n.head) == 0 {
		return nil
	}
	_, err := n.w.Write(n.head)
	n.head = n.head[:0]
	return err
}

func (n *nativeTranscoder) typeOf(s string) (*nativeType, error) {
	if t, ok := n.types[s]; ok {
		return t, nil
	}
	t, err := parseNativeType(s)
	if err != nil {
		return nil, err
	}
	if n.types == nil {
		n.types = make(map[string]*nativeType)
	}
	n.types[s] = t
	return t, nil
}

// announced is the type name to send for column index.
func (n *nativeTranscoder) announced(index int, written string) string {
	if !hasBareDateTime(written) {
		return written
	}
	if !n.asked && n.columnTypes != nil {
		n.exact, n.asked = n.columnTypes(), true
	}
	if index < len(n.exact) && withoutTimeZones(n.exact[index]) == written {
		return n.exact[index]
	}
	return written
}

func hasBareDateTime(t string) bool {
	for {
		i := strings.Index(t, "DateTime")
		if i < 0 {
			return false
		}
		t = t[i+len("DateTime"):]
		if !strings.HasPrefix(t, "64") && !strings.HasPrefix(t, "(") {
			return true
		}
	}
}

// withoutTimeZones drops the arguments of DateTime, as revision 0 does.
func withoutTimeZones(t string) string {
	var b strings.Builder
	for {
		i := strings.Index(t, "DateTime(")
		if i < 0 {
			b.WriteString(t)
			return b.String()
		}
		b.WriteString(t[:i+len("DateTime")])
		t = t[i+len("DateTime"):]
		if end := strings.IndexByte(t, ')'); end >= 0 {
			t = t[end+1:]
		}
	}
}

func appendString(b, s []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}
