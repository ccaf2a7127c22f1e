package kafka

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/zap"
)

// The session of a member begins once in each generation, and never while its first join waits.
func TestWhoseSessionBegins(t *testing.T) {
	s := newSessions(nil, "", zap.NewNop())
	for i, look := range []struct {
		state   string
		epoch   int32
		members []string
		sent    bool // the heartbeats arrive
		want    []string
	}{
		{state: "PreparingRebalance", epoch: 3, members: []string{"a"}},
		{state: "PreparingRebalance", epoch: 3, members: []string{"a"}},
		{state: "Stable", epoch: 4, members: []string{"a", "b"}, want: []string{"a", "b"}},
		{state: "Stable", epoch: 4, members: []string{"a", "b"}, sent: true, want: []string{"a", "b"}},
		{state: "Stable", epoch: 4, members: []string{"a", "b"}},
		{state: "PreparingRebalance", epoch: 4, members: []string{"a", "b", "c"}},
		{state: "PreparingRebalance", epoch: 5, members: []string{"b", "c", "d"}, sent: true, want: []string{"b", "c"}},
		{state: "CompletingRebalance", epoch: 6, members: []string{"d"}, want: []string{"d"}},
		{state: "Empty", epoch: 7},
	} {
		info := &kfake.GroupInfo{Group: "g", State: look.state, Epoch: look.epoch}
		for _, id := range look.members {
			info.Members = append(info.Members, kfake.GroupMember{MemberID: id})
		}
		var got []string
		for _, m := range s.answered(info) {
			got = append(got, m.MemberID)
			if look.sent {
				s.groups["g"][m.MemberID].begun = look.epoch
			}
		}
		if !slices.Equal(got, look.want) {
			t.Errorf("look %d: %v, want %v", i, got, look.want)
		}
	}
	if len(s.groups) != 0 {
		t.Errorf("still known: %v", s.groups)
	}
}
