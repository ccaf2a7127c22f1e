package chdb

import (
	"errors"
	"unsafe"
)

// Stream is a SELECT whose output is fetched chunk by chunk. Its connection can
// run nothing else until Close.
type Stream struct {
	c    *Conn
	h    handle
	done bool
}

// Stream starts a SELECT (libchdb streams nothing else: other statements get
// exception 36). Statements that must read everything before the first row do
// that work here.
func (c *Conn) Stream(sql, format string, params []Param) (*Stream, error) {
	if c.conn == nil {
		return nil, ErrClosed
	}
	a := newArgs(sql, format, params)
	defer a.release()
	h := c.db.lib.streamQuery(c.conn, a.sql, a.sqlLen, a.format, a.formatLen, a.names, a.nameLens, a.values, a.valueLens, a.n)
	if h == nil {
		return nil, errors.New("libchdb returned no stream")
	}
	if text := goString(c.db.lib.resultError(h)); text != "" {
		c.db.lib.resultDestroy(h)
		return nil, ParseException(text)
	}
	return &Stream{c: c, h: h}, nil
}

// Next returns the next chunk, nil at the end. Each chunk is a complete
// document of the format (a format with a header repeats it).
func (s *Stream) Next() (*Result, error) {
	if s.done {
		return nil, nil
	}
	r, err := s.c.result(s.c.db.lib.streamFetch(s.c.conn, s.h))
	if err != nil {
		s.done = true
		return nil, err
	}
	if s.c.db.lib.resultLength(r.h) == 0 {
		s.done = true
		r.Close()
		return nil, nil
	}
	return r, nil
}

// Close cancels the query if it has not ended and frees it. It is idempotent.
func (s *Stream) Close() {
	if s.h == nil {
		return
	}
	if !s.done {
		s.c.db.lib.streamCancel(s.c.conn, s.h)
	}
	s.c.db.lib.resultDestroy(s.h)
	s.h = nil
}

// Insert is an INSERT fed with data chunk by chunk.
type Insert struct {
	c *Conn
	h handle
}

// Insert starts an INSERT statement, given without FORMAT clause and data.
// The connection can run nothing else until Close.
func (c *Conn) Insert(sql, format string, params []Param) (*Insert, error) {
	if c.conn == nil {
		return nil, ErrClosed
	}
	a := newArgs(sql, format, params)
	defer a.release()
	h := c.db.lib.insert(c.conn, a.sql, a.sqlLen, a.format, a.formatLen, a.names, a.nameLens, a.values, a.valueLens, a.n)
	if h == nil {
		return nil, errors.New("libchdb returned no insert stream")
	}
	if text := goString(c.db.lib.insertError(h)); text != "" {
		c.db.lib.insertDestroy(h)
		return nil, ParseException(text)
	}
	return &Insert{c: c, h: h}, nil
}

// Write appends data, blocking while the engine is behind. It implements
// io.Writer.
func (s *Insert) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if s.c.db.lib.insertAppend(s.h, unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p))) != 0 {
		if text := goString(s.c.db.lib.insertError(s.h)); text != "" {
			return 0, ParseException(text)
		}
		return 0, errors.New("libchdb refused insert data")
	}
	return len(p), nil
}

// Commit ends the data and waits until the engine has stored it.
func (s *Insert) Commit() (Stats, error) {
	r, err := s.c.result(s.c.db.lib.insertDone(s.h))
	if err != nil {
		return Stats{}, err
	}
	defer r.Close()
	return r.Stats(), nil
}

// Close frees the stream; without Commit it is cancelled first. Blocks the
// engine has written already stay, as on a ClickHouse server.
func (s *Insert) Close() {
	if s.h == nil {
		return
	}
	s.c.db.lib.insertDestroy(s.h)
	s.h = nil
}
