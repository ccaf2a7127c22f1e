package chdb

import (
	"errors"
	"runtime"
	"unsafe"
)

// Conn is one session of the engine: it has its own current database, settings
// and temporary tables. It runs one statement at a time and is not safe for
// concurrent use.
type Conn struct {
	db    *DB
	owner handle // what chdb_connect returned
	conn  handle // what the other calls take
}

// Param is a query parameter for a {name:Type} placeholder. Value is in
// ClickHouse's escaped text form (as in TSV), as on the HTTP interface.
type Param struct{ Name, Value string }

// Stats counts the work of one statement.
type Stats struct {
	RowsRead, BytesRead       uint64
	RowsWritten, BytesWritten uint64
	ResultRows, ResultBytes   uint64
	ElapsedSeconds            float64
}

// ErrClosed is returned by operations on a closed connection.
var ErrClosed = errors.New("connection is closed")

// Close ends the session; its temporary tables go with it. No statement may be
// running on it. Close is idempotent.
func (c *Conn) Close() {
	if c.owner == nil {
		return
	}
	c.db.lib.signals.keep(func() { c.db.lib.closeConn(c.owner) })
	c.owner, c.conn = nil, nil
	c.db.mu.Lock()
	delete(c.db.conns, c)
	c.db.mu.Unlock()
}

// Query runs one statement and returns its whole output in the given format.
// A nil error means a result that the caller must Close; an engine error is an
// *[Exception].
func (c *Conn) Query(sql, format string, params []Param) (*Result, error) {
	if c.conn == nil {
		return nil, ErrClosed
	}
	a := newArgs(sql, format, params)
	defer a.release()
	h := c.db.lib.query(c.conn, a.sql, a.sqlLen, a.format, a.formatLen, a.names, a.nameLens, a.values, a.valueLens, a.n)
	r, err := c.result(h)
	if err != nil {
		c.drain()
	}
	return r, err
}

// drain throws away what a failed statement had written: libchdb (26.7.3) would
// put it before the output of the connection's next statement.
func (c *Conn) drain() {
	a := newArgs("SELECT 1", "Null", nil)
	defer a.release()
	h := c.db.lib.query(c.conn, a.sql, a.sqlLen, a.format, a.formatLen, nil, nil, nil, nil, 0)
	if r, err := c.result(h); err == nil {
		r.Close()
	}
}

// Exec runs one statement and drops its output.
func (c *Conn) Exec(sql string) error {
	r, err := c.Query(sql, "Null", nil)
	if err != nil {
		return err
	}
	r.Close()
	return nil
}

// result takes ownership of h: it becomes a Result, or its error is copied out.
func (c *Conn) result(h handle) (*Result, error) {
	if h == nil {
		return nil, errors.New("libchdb returned no result")
	}
	if text := goString(c.db.lib.resultError(h)); text != "" {
		c.db.lib.resultDestroy(h)
		return nil, ParseException(text)
	}
	return &Result{lib: c.db.lib, h: h}, nil
}

// Result is the output of one statement, in memory of the engine.
type Result struct {
	lib *library
	h   handle
}

// Bytes is the output. It aliases the engine's memory: valid until Close.
func (r *Result) Bytes() []byte {
	n := r.lib.resultLength(r.h)
	p := r.lib.resultBuffer(r.h)
	if n == 0 || p == nil {
		return nil
	}
	return unsafe.Slice((*byte)(p), n)
}

// Stats returns the counters of the statement.
func (r *Result) Stats() Stats {
	return Stats{
		RowsRead:       r.lib.storageRows(r.h),
		BytesRead:      r.lib.storageBytes(r.h),
		RowsWritten:    r.lib.rowsWritten(r.h),
		BytesWritten:   r.lib.bytesWritten(r.h),
		ResultRows:     r.lib.resultRows(r.h),
		ResultBytes:    r.lib.resultBytes(r.h),
		ElapsedSeconds: r.lib.resultElapsed(r.h),
	}
}

// Close frees the engine's memory. It is idempotent.
func (r *Result) Close() {
	if r.h != nil {
		r.lib.resultDestroy(r.h)
		r.h = nil
	}
}

// args are the pinned C arguments of a statement with parameters.
type args struct {
	pin                                runtime.Pinner
	sql, format                        handle
	sqlLen, formatLen, n               uintptr
	names, nameLens, values, valueLens handle
}

func newArgs(sql, format string, params []Param) *args {
	a := &args{sqlLen: uintptr(len(sql)), formatLen: uintptr(len(format)), n: uintptr(len(params))}
	a.sql, a.format = a.str(sql), a.str(format)
	if len(params) == 0 {
		return a
	}
	names, values := make([]handle, len(params)), make([]handle, len(params))
	nameLens, valueLens := make([]uintptr, len(params)), make([]uintptr, len(params))
	for i, p := range params {
		names[i], nameLens[i] = a.str(p.Name), uintptr(len(p.Name))
		values[i], valueLens[i] = a.str(p.Value), uintptr(len(p.Value))
	}
	a.names, a.values = a.ptr(unsafe.Pointer(&names[0])), a.ptr(unsafe.Pointer(&values[0]))
	a.nameLens, a.valueLens = a.ptr(unsafe.Pointer(&nameLens[0])), a.ptr(unsafe.Pointer(&valueLens[0]))
	return a
}

func (a *args) ptr(p unsafe.Pointer) handle {
	a.pin.Pin(p)
	return p
}

// str pins s; libchdb wants a valid pointer for an empty string too.
func (a *args) str(s string) handle {
	if s == "" {
		s = "\x00"
	}
	return a.ptr(unsafe.Pointer(unsafe.StringData(s)))
}

func (a *args) release() { a.pin.Unpin() }

// goString copies a NUL-terminated C string.
func goString(p handle) string {
	if p == nil {
		return ""
	}
	n := 0
	for *(*byte)(unsafe.Add(p, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(p), n))
}

// Class says what a statement does, in ascending order of how restricted it is.
type Class uint32

// The classes of libchdb's chdb_query_class.
const (
	ClassReadOnly       Class = iota // leaves no trace
	ClassMutating                    // changes a database
	ClassMutatingGlobal              // changes something beside the databases
	ClassControl                     // SET, USE, SYSTEM, KILL and the like
	ClassUnknown                     // did not parse
)

// Analysis is what the engine's parser says of a text.
type Analysis struct {
	Statements int
	Class      Class
}

// Analyse parses sql with the engine's own parser and runs nothing.
func (c *Conn) Analyse(sql string) (Analysis, error) {
	if c.conn == nil {
		return Analysis{}, ErrClosed
	}
	var out struct{ size, statements, flags, class uint32 }
	out.size = uint32(unsafe.Sizeof(out))
	a := newArgs(sql, "", nil)
	defer a.release()
	if c.db.lib.classifyQuery(c.conn, a.sql, a.sqlLen, nil, 0, a.ptr(unsafe.Pointer(&out))) != 0 {
		return Analysis{}, errors.New("libchdb could not analyse the statement")
	}
	return Analysis{Statements: int(out.statements), Class: Class(out.class)}, nil
}
