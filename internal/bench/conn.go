package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// requestTimeout bounds one request.
const requestTimeout = 30 * time.Second

// conn is one kept-alive HTTP/1.1 connection that posts bodies. It reads no more of an
// answer than its status and length, so that the load costs little of the CPU that the
// measured process shares with it.
type conn struct {
	net    net.Conn
	in     *bufio.Reader
	head   []byte // the request up to the value of Content-Length
	buffer []byte
}

// dial connects to a collector.
func dial(ctx context.Context, a Address) (*conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", a.Addr)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", a.Addr, err)
	}
	head := "POST /v1/events HTTP/1.1\r\nHost: " + a.Addr + "\r\nContent-Type: application/json\r\n"
	if a.Key != "" {
		head += "Authorization: Bearer " + a.Key + "\r\n"
	}
	return &conn{net: c, in: bufio.NewReader(c), head: []byte(head + "Content-Length: ")}, nil
}

func (c *conn) close() error { return c.net.Close() }

// post sends a body and gives the status of the answer.
func (c *conn) post(body []byte) (status int, err error) {
	c.buffer = append(c.buffer[:0], c.head...)
	c.buffer = strconv.AppendInt(c.buffer, int64(len(body)), 10)
	c.buffer = append(c.buffer, "\r\n\r\n"...)
	c.buffer = append(c.buffer, body...)
	if err := c.net.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		return 0, fmt.Errorf("sending a request: %w", err)
	}
	if _, err := c.net.Write(c.buffer); err != nil {
		return 0, fmt.Errorf("sending a request: %w", err)
	}
	status, err = c.answer()
	if err != nil {
		return 0, fmt.Errorf("reading an answer: %w", err)
	}
	return status, nil
}

// errAnswer says that an answer is not of the form that this client reads.
var errAnswer = errors.New("not an HTTP/1.1 answer with a Content-Length")

// answer reads an answer to its end.
func (c *conn) answer() (status int, err error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	const version = "HTTP/1.1 "
	if !bytes.HasPrefix(line, []byte(version)) || len(line) < len(version)+3 {
		return 0, errAnswer
	}
	if status, err = strconv.Atoi(string(line[len(version) : len(version)+3])); err != nil {
		return 0, errAnswer
	}
	length := -1
	if status == 204 {
		length = 0
	}
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte{':'})
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, errAnswer
			}
		}
	}
	if length < 0 {
		return 0, errAnswer
	}
	_, err = c.in.Discard(length)
	return status, err
}
