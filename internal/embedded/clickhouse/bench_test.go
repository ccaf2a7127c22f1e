package clickhouse_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// BenchmarkSelect1 measures what a statement costs beyond its work: one HTTP
// request, one connection, SELECT 1.
func BenchmarkSelect1(b *testing.B) {
	url := "http://" + addr(b) + "/"
	for b.Loop() {
		res, err := http.Post(url, "", strings.NewReader("SELECT 1"))
		must(b, err)
		_, err = io.Copy(io.Discard, res.Body)
		must(b, err)
		must(b, res.Body.Close())
	}
}

// BenchmarkClientSelect1 is the same through clickhouse-go, Native and LZ4.
func BenchmarkClientSelect1(b *testing.B) {
	conn := open(b, func(o *ch.Options) { o.Compression = &ch.Compression{Method: ch.CompressionLZ4} })
	for b.Loop() {
		var v uint8
		must(b, conn.QueryRow(context.Background(), "SELECT 1").Scan(&v))
	}
}

// BenchmarkInsert inserts columnar batches of 200,000 rows of 8 columns with
// clickhouse-go; the time to fill the batch is not counted.
func BenchmarkInsert(b *testing.B) {
	const rows = 200_000
	ctx := context.Background()
	conn := open(b, func(o *ch.Options) { o.Compression = &ch.Compression{Method: ch.CompressionLZ4} })
	table := uniqueName(b)
	must(b, conn.Exec(ctx, "CREATE TABLE "+table+` (tenant LowCardinality(String), partner String, day Date, id String,
		at DateTime64(3, 'UTC'), kind LowCardinality(String), seconds UInt32, score Float64)
		ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (tenant, partner, day, id)`))
	defer func() { must(b, conn.Exec(ctx, "DROP TABLE "+table)) }()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for b.Loop() {
		b.StopTimer()
		batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+table)
		must(b, err)
		for i := range rows {
			must(b, batch.Append("tenant", fmt.Sprint("partner-", i%500), at, fmt.Sprint("id-", i), at, "page.view", uint32(i), 0.5))
		}
		b.StartTimer()
		must(b, batch.Send())
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkSelectRows streams 1M rows of two columns as Native and drops them.
func BenchmarkSelectRows(b *testing.B) {
	const rows = 1_000_000
	url := "http://" + addr(b) + "/?client_protocol_version=54460"
	for b.Loop() {
		res, err := http.Post(url, "", strings.NewReader(fmt.Sprintf("SELECT number, toString(number) FROM numbers(%d) FORMAT Native", rows)))
		must(b, err)
		n, err := io.Copy(io.Discard, res.Body)
		must(b, err)
		must(b, res.Body.Close())
		b.SetBytes(n)
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
