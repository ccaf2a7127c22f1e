package clickhouse

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/ch-go/proto"
	"pgregory.net/rapid"
)

func TestParseNativeType(t *testing.T) {
	for _, ok := range []string{
		"UInt8", "Nullable(Nothing)", "Map(LowCardinality(String), Array(Nullable(Decimal(38, 5))))",
		"Tuple(a UInt8, `b c, (d)` Nullable(String), e Enum8('x, )' = 1, 'it\\'s' = 2))", "Tuple()",
		"Nested(a UInt8, b Array(String))", "AggregateFunctionless",
	} {
		if _, err := parseNativeType(ok); (err == nil) != (ok != "AggregateFunctionless") {
			t.Errorf("%s: %v", ok, err)
		}
	}
	for _, bad := range []string{"", "Array", "Array(", "Array()", "Map(String)", "FixedString(x)", "Decimal(77, 1)",
		"AggregateFunction(uniq, UInt8)", "Dynamic", strings.Repeat("Array(", 100) + "UInt8" + strings.Repeat(")", 100)} {
		if _, err := parseNativeType(bad); err == nil {
			t.Errorf("%q parsed", bad)
		}
	}
}

// nativeBlock encodes columns with ch-go at a protocol revision, which is how a
// client would.
func nativeBlock(t testing.TB, revision int, columns []proto.InputColumn) []byte {
	t.Helper()
	var b proto.Buffer
	block := proto.Block{Info: proto.BlockInfo{BucketNum: -1}, Columns: len(columns), Rows: columns[0].Data.Rows()}
	if err := block.EncodeBlock(&b, revision, columns); err != nil {
		t.Fatal(err)
	}
	return b.Buf
}

// TestTranscodeIsWhatClientsEncode: ch-go is the second implementation of the
// format. Revision 0 transcoded must equal ch-go's own encoding, byte by byte.
func TestTranscodeIsWhatClientsEncode(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rows := rapid.IntRange(0, 20).Draw(rt, "rows")
		var (
			num  proto.ColUInt64
			str  proto.ColStr
			lc   = new(proto.ColStr).LowCardinality()
			arr  = new(proto.ColStr).Array()
			null = new(proto.ColInt32).Nullable()
			alc  = proto.NewArray(new(proto.ColStr).LowCardinality())
			kv   = proto.NewMap(new(proto.ColStr).LowCardinality(), new(proto.ColFloat64))
		)
		word := rapid.SampledFrom([]string{"", "a", "bb", "ż\x00"})
		for range rows {
			num.Append(rapid.Uint64().Draw(rt, "num"))
			str.Append(rapid.String().Draw(rt, "str"))
			lc.Append(word.Draw(rt, "lc"))
			arr.Append(rapid.SliceOfN(rapid.String(), 0, 3).Draw(rt, "arr"))
			null.Append(proto.Nullable[int32]{Set: rapid.Bool().Draw(rt, "set"), Value: rapid.Int32().Draw(rt, "v")})
			alc.Append(rapid.SliceOfN(word, 0, 3).Draw(rt, "alc"))
			kv.Append(rapid.MapOfN(word, rapid.Float64(), 0, 1).Draw(rt, "kv"))
		}
		columns := []proto.InputColumn{{Name: "num", Data: &num}, {Name: "str", Data: &str}, {Name: "lc", Data: lc},
			{Name: "arr", Data: arr}, {Name: "null", Data: null}, {Name: "alc", Data: alc}, {Name: "kv", Data: kv}}
		const revision = 54460
		var got bytes.Buffer
		n := &nativeTranscoder{w: &got, revision: revision}
		block := nativeBlock(t, 0, columns)
		if _, err := n.Write(append(block, block...)); err != nil {
			rt.Fatal(err)
		}
		want := nativeBlock(t, revision, columns)
		if want = append(want, want...); !bytes.Equal(got.Bytes(), want) {
			rt.Fatalf("got  %q\nwant %q", got.Bytes(), want)
		}
	})
}

// FuzzTranscode: arbitrary bytes give an error, never a panic, a hang or output
// longer than the input plus the headers it must add.
func FuzzTranscode(f *testing.F) {
	f.Add([]byte("\x01\x01\x01a\x05UInt8\x07"))
	f.Add([]byte("\x01\x01\x02lc\x16LowCardinality(String)\x01\x00\x00\x00\x00\x00\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x01x\x01\x00\x00\x00\x00\x00\x00\x00\x01"))
	f.Add([]byte("\x01\x02\x01v\x17Variant(String, UInt64)\x00\x00\x00\x00\x00\x00\x00\x00\xff\x00\x01x"))
	f.Add([]byte("\x01\x01\x01a\x14Array(Array(Nothing))\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var out bytes.Buffer
		n := &nativeTranscoder{w: &out, revision: 54460}
		_, err := n.Write(data)
		if err == nil && out.Len() < len(data) {
			t.Fatalf("%d bytes became %d", len(data), out.Len())
		}
	})
}

func FuzzBlockReader(f *testing.F) {
	for _, m := range []compress.Method{compress.LZ4, compress.ZSTD, compress.None} {
		w := compress.NewWriter(compress.LevelZero, m)
		if err := w.Compress([]byte(strings.Repeat("data ", 20))); err != nil {
			f.Fatal(err)
		}
		f.Add(append([]byte(nil), w.Data...))
		f.Add(append([]byte(nil), w.Data[:len(w.Data)-2]...))
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		if len(data) >= 25 && binary.LittleEndian.Uint32(data[21:]) > 1<<20 {
			return // a large announced block is only slow
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(newBlockReader(bytes.NewReader(data)), 1<<20))
	})
}

func TestBlockRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var b bytes.Buffer
		w := newBlockWriter(&b, rapid.SampledFrom([]string{"LZ4", "zstd", "NONE", ""}).Draw(rt, "method"))
		var want []byte
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 3*blockBytes/2), 0, 4).Draw(rt, "sizes") {
			p := bytes.Repeat([]byte{byte(n)}, n)
			if _, err := w.Write(p); err != nil {
				rt.Fatal(err)
			}
			want = append(want, p...)
		}
		if err := w.Flush(); err != nil {
			rt.Fatal(err)
		}
		got, err := io.ReadAll(newBlockReader(&b))
		if err != nil || !bytes.Equal(got, want) {
			rt.Fatalf("%d bytes became %d: %v", len(want), len(got), err)
		}
	})
}

func TestTimeZoneNames(t *testing.T) {
	for typ, want := range map[string]string{
		"DateTime('UTC')": "DateTime",
		"Array(Nullable(DateTime('Europe/Paris')))":    "Array(Nullable(DateTime))",
		"Tuple(DateTime64(3, 'UTC'), DateTime('UTC'))": "Tuple(DateTime64(3, 'UTC'), DateTime)",
		"String": "String",
	} {
		if got := withoutTimeZones(typ); got != want {
			t.Errorf("%s: %s", typ, got)
		}
	}
	if hasBareDateTime("DateTime64(3)") || hasBareDateTime("DateTime('UTC')") || !hasBareDateTime("Map(String, DateTime)") {
		t.Error("bare DateTime misjudged")
	}
}

func TestLimitReader(t *testing.T) {
	for _, n := range []int{0, 9, 10, 11, 1000} {
		got, err := io.ReadAll(&limitReader{r: strings.NewReader(strings.Repeat("x", n)), left: 10, max: 10})
		if (err == nil) != (n <= 10) || len(got) > 10 {
			t.Errorf("%d bytes: %d read, %v", n, len(got), err)
		}
	}
}
