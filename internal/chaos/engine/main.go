// Command engine serves one embedded engine in a process of its own, so that a test
// can kill the broker or the store alone.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"partnerpulse/internal/embedded/clickhouse"
	"partnerpulse/internal/embedded/kafka"
	"partnerpulse/internal/obs"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	kind := flag.String("kind", "", "kafka or clickhouse")
	addr := flag.String("addr", "127.0.0.1:0", "host:port to listen on")
	dir := flag.String("data-dir", "", "where its data is kept")
	partitions := flag.Int("partitions", 0, "partitions of topics created without a count")
	flag.Parse()
	log, err := obs.NewLogger("info", "console")
	if err == nil {
		switch *kind {
		case "kafka":
			err = kafka.New(kafka.Config{Addr: *addr, DataDir: filepath.Join(*dir, "kafka"), Partitions: *partitions}, log).Run(ctx)
		case "clickhouse":
			err = clickhouse.New(clickhouse.Config{
				Addr: *addr, DataDir: filepath.Join(*dir, "clickhouse"), LibraryPath: os.Getenv("PARTNERPULSE_LIBCHDB"),
			}, log).Run(ctx)
		default:
			err = fmt.Errorf("there is no engine of kind %q", *kind)
		}
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		return 1
	}
	return 0
}
