package clickhouse

import (
	"sync"
	"time"

	"partnerpulse/internal/embedded/clickhouse/chdb"
)

// sessions are the named sessions of the HTTP interface: each owns an engine
// connection, so its temporary tables and SETs last until it times out.
type sessions struct {
	mu     sync.Mutex
	max    int
	byID   map[string]*session
	closed bool
}

type session struct {
	conn  *conn
	busy  bool
	timer *time.Timer
}

// Timeouts of a session as in ClickHouse's default configuration.
const (
	sessionTimeoutDefault = 60 * time.Second
	sessionTimeoutMax     = time.Hour
)

// ClickHouse's error codes for sessions.
const (
	codeSessionNotFound = 372
	codeSessionIsLocked = 373
	codeTooManySessions = 202 // TOO_MANY_SIMULTANEOUS_QUERIES is the closest
)

func (s *sessions) init(maxSessions int) {
	s.max, s.byID = maxSessions, make(map[string]*session)
}

// take locks the session id, opening it with connect if it is new. With
// mustExist a missing session is an error.
func (s *sessions) take(id string, mustExist bool, connect func() (*conn, error)) (*session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ses, ok := s.byID[id]; ok {
		if ses.busy {
			return nil, &chdb.Exception{Code: codeSessionIsLocked, Name: "SESSION_IS_LOCKED",
				Message: "Session " + id + " is locked by a concurrent client."}
		}
		ses.busy = true
		ses.timer.Stop()
		return ses, nil
	}
	if mustExist {
		return nil, &chdb.Exception{Code: codeSessionNotFound, Name: "SESSION_NOT_FOUND",
			Message: "Session " + id + " not found."}
	}
	if s.closed || len(s.byID) >= s.max {
		return nil, &chdb.Exception{Code: codeTooManySessions, Name: "TOO_MANY_SIMULTANEOUS_QUERIES",
			Message: "Too many open sessions."}
	}
	c, err := connect()
	if err != nil {
		return nil, err
	}
	ses := &session{conn: c, busy: true}
	ses.timer = time.AfterFunc(sessionTimeoutMax, func() { s.expire(id, ses) })
	ses.timer.Stop()
	s.byID[id] = ses
	return ses, nil
}

// put unlocks a session and restarts its timeout; drop closes it instead.
func (s *sessions) put(id string, ses *session, timeout time.Duration, drop bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ses.busy = false
	if drop {
		delete(s.byID, id)
		ses.conn.Close()
		return
	}
	ses.timer.Reset(timeout)
}

func (s *sessions) expire(id string, ses *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID[id] == ses && !ses.busy && !s.closed {
		delete(s.byID, id)
		ses.conn.Close()
	}
}

// closeAll ends every session. No session may be busy.
func (s *sessions) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for id, ses := range s.byID {
		ses.timer.Stop()
		ses.conn.Close()
		delete(s.byID, id)
	}
}
