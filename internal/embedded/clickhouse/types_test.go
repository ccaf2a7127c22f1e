package clickhouse_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// typeCases are SQL expressions whose type is what is tested. Each is read by
// clickhouse-go in the Native format, inserted back by it into a table of the
// same type, and compared as text.
func typeCases() map[string]string {
	return map[string]string{
		"UInt8":           "toUInt8(number)",
		"Int16":           "toInt16(number) - 3",
		"UInt32":          "toUInt32(number * 1000000)",
		"Int64":           "toInt64(number) * -1000000000000",
		"UInt128":         "toUInt128('340282366920938463463374607431768211455') - number",
		"Int256":          "toInt256('-57896044618658097711785492504343953926634992332820282019728792003956564819968') + number",
		"Float32":         "toFloat32(number) / 3",
		"Float64":         "if(number = 2, nan, number / 7)",
		"Bool":            "number % 2 = 0 ? true : false",
		"String":          "repeat('ż\\t\\'\\0', toUInt32(number * 50))",
		"FixedString":     "toFixedString(toString(number), 7)",
		"Date":            "toDate('2024-02-28') + number",
		"Date32":          "toDate32('1930-02-28') + toInt32(number)",
		"DateTime":        "toDateTime('2024-03-31 00:59:58', 'UTC') + number",
		"DateTime zone":   "toDateTime('2024-03-31 01:59:58', 'Europe/Paris') + number",
		"DateTime64":      "toDateTime64('2024-03-31 00:59:58.123', 3, 'UTC') + number",
		"DateTime64 zone": "toDateTime64('1950-03-31 00:59:58.123456', 6, 'Asia/Tokyo') + number",
		"Decimal32":       "toDecimal32(number, 3) / 7",
		"Decimal64":       "toDecimal64(number, 9) - 5",
		"Decimal128":      "toDecimal128('123456789012345678901234.5', 5) + number",
		"Decimal256":      "toDecimal256('-12345678901234567890123456789012345678901234.5', 5) + number",
		"UUID":            "toUUID(format('00000000-1111-4222-8333-44444444440{}', toString(number)))",
		"IPv4":            "toIPv4(concat('10.0.0.', toString(number)))",
		"IPv6":            "toIPv6(concat('2001:db8::', toString(number)))",
		"Enum8":           "CAST(toInt8(number % 2) AS Enum8('a b' = 0, 'it''s, (x)' = 1))",
		"Enum16":          "CAST(toInt16(number % 2 + 1000) AS Enum16('x' = 1000, 'y' = 1001))",
		"Nullable":        "if(number % 2 = 0, NULL, toString(number))",
		"Nullable number": "if(number % 2 = 0, NULL, toInt32(number))",
		"LowCardinality":  "toLowCardinality(toString(number % 3))",
		"LC Nullable":     "toLowCardinality(if(number % 3 = 0, NULL, toString(number % 3)))",
		"Array":           "range(number)",
		"Array String":    "arrayMap(x -> toString(x), range(number))",
		"Array of arrays": "arrayMap(x -> range(x), range(number))",
		"Array Nullable":  "arrayMap(x -> if(x = 1, NULL, x), range(number))",
		"Array LC":        "arrayMap(x -> toLowCardinality(toString(x % 2)), range(number))",
		"Array empty LC":  "CAST([] AS Array(LowCardinality(String)))",
		"Map":             "map(toString(number), number + 7)",
		"Map of arrays":   "map('k', range(number))",
		"Map LC":          "CAST(map('k', toString(number)) AS Map(LowCardinality(String), String))",
		"Tuple":           "tuple(number, toString(number))",
		"Tuple named":     "CAST(tuple(number, NULL, [1, 2]) AS Tuple(a UInt64, b Nullable(Float64), d Array(UInt8)))",
		"Array of tuples": "arrayMap(x -> tuple(x, toString(x)), range(number))",
		"SimpleAggregate": "CAST(number AS SimpleAggregateFunction(sum, UInt64))",
		"Array DateTime":  "arrayMap(x -> toDateTime('2024-01-01 00:00:00', 'America/New_York') + x, range(number))",
		"Nullable zone":   "if(number = 1, NULL, toDateTime('2024-01-01 00:00:00', 'America/New_York'))",
		"Point":           "CAST((number, 2.5) AS Point)",
		"Polygon":         "CAST([[(0, 0), (1, number)], []] AS Polygon)",
		"JSON":            "CAST(format('{{\"a\":{},\"b\":[1,2],\"c\":{{\"d\":\"x\"}}}}', toString(number)) AS JSON)",
		"Variant":         "CAST(multiIf(number % 3 = 0, NULL, number % 3 = 1, 'text'::Variant(String, UInt64), number::UInt64::Variant(String, UInt64)) AS Variant(String, UInt64))",
	}
}

// TestTypes is differential: what clickhouse-go decodes from the transcoded
// Native stream, inserted again, must print as the engine printed the original.
func TestTypes(t *testing.T) {
	for _, method := range []ch.CompressionMethod{ch.CompressionNone, ch.CompressionLZ4} {
		conn := open(t, func(o *ch.Options) { o.Compression = &ch.Compression{Method: method} })
		for name, expr := range typeCases() {
			t.Run(fmt.Sprint(name, "/", method), func(t *testing.T) { roundTrip(t, conn, expr) })
		}
	}
}

const typeRows = 7

func roundTrip(t *testing.T, conn ch.Conn, expr string) {
	ctx := context.Background()
	table := uniqueName(t)
	must(t, conn.Exec(ctx, "CREATE TABLE "+table+" ENGINE = Memory EMPTY AS SELECT number AS n, "+expr+" AS v FROM numbers(1)"))
	source := fmt.Sprintf("SELECT number AS n, %s AS v FROM numbers(%d) ORDER BY n", expr, typeRows)

	rows, err := conn.Query(ctx, source)
	must(t, err)
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+table)
	must(t, err)
	count := 0
	for rows.Next() {
		var n uint64
		v := newScanTarget(rows.ColumnTypes()[1])
		must(t, rows.Scan(&n, v.pointer()))
		must(t, batch.Append(n, v.value()))
		count++
	}
	must(t, rows.Err())
	must(t, batch.Send())
	if count != typeRows {
		t.Fatalf("read %d rows, want %d", count, typeRows)
	}
	text := "SELECT toTypeName(v), v FROM (%s) ORDER BY n"
	want := httpQuery(t, fmt.Sprintf(text, source), "")
	got := httpQuery(t, fmt.Sprintf(text, "SELECT * FROM "+table), "")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("value inserted by clickhouse-go differs (-source +table):\n%s", diff)
	}
}

// TestNativeAnnouncesZones checks the one thing revision 0 loses: the time zone.
func TestNativeAnnouncesZones(t *testing.T) {
	conn := open(t, nil)
	rows, err := conn.Query(context.Background(), `
		SELECT toDateTime(0, 'Asia/Tokyo') AS a, toDateTime(0) AS b, [toDateTime(0, 'UTC')] AS c,
		       map('k', toNullable(toDateTime(0, 'Europe/Paris'))) AS d
		FORMAT Native`)
	must(t, err)
	defer rows.Close()
	var got []string
	for _, c := range rows.ColumnTypes() {
		got = append(got, c.DatabaseTypeName())
	}
	want := []string{"DateTime('Asia/Tokyo')", "DateTime", "Array(DateTime('UTC'))",
		"Map(String, Nullable(DateTime('Europe/Paris')))"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestNativeUnsupportedType wants a clear error, not a broken stream.
func TestNativeUnsupportedType(t *testing.T) {
	conn := open(t, nil)
	_, err := conn.Query(context.Background(), "SELECT uniqState(number) AS s FROM numbers(3)")
	if err == nil || !strings.Contains(err.Error(), "AggregateFunction") || !strings.Contains(err.Error(), "not supported") {
		t.Fatalf("got %v, want an error naming the type", err)
	}
	// The connection survives it.
	must(t, conn.Ping(context.Background()))
}
