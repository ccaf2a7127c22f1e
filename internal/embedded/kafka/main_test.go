package kafka

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap"
)

// serveVariable makes the test binary a broker on that directory, for the tests
// that kill one.
const serveVariable = "TEST_SERVE_KAFKA_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveVariable); dir != "" {
		serveUntilKilled(dir)
	}
	goleak.VerifyTestMain(m,
		// kfake's connections end some time after Close.
		goleak.IgnoreAnyFunction("github.com/twmb/franz-go/pkg/kfake.(*clientConn).read"),
		goleak.IgnoreAnyFunction("github.com/twmb/franz-go/pkg/kfake.(*clientConn).write"),
	)
}

// serveUntilKilled prints the address when ready and ends when its standard
// input does, should nobody kill it.
func serveUntilKilled(dir string) {
	ctx, cancel := context.WithCancel(context.Background())
	server := New(Config{Addr: "127.0.0.1:0", DataDir: dir}, zap.NewNop())
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		cancel()
	}()
	go func() {
		<-server.Ready()
		fmt.Println(server.Addr())
	}()
	if err := server.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
