package kafkabus

import (
	"context"
	"net"
	"sync"
)

// connTracker knows the open connections of the group's coordinator traffic, so
// that a shutdown can cut requests that kafka-go offers no way to cancel.
type connTracker struct {
	mu     sync.Mutex
	open   map[net.Conn]struct{}
	closed bool
}

func newConnTracker() *connTracker { return &connTracker{open: map[net.Conn]struct{}{}} }

func (t *connTracker) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	tracked := &trackedConn{Conn: conn, tracker: t}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	t.open[tracked] = struct{}{}
	return tracked, nil
}

// closeAll cuts every connection and refuses new ones.
func (t *connTracker) closeAll() {
	t.mu.Lock()
	t.closed = true
	open := make([]net.Conn, 0, len(t.open))
	for conn := range t.open {
		open = append(open, conn)
	}
	t.mu.Unlock()
	for _, conn := range open {
		_ = conn.Close()
	}
}

type trackedConn struct {
	net.Conn
	tracker *connTracker
}

// Close closes the connection and forgets it.
func (c *trackedConn) Close() error {
	c.tracker.mu.Lock()
	delete(c.tracker.open, c)
	c.tracker.mu.Unlock()
	return c.Conn.Close()
}
