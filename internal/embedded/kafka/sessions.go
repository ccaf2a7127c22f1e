package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

const (
	sessionInterval = 200 * time.Millisecond // between two looks at the groups
	sessionTimeout  = 10 * time.Second       // for one look
	classicGroup    = "classic"
)

// sessions gives every member of a group a session that can end; the package's
// documentation says why. It sends one heartbeat for each member and generation, which
// starts the session's time: a member that lives goes on by itself.
type sessions struct {
	cluster *kfake.Cluster
	addr    string
	log     *zap.Logger
	groups  map[string]map[string]*memberSession // by group and member; look keeps it
}

// memberSession is what is known of one member.
type memberSession struct {
	joined int32 // the group's generation while the member's first join was not answered yet
	begun  int32 // generation of the heartbeat sent for it
}

func newSessions(cluster *kfake.Cluster, addr string, log *zap.Logger) *sessions {
	return &sessions{cluster: cluster, addr: addr, log: log, groups: make(map[string]map[string]*memberSession)}
}

// run looks at the groups until ctx ends.
func (s *sessions) run(ctx context.Context) {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.addr), kgo.ClientID("sessions"))
	if err != nil { // only for options that contradict each other
		s.log.Error("not watching the sessions of consumer groups", zap.Error(err))
		return
	}
	defer client.Close()
	ticker := time.NewTicker(sessionInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := s.look(ctx, client); err != nil && ctx.Err() == nil {
			s.log.Warn("looking at the sessions of consumer groups failed; trying again", zap.Error(err))
		}
	}
}

// look begins the sessions of members whose join was answered since the last look.
func (s *sessions) look(ctx context.Context, client *kgo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, sessionTimeout)
	defer cancel()
	list, err := kmsg.NewPtrListGroupsRequest().RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("listing groups: %w", err)
	}
	for _, g := range list.Groups {
		info := s.cluster.GroupInfo(g.Group)
		if g.GroupType != classicGroup || info == nil {
			continue
		}
		for _, m := range s.answered(info) {
			request := kmsg.NewPtrHeartbeatRequest()
			request.Group, request.Generation = info.Group, info.Epoch
			request.MemberID, request.InstanceID = m.MemberID, m.InstanceID
			// A refusal means that things moved on; the next look sees to it.
			if _, err := request.RequestWith(ctx, client); err != nil {
				return fmt.Errorf("beginning the session of %s in group %s: %w", m.MemberID, info.Group, err)
			}
			s.groups[info.Group][m.MemberID].begun = info.Epoch
		}
	}
	return nil
}

// answered gives the members that had an answer to a join in this generation and no
// heartbeat sent for them yet. Those whose first join still waits are not among them:
// the time of a session must not run while a member can only wait.
func (s *sessions) answered(info *kfake.GroupInfo) []kfake.GroupMember {
	before, now := s.groups[info.Group], make(map[string]*memberSession, len(info.Members))
	var out []kfake.GroupMember
	for _, m := range info.Members {
		known := before[m.MemberID]
		if known == nil {
			known = &memberSession{joined: info.Epoch}
			if info.State != "PreparingRebalance" {
				known.joined--
			}
		}
		now[m.MemberID] = known
		if known.joined < info.Epoch && known.begun < info.Epoch {
			out = append(out, m)
		}
	}
	s.groups[info.Group] = now
	if len(now) == 0 {
		delete(s.groups, info.Group)
	}
	return out
}
