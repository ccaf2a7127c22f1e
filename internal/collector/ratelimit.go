package collector

import (
	"fmt"
	"net/http"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"partnerpulse/internal/keys"
)

// limitersMax bounds the keys whose rate is remembered.
const limitersMax = 10_000

// rateLimits holds every key to its rate of events. A key whose tokens are used up
// is refused before its body is read. A body is taken whole: its events may put the
// key into debt, which must be paid off before the next.
type rateLimits struct {
	defaults map[keys.Kind]keys.Rate
	limiters *lru.Cache[string, *rate.Limiter] // by key id
}

func newRateLimits(defaults map[keys.Kind]keys.Rate) (*rateLimits, error) {
	limiters, err := lru.New[string, *rate.Limiter](limitersMax)
	if err != nil {
		return nil, fmt.Errorf("making the rate limits: %w", err)
	}
	return &rateLimits{defaults: defaults, limiters: limiters}, nil
}

// of gives the key's limiter, with the limits that the key has now.
func (l *rateLimits) of(key *keys.Key) *rate.Limiter {
	r := key.Rate.Or(l.defaults[key.Kind])
	if r.EventsPerSecond <= 0 {
		return nil
	}
	limiter, ok := l.limiters.Get(key.ID)
	if !ok {
		limiter = rate.NewLimiter(rate.Limit(r.EventsPerSecond), r.Burst)
		if other, found, _ := l.limiters.PeekOrAdd(key.ID, limiter); found {
			limiter = other
		}
	}
	if limiter.Limit() != rate.Limit(r.EventsPerSecond) {
		limiter.SetLimit(rate.Limit(r.EventsPerSecond))
	}
	if limiter.Burst() != r.Burst {
		limiter.SetBurst(r.Burst)
	}
	return limiter
}

// check refuses a key that has no token left.
func (l *rateLimits) check(key *keys.Key) *failure {
	limiter := l.of(key)
	if limiter == nil {
		return nil
	}
	tokens := limiter.Tokens()
	if tokens >= 1 {
		return nil
	}
	perSecond := float64(limiter.Limit())
	wait := time.Duration(min((1-tokens)/perSecond, retryAfterSecondsMax) * float64(time.Second))
	return &failure{http.StatusTooManyRequests, "rate_limited",
		fmt.Sprintf("key %s has sent more than its %.4g events a second, with bursts of %d: nothing of this request was taken, send it again after the time in Retry-After",
			key.ID, perSecond, limiter.Burst()), wait}
}

// retryAfterSecondsMax bounds what a key in debt is asked to wait.
const retryAfterSecondsMax = 3600

// charge takes the tokens of n events.
func (l *rateLimits) charge(key *keys.Key, n int) {
	limiter := l.of(key)
	if limiter == nil {
		return
	}
	now := time.Now()
	for burst := max(1, limiter.Burst()); n > 0; n -= burst { // no more than the burst at once
		limiter.ReserveN(now, min(n, burst))
	}
}
