package kafkabus

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// TestPausesBetweenJoins: only joins that time out again are spread, in the end over longer
// than a broker waits for a member.
func TestPausesBetweenJoins(t *testing.T) {
	c := &Consumer{cfg: ConsumerConfig{RebalanceTimeout: 20 * time.Second}}
	timeout := fmt.Errorf("joining: %w", os.ErrDeadlineExceeded)
	for _, x := range []struct {
		err      error
		failures int
		luck     float64
		want     time.Duration
	}{
		{timeout, 1, 0.99, 0}, {timeout, 2, 0, 0},
		{timeout, 2, 0.5, 5 * time.Second}, {timeout, 3, 0.5, 10 * time.Second}, {timeout, 4, 0.5, 20 * time.Second}, {timeout, 4000, 0.5, 20 * time.Second},
		{kafka.UnknownMemberId, 9, 0.5, 0}, {errors.New("connection refused"), 9, 0.5, 0},
	} {
		if got := c.joinPause(x.err, x.failures, x.luck); got != x.want {
			t.Errorf("pause after failure %d with %v is %s, want %s", x.failures, x.err, got, x.want)
		}
	}
}
