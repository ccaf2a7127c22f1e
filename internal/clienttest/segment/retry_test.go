package segment_test

import (
	"fmt"
	"net/http"
	"testing"

	"partnerpulse/internal/clienttest/npm"
)

// TestSDKsRepeatWhatIsRefusedForTheMoment: 429 and 503 with Retry-After cost a
// repetition, no event and no copy.
func TestSDKsRepeatWhatIsRefusedForTheMoment(t *testing.T) {
	modules := npm.Install(t, "segment", ".")
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		for _, script := range []string{"analytics-node.cjs", "rudder-node.cjs"} {
			t.Run(fmt.Sprint(script, " ", status), func(t *testing.T) {
				t.Parallel()
				s := newStand(t, nil, modules, "{}")
				s.refuse = refusing{status, 2}
				for _, c := range runScript(t, modules, script, s.collector, serverKey) {
					if c.Error != "" {
						t.Errorf("the SDK gave up: %+v", c)
					}
				}
				checkServerEvents(t, s)
			})
		}
	}
}

// TestSDKsTellWhatTheyGiveUp: when the collector refuses for longer than an SDK tries,
// the SDK says so of every call, to whoever asked it; nothing is thought to be safe.
func TestSDKsTellWhatTheyGiveUp(t *testing.T) {
	modules := npm.Install(t, "segment", ".")
	// So often each batch is tried; RudderStack's SDK sends the first call alone.
	for script, tries := range map[string]int{"analytics-node.cjs": 5, "rudder-node.cjs": 4} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, nil, modules, "{}")
			s.refuse = refusing{http.StatusServiceUnavailable, 1000}
			calls := runScript(t, modules, script, s.collector, serverKey)
			for _, c := range calls {
				if c.Error == "" {
					t.Errorf("the SDK takes a refusal for success: %+v", c)
				}
			}
			events, rejects := s.taken()
			if n := s.asked("/v1/batch"); len(calls) == 0 || len(events)+len(rejects) != 0 || n == 0 || n%tries != 0 {
				t.Errorf("%d calls, %d requests, %d events", len(calls), n, len(events))
			}
		})
	}
}
