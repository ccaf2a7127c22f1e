package event

import (
	"errors"
	"strings"
	"time"
)

// ErrTime says that a text is no instant.
var ErrTime = errors.New("not RFC 3339 with a zone")

// ParseTime reads an instant of RFC 3339, section 5.6. The time package alone also takes
// an hour of one digit, a comma before the fraction and zones of more than 24 hours
// (https://go.dev/issue/54580), which the JSON Schemas of events do not.
func ParseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || s[len("2006-01-02T15")] != ':' || strings.Contains(s, ",") {
		return time.Time{}, ErrTime
	}
	if at := len(s) - len("+07:00"); s[len(s)-1] != 'Z' && (s[at+1:at+3] > "23" || s[at+4:] > "59") {
		return time.Time{}, ErrTime
	}
	return t, nil
}
