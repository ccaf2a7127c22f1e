package segment

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// Settle fixes what of a kept call depends on when it is sent: its id, and its time
// as it was when the call arrived first. Sent again, however often, it is the same
// event. eventID is the id that was made then for a call without one.
func Settle(original []byte, receivedAt time.Time, eventID string) ([]byte, error) {
	members, err := readObject(original)
	if err != nil {
		return nil, fmt.Errorf("reading a call: %w", err)
	}
	if members == nil {
		return nil, fmt.Errorf("reading a call: %w", ErrNotObject)
	}
	isImport := isMarkedImport(members)
	if isImport {
		members = members.without(importMark)
	}
	c := &Call{members: members, isImport: isImport}
	id := c.id(Env{NewID: func() string {
		if eventID != "" {
			return eventID
		}
		sum := sha256.Sum256(append([]byte(receivedAt.UTC().Format(timeLayout)), original...))
		return "seg-" + hex.EncodeToString(sum[:16])
	}})
	at, _ := c.time(receivedAt)
	if at == "" {
		at = receivedAt.UTC().Format(timeLayout)
	}
	sent := str(at)
	for _, name := range []string{"timestamp", "originalTimestamp"} {
		if v := members.get(name); v != nil {
			sent = v
		}
	}
	// A call with both times was corrected before: timestamp counts.
	out := append(members.without("messageId", "timestamp", "originalTimestamp", "sentAt"),
		member{"messageId", str(id)}, member{"timestamp", str(at)}, member{"originalTimestamp", sent})
	return out.append(make([]byte, 0, len(original)+100)), nil
}
