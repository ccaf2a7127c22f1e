package chstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/shopspring/decimal"
)

// errNotNative says that there is no encoder for a column here: the driver has them all.
var errNotNative = errors.New("no native encoding")

// nativeWriter makes the body of an INSERT … FORMAT Native: one block, as of protocol
// revision 0, in compressed frames if asked for. Its memory is used again.
type nativeWriter struct {
	method   compress.Method
	frames   *compress.Writer
	chunk    []byte // not yet in own
	own      []byte // bytes made here
	inPieces int    // of own
	pieces   []piece
	scratch  []byte
}

// piece is a part of a body: texts of the caller's, or own[low:high].
type piece struct {
	texts     []byte
	low, high int
}

// textBytesMin is from how many bytes on a column's texts are sent from where they are.
const textBytesMin = 4 << 10

// frameBytes is ClickHouse's size of a compressed frame before compression.
const frameBytes = 1 << 20

func newNativeWriter(method compress.Method) *nativeWriter {
	w := &nativeWriter{method: method}
	if method != compress.None {
		w.frames = compress.NewWriter(compress.LevelZero, method)
	}
	return w
}

// compression translates the configuration's word, which is checked already.
func compression(word string) compress.Method {
	switch word {
	case "lz4":
		return compress.LZ4
	case "zstd":
		return compress.ZSTD
	}
	return compress.None
}

// block encodes cols, all with the same number of rows, for columns of the given types.
// The body is valid until the next call, and as long as the columns are.
func (w *nativeWriter) block(cols []Column, types []clickhouse.ColumnNameAndType, rows int) ([][]byte, error) {
	w.own, w.chunk, w.pieces = w.own[:0], w.chunk[:0], w.pieces[:0]
	w.inPieces = 0
	w.scratch = binary.AppendUvarint(binary.AppendUvarint(w.scratch[:0], uint64(len(cols))), uint64(rows))
	if err := w.write(w.scratch); err != nil {
		return nil, err
	}
	for i := range cols {
		if err := w.column(&cols[i], types[i].Type); err != nil {
			return nil, fmt.Errorf("encoding column %s: %w", cols[i].Name, err)
		}
	}
	if err := w.flush(); err != nil {
		return nil, err
	}
	w.cut()
	body := make([][]byte, len(w.pieces))
	for i, p := range w.pieces {
		if body[i] = p.texts; p.texts == nil {
			body[i] = w.own[p.low:p.high]
		}
	}
	clear(w.pieces)
	return body, nil
}

// cut makes a piece of the own bytes that are in none yet.
func (w *nativeWriter) cut() {
	if w.inPieces < len(w.own) {
		w.pieces = append(w.pieces, piece{low: w.inPieces, high: len(w.own)})
		w.inPieces = len(w.own)
	}
}

// texts adds a column's texts to the body, uncompressed ones without a copy.
func (w *nativeWriter) texts(b []byte) error {
	if w.frames != nil || len(b) < textBytesMin {
		return w.write(b)
	}
	w.cut()
	w.pieces = append(w.pieces, piece{texts: b})
	return nil
}

// write adds bytes to the body.
func (w *nativeWriter) write(b []byte) error {
	if w.frames == nil {
		w.own = append(w.own, b...)
		return nil
	}
	for len(b) > 0 {
		n := min(len(b), frameBytes-len(w.chunk))
		w.chunk = append(w.chunk, b[:n]...)
		b = b[n:]
		if len(w.chunk) == frameBytes {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush compresses what is left.
func (w *nativeWriter) flush() error {
	if len(w.chunk) == 0 {
		return nil
	}
	if err := w.frames.Compress(w.chunk); err != nil {
		return fmt.Errorf("compressing: %w", err)
	}
	w.own, w.chunk = append(w.own, w.frames.Data...), w.chunk[:0]
	return nil
}

// column writes a column with its name and type. Texts go as String whatever the
// column's kind of string is: ClickHouse converts.
func (w *nativeWriter) column(c *Column, kind string) error {
	bare := bareType(kind)
	head := func(kind string) error {
		b := appendText(appendText(w.scratch[:0], c.Name), kind)
		w.scratch = b
		return w.write(b)
	}
	var data []byte
	var err error
	if err := head(bare); err != nil {
		return err
	}
	if texts, ok := c.Values.(*Texts); ok {
		if bare != "String" {
			return errNotNative
		}
		return w.texts(texts.buf)
	}
	if data, err = appendColumn(w.scratch[:0], c.Values, bare); err != nil {
		return err
	}
	w.scratch = data
	return w.write(data)
}

// bareType is the type of a column's values, without how they are stored or merged.
func bareType(kind string) string {
	if inner, ok := strings.CutPrefix(kind, "LowCardinality("); ok {
		return strings.TrimSuffix(inner, ")")
	}
	if inner, ok := strings.CutPrefix(kind, "SimpleAggregateFunction("); ok {
		if _, of, ok := strings.Cut(strings.TrimSuffix(inner, ")"), ", "); ok {
			return of
		}
	}
	return kind
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// appendColumn adds the encoded values of a column of type kind.
func appendColumn(dst []byte, values any, kind string) ([]byte, error) {
	switch v := values.(type) {
	case []string:
		if kind != "String" {
			return nil, errNotNative
		}
		for _, s := range v {
			dst = appendText(dst, s)
		}
		return dst, nil
	case [][]string:
		return appendArrays(dst, v, kind)
	case []time.Time:
		return appendTimes(dst, v, kind)
	case []decimal.Decimal:
		return appendDecimals(dst, v, kind)
	case []*uint8:
		return appendNullable(dst, v, kind)
	case []*uint32:
		return appendNullable(dst, v, kind)
	case []*float32:
		return appendNullable(dst, v, kind)
	case []*time.Time:
		return appendNullable(dst, v, kind)
	}
	return appendNumbers(dst, values, kind)
}

// appendNumbers adds values whose bytes are the column's. Go's type must be the column's.
func appendNumbers(dst []byte, values any, kind string) ([]byte, error) {
	fits := ""
	switch values.(type) {
	case []bool:
		fits = "Bool"
	case []uint8:
		fits = "UInt8"
	case []uint16:
		fits = "UInt16"
	case []uint32:
		fits = "UInt32"
	case []uint64:
		fits = "UInt64"
	case []int32:
		fits = "Int32"
	case []int64:
		fits = "Int64"
	case []float32:
		fits = "Float32"
	case []float64:
		fits = "Float64"
	}
	if fits != kind {
		return nil, errNotNative
	}
	return binary.Append(dst, binary.LittleEndian, values)
}

// appendNullable adds which values are missing, then the values, with the type's zero for
// the missing ones.
func appendNullable[T any](dst []byte, values []*T, kind string) ([]byte, error) {
	inner, ok := strings.CutPrefix(kind, "Nullable(")
	if !ok {
		return nil, errNotNative
	}
	inner = strings.TrimSuffix(inner, ")")
	there := make([]T, len(values))
	for i, v := range values {
		if v == nil {
			dst = append(dst, 1)
			continue
		}
		dst = append(dst, 0)
		there[i] = *v
	}
	if times, ok := any(there).([]time.Time); ok {
		for i, v := range values {
			if v == nil {
				times[i] = time.Unix(0, 0)
			}
		}
	}
	return appendColumn(dst, any(there), inner)
}

// appendArrays adds the ends of the arrays, then all their elements.
func appendArrays(dst []byte, values [][]string, kind string) ([]byte, error) {
	if kind != "Array(String)" {
		return nil, errNotNative
	}
	end := uint64(0)
	for _, v := range values {
		end += uint64(len(v))
		dst = binary.LittleEndian.AppendUint64(dst, end)
	}
	for _, v := range values {
		for _, s := range v {
			dst = appendText(dst, s)
		}
	}
	return dst, nil
}

// The years of DateTime64 in ClickHouse's documentation.
const (
	dateTime64YearMin = 1900
	dateTime64YearMax = 2299
)

const secondsPerDay = 24 * 60 * 60

// appendTimes adds instants as UTC days, seconds, or units of DateTime64. What the column
// cannot hold is refused.
func appendTimes(dst []byte, values []time.Time, kind string) ([]byte, error) {
	name, arguments, _ := strings.Cut(strings.TrimSuffix(kind, ")"), "(")
	perSecond := int64(1)
	if name == "DateTime64" {
		precision, _, _ := strings.Cut(arguments, ",")
		digits, err := strconv.Atoi(strings.TrimSpace(precision))
		if err != nil || digits < 0 || digits > 9 {
			return nil, errNotNative
		}
		for range digits {
			perSecond *= 10
		}
	}
	for _, t := range values {
		s := t.Unix()
		switch name {
		case "Date":
			if s < 0 || s/secondsPerDay > math.MaxUint16 {
				return nil, outOfRange(t, kind)
			}
			dst = binary.LittleEndian.AppendUint16(dst, uint16(s/secondsPerDay))
		case "DateTime":
			if s < 0 || s > math.MaxUint32 {
				return nil, outOfRange(t, kind)
			}
			dst = binary.LittleEndian.AppendUint32(dst, uint32(s))
		case "DateTime64":
			if y := t.UTC().Year(); y < dateTime64YearMin || y > dateTime64YearMax || perSecond == 1e9 && (y < 1900 || y > 2262) {
				return nil, outOfRange(t, kind)
			}
			units := s*perSecond + int64(t.Nanosecond())/(1_000_000_000/perSecond)
			dst = binary.LittleEndian.AppendUint64(dst, uint64(units))
		default:
			return nil, errNotNative
		}
	}
	return dst, nil
}

func outOfRange(value any, kind string) error {
	return fmt.Errorf("%w: %v is out of the range of %s", ErrRefused, value, kind)
}

// decimal64Digits is the most digits that a Decimal of eight bytes holds, and
// decimal32Digits one of four.
const (
	decimal32Digits = 9
	decimal64Digits = 18
)

// appendDecimals adds values of Decimal(P, S) of eight bytes; more digits after the point
// than S are cut off, as the driver does.
func appendDecimals(dst []byte, values []decimal.Decimal, kind string) ([]byte, error) {
	arguments, ok := strings.CutPrefix(strings.TrimSuffix(kind, ")"), "Decimal(")
	p, s, both := strings.Cut(arguments, ",")
	precision, perr := strconv.ParseInt(strings.TrimSpace(p), 10, 32)
	scale, serr := strconv.ParseInt(strings.TrimSpace(s), 10, 32)
	if !ok || !both || perr != nil || serr != nil || precision <= decimal32Digits || precision > decimal64Digits {
		return nil, errNotNative
	}
	limit := decimal.New(1, int32(precision))
	for _, v := range values {
		if v.IsZero() {
			dst = binary.LittleEndian.AppendUint64(dst, 0)
			continue
		}
		units := v.Shift(int32(scale)).Truncate(0)
		if units.Abs().Cmp(limit) >= 0 {
			return nil, outOfRange(v, kind)
		}
		dst = binary.LittleEndian.AppendUint64(dst, uint64(units.IntPart()))
	}
	return dst, nil
}
