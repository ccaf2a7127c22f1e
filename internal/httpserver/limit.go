package httpserver

import (
	"net"
	"sync"
	"time"

	"go.uber.org/zap"
)

// limitListener accepts at most max connections at once. Further ones wait in the
// system's backlog, for which nothing is allocated here, until others end.
type limitListener struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	close  func() error
	log    *zap.Logger
	told   time.Time // when it was last said that all slots are taken
}

// tellEvery is how often it is said that the limit is reached.
const tellEvery = time.Minute

func newLimitListener(l net.Listener, connectionsMax int, log *zap.Logger) *limitListener {
	out := &limitListener{Listener: l, slots: make(chan struct{}, connectionsMax), closed: make(chan struct{}), log: log}
	out.close = sync.OnceValue(func() error {
		close(out.closed)
		return l.Close()
	})
	return out
}

// Accept waits for a free slot, then for a connection. Only one goroutine calls it.
func (l *limitListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	default:
		if time.Since(l.told) > tellEvery {
			l.told = time.Now()
			l.log.Warn("all connections are taken; new ones wait", zap.Int("connections_max", cap(l.slots)))
		}
		select {
		case l.slots <- struct{}{}:
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitedConn{Conn: conn, free: sync.OnceFunc(func() { <-l.slots })}, nil
}

// Close closes the listener; connections stay.
func (l *limitListener) Close() error { return l.close() }

// limitedConn gives its slot back when it is closed.
type limitedConn struct {
	net.Conn
	free func()
}

// Close closes the connection.
func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.free()
	return err
}
