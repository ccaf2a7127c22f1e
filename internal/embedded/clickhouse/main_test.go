package clickhouse_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"testing"

	"go.uber.org/zap"

	"partnerpulse/internal/embedded/clickhouse"
	"partnerpulse/internal/embedded/enginetest"
)

// childConfig in the environment makes the test binary a server, for the tests
// that need a process of their own.
const childConfig = "CLICKHOUSE_TEST_CHILD"

func TestMain(m *testing.M) {
	if cfg := os.Getenv(childConfig); cfg != "" {
		os.Exit(childMain(cfg))
	}
	os.Exit(enginetest.Main(m))
}

// childMain runs servers one after the other, each until a line comes on
// standard input, and prints each one's address. End of input ends the process.
func childMain(config string) int {
	var cfg clickhouse.Config
	if err := json.Unmarshal([]byte(config), &cfg); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	for one := make([]byte, 1); ; {
		ctx, cancel := context.WithCancel(context.Background())
		srv := clickhouse.New(cfg, zap.NewNop())
		done := make(chan error, 1)
		go func() { done <- srv.Run(ctx) }()
		select {
		case <-srv.Ready():
		case err := <-done:
			fmt.Println("error:", err)
			cancel()
			return 1
		}
		fmt.Println(srv.Addr())
		_, readErr := io.ReadFull(os.Stdin, one)
		cancel()
		if err := <-done; err != nil {
			fmt.Fprintln(os.Stderr, "Run:", err)
			return 1
		}
		if readErr != nil {
			return 0
		}
	}
}
