package clickhouse

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// nativeType knows how long a column of a ClickHouse type is in the Native
// format, without decoding the values: transcoding only has to find where one
// column ends and the next begins.
type nativeType struct {
	kind  nativeKind
	width uint64        // kindFixed: bytes per row
	args  []*nativeType // elements of composite types
	name  string        // for errors
}

type nativeKind uint8

const (
	kindFixed nativeKind = iota
	kindString
	kindNullable
	kindArray // Map and Nested too: they are arrays of tuples on the wire
	kindTuple
	kindLowCardinality
	kindVariant
	kindJSON
)

// maxTypeDepth bounds recursion on hostile or broken type names.
const maxTypeDepth = 64

var errTruncated = errors.New("native data ends inside a block")

// parseNativeType reads a type name as ClickHouse prints it.
func parseNativeType(s string) (*nativeType, error) { return parseType(s, maxTypeDepth) }

func parseType(s string, depth int) (*nativeType, error) {
	if depth == 0 {
		return nil, fmt.Errorf("type nested deeper than %d levels", maxTypeDepth)
	}
	s = strings.TrimSpace(s)
	base, inner, hasArgs := strings.Cut(s, "(")
	if hasArgs {
		var ok bool
		if inner, ok = strings.CutSuffix(inner, ")"); !ok {
			return nil, fmt.Errorf("malformed type %q", s)
		}
	}
	base = strings.TrimSpace(base)
	if w, ok := fixedWidth(base); ok {
		return &nativeType{kind: kindFixed, width: w, name: s}, nil
	}
	if t, ok, err := parametricFixed(base, inner, s); ok || err != nil {
		return t, err
	}
	return parseComposite(base, inner, s, depth)
}

// fixedWidth is the size in bytes of types whose arguments do not change it.
func fixedWidth(base string) (uint64, bool) {
	switch base {
	case "Int8", "UInt8", "Bool", "Enum8", "Nothing":
		return 1, true
	case "Int16", "UInt16", "Date", "Enum16", "BFloat16":
		return 2, true
	case "Int32", "UInt32", "Float32", "Date32", "DateTime", "IPv4", "Decimal32", "Time":
		return 4, true
	case "Int64", "UInt64", "Float64", "DateTime64", "Decimal64", "Time64":
		return 8, true
	case "Int128", "UInt128", "UUID", "IPv6", "Decimal128", "Point":
		return 16, true
	case "Int256", "UInt256", "Decimal256":
		return 32, true
	}
	if strings.HasPrefix(base, "Interval") {
		return 8, true
	}
	return 0, false
}

// parametricFixed handles Decimal(P, S) and FixedString(N).
func parametricFixed(base, inner, s string) (*nativeType, bool, error) {
	if base != "Decimal" && base != "FixedString" {
		return nil, false, nil
	}
	num, _, _ := strings.Cut(inner, ",")
	n, err := strconv.ParseUint(strings.TrimSpace(num), 10, 32)
	if err != nil {
		return nil, false, fmt.Errorf("malformed type %q", s)
	}
	if base == "FixedString" {
		return &nativeType{kind: kindFixed, width: n, name: s}, true, nil
	}
	for _, d := range []struct{ precision, width uint64 }{{9, 4}, {18, 8}, {38, 16}, {76, 32}} {
		if n <= d.precision {
			return &nativeType{kind: kindFixed, width: d.width, name: s}, true, nil
		}
	}
	return nil, false, fmt.Errorf("malformed type %q: precision above 76", s)
}

func parseComposite(base, inner, s string, depth int) (*nativeType, error) {
	switch base {
	case "String":
		return &nativeType{kind: kindString, name: s}, nil
	case "JSON":
		return &nativeType{kind: kindJSON, name: s}, nil
	case "Ring", "LineString":
		return parseType("Array(Point)", depth-1)
	case "Polygon", "MultiLineString":
		return parseType("Array(Array(Point))", depth-1)
	case "MultiPolygon":
		return parseType("Array(Array(Array(Point)))", depth-1)
	case "SimpleAggregateFunction":
		parts := splitTypeArgs(inner)
		if len(parts) != 2 {
			return nil, fmt.Errorf("malformed type %q", s)
		}
		return parseType(parts[1], depth-1)
	}
	kinds := map[string]nativeKind{
		"Nullable": kindNullable, "Array": kindArray, "Tuple": kindTuple, "Map": kindArray,
		"Nested": kindArray, "LowCardinality": kindLowCardinality, "Variant": kindVariant,
	}
	kind, ok := kinds[base]
	if !ok {
		return nil, fmt.Errorf("type %q is not supported by the embedded ClickHouse in the Native format: "+
			"cast it (for example with toString, or finalizeAggregation for aggregate states)", s)
	}
	t := &nativeType{kind: kind, name: s}
	for _, part := range splitTypeArgs(inner) {
		if base == "Tuple" || base == "Nested" {
			part = dropElementName(part)
		}
		arg, err := parseType(part, depth-1)
		if err != nil {
			return nil, err
		}
		t.args = append(t.args, arg)
	}
	return t.checkArity(base)
}

func (t *nativeType) checkArity(base string) (*nativeType, error) {
	want := map[string]int{"Nullable": 1, "Array": 1, "LowCardinality": 1, "Map": 2}[base]
	if want != 0 && len(t.args) != want {
		return nil, fmt.Errorf("malformed type %q", t.name)
	}
	switch base {
	case "Map", "Nested":
		t.args = []*nativeType{{kind: kindTuple, args: t.args, name: t.name}}
	case "Tuple":
		if len(t.args) == 0 { // an empty tuple is one byte a row
			return &nativeType{kind: kindFixed, width: 1, name: t.name}, nil
		}
	}
	return t, nil
}

// splitTypeArgs splits at the commas outside parentheses and quotes.
func splitTypeArgs(s string) []string {
	var parts []string
	depth, start := 0, 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '(':
			depth++
		case ')':
			depth--
		case '\'', '`', '"':
			i = skipQuoted(s, i) - 1
		case ',':
			if depth == 0 {
				parts = append(parts, s[start:i])
				start = i + 1
			}
		}
	}
	if strings.TrimSpace(s[start:]) != "" {
		parts = append(parts, s[start:])
	}
	return parts
}

// dropElementName turns "name Type" into "Type"; the name may be quoted with
// backticks. An unnamed element comes back unchanged.
func dropElementName(s string) string {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "`") {
		return strings.TrimSpace(s[skipQuoted(s, 0):])
	}
	for i := range len(s) {
		switch s[i] {
		case '(':
			return s
		case ' ':
			return strings.TrimSpace(s[i:])
		}
	}
	return s
}

// cursor walks native data.
type cursor struct {
	buf []byte
	pos int
}

func (c *cursor) skip(n uint64) error {
	if n > uint64(len(c.buf)-c.pos) {
		return errTruncated
	}
	c.pos += int(n)
	return nil
}

func (c *cursor) skipMany(n, width uint64) error {
	if width != 0 && n > math.MaxInt64/width {
		return errTruncated
	}
	return c.skip(n * width)
}

func (c *cursor) uvarint() (uint64, error) {
	v, n := binary.Uvarint(c.buf[c.pos:])
	if n <= 0 {
		return 0, errTruncated
	}
	c.pos += n
	return v, nil
}

func (c *cursor) uint64() (uint64, error) {
	start := c.pos
	if err := c.skip(8); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(c.buf[start:]), nil
}

// str returns the bytes of a length-prefixed string, not copied.
func (c *cursor) str() ([]byte, error) {
	n, err := c.uvarint()
	if err != nil {
		return nil, err
	}
	start := c.pos
	if err := c.skip(n); err != nil {
		return nil, err
	}
	return c.buf[start:c.pos], nil
}

// skipColumn moves c past the state prefix and the data of rows rows.
func (t *nativeType) skipColumn(c *cursor, rows uint64) error {
	if rows == 0 {
		return nil
	}
	if err := t.skipPrefix(c); err != nil {
		return err
	}
	return t.skipData(c, rows)
}

// skipPrefix passes the serialization state: all of a column's prefixes come
// before its data, whatever the nesting.
func (t *nativeType) skipPrefix(c *cursor) error {
	switch t.kind {
	case kindLowCardinality:
		return c.skip(8)
	case kindJSON:
		version, err := c.uint64()
		if err == nil && version != jsonAsString {
			err = fmt.Errorf("type %q: binary JSON columns are not supported in the Native format, "+
				"leave output_format_native_write_json_as_string at 1", t.name)
		}
		return err
	case kindVariant:
		mode, err := c.uint64()
		if err != nil {
			return err
		}
		if mode != 0 {
			return fmt.Errorf("type %q: unknown discriminator mode %d", t.name, mode)
		}
	}
	for _, a := range t.args {
		if err := a.skipPrefix(c); err != nil {
			return err
		}
	}
	return nil
}

// jsonAsString is the serialization version of JSON columns written as text.
const jsonAsString = 1

func (t *nativeType) skipData(c *cursor, rows uint64) error {
	switch t.kind {
	case kindFixed:
		return c.skipMany(rows, t.width)
	case kindString, kindJSON:
		for range rows {
			if _, err := c.str(); err != nil {
				return err
			}
		}
		return nil
	case kindNullable:
		if err := c.skip(rows); err != nil {
			return err
		}
		return t.args[0].skipData(c, rows)
	case kindArray:
		return t.skipArray(c, rows)
	case kindTuple:
		for _, a := range t.args {
			if err := a.skipData(c, rows); err != nil {
				return err
			}
		}
		return nil
	case kindLowCardinality:
		return t.skipLowCardinality(c, rows)
	default:
		return t.skipVariant(c, rows)
	}
}

func (t *nativeType) skipArray(c *cursor, rows uint64) error {
	if rows == 0 {
		return t.args[0].skipData(c, 0)
	}
	if err := c.skipMany(rows, 8); err != nil {
		return err
	}
	total := binary.LittleEndian.Uint64(c.buf[c.pos-8:])
	return t.args[0].skipData(c, total)
}

func (t *nativeType) skipLowCardinality(c *cursor, rows uint64) error {
	if rows == 0 {
		return nil
	}
	flags, err := c.uint64()
	if err != nil {
		return err
	}
	keys, err := c.uint64()
	if err != nil {
		return err
	}
	inner := t.args[0]
	if inner.kind == kindNullable { // NULL is a key; there is no null map
		inner = inner.args[0]
	}
	if err := inner.skipData(c, keys); err != nil {
		return err
	}
	indexes, err := c.uint64()
	if err != nil {
		return err
	}
	if flags&0xff > 3 || indexes != rows {
		return fmt.Errorf("malformed %s column", t.name)
	}
	return c.skipMany(indexes, 1<<(flags&0xff))
}

// variantNull is the discriminator of a NULL in a Variant.
const variantNull = 0xff

func (t *nativeType) skipVariant(c *cursor, rows uint64) error {
	start := c.pos
	if err := c.skip(rows); err != nil {
		return err
	}
	counts := make([]uint64, len(t.args))
	for _, d := range c.buf[start:c.pos] {
		if d == variantNull {
			continue
		}
		if int(d) >= len(counts) {
			return fmt.Errorf("malformed %s column", t.name)
		}
		counts[d]++
	}
	for i, a := range t.args {
		if err := a.skipData(c, counts[i]); err != nil {
			return err
		}
	}
	return nil
}
