package chstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// ErrNoStream says that inserts cannot be sent piece by piece: by the native protocol.
var ErrNoStream = errors.New("inserts are streamed over HTTP only")

// Rows and bytes from which on ClickHouse would write a part of what it has of an insert.
// A part is to be as large as the insert, whose size is for its sender to bound.
const (
	squashRows  = 1 << 24
	squashBytes = 1 << 30
)

// Insertion is one INSERT that is sent while its rows come into being. The client keeps
// nothing of it. ClickHouse collects it, up to the bounds above, and writes one part for
// each partition of the table. Nothing in it is stored for sure before Close has given
// nil; after an error some of it may be. It is not safe for concurrent use.
type Insertion struct {
	store  *Store
	table  string
	known  []clickhouse.ColumnNameAndType
	writer *nativeWriter
	pipe   *io.PipeWriter
	cancel context.CancelFunc
	start  time.Time  // of what is observed: of the wait for the answer, if it came to that
	answer chan error // of the request, once
	err    error      // why nothing more can be done
}

// CanStream tells whether StartInsert works with this store.
func (s *Store) CanStream() bool { return s.post != nil }

// StartInsert begins an INSERT into table. The caller must end it with Close or Abort.
// ctx, and Config.QueryTimeout, bound all of it.
func (s *Store) StartInsert(ctx context.Context, table string) (*Insertion, error) {
	if s.post == nil {
		return nil, ErrNoStream
	}
	ctx, cancel := s.bound(ctx)
	known, err := s.insertable(ctx, table)
	if err == nil && len(known) == 0 {
		err = fmt.Errorf("there is no table %s: run `partnerpulse migrate`", table)
	}
	if err != nil {
		cancel()
		return nil, err
	}
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = k.Name
	}
	settings := insertSettings()
	settings["min_insert_block_size_rows"], settings["min_insert_block_size_bytes"] = squashRows, squashBytes
	p := s.post
	at := p.next.Load() % uint32(len(p.bases))
	body, pipe := io.Pipe()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.bases[at]+p.query(table, names, settings), body)
	if err != nil {
		cancel()
		return nil, err
	}
	writer, ok := p.writers.Get().(*nativeWriter)
	if !ok {
		cancel()
		return nil, ErrNoStream // the pool holds nothing else
	}
	i := &Insertion{
		store: s, table: table, known: known, writer: writer, pipe: pipe, cancel: cancel,
		start: time.Now(), answer: make(chan error, 1),
	}
	go func() {
		err := p.do(req)
		var dial *net.OpError
		if errors.As(err, &dial) && dial.Op == "dial" {
			p.next.Store(at + 1) // the next insert tries another address
		}
		i.answer <- err
		_ = body.Close() // always nil; a Write that still waits fails
	}()
	return i, nil
}

// Append sends rows. Columns that are left out are empty in them: zero, or no text. When
// it returns, their memory may be used again.
func (i *Insertion) Append(cols []Column) error {
	if i.err != nil {
		return i.err
	}
	if len(cols) == 0 || cols[0].Len() == 0 {
		return nil
	}
	rows, err := rowsOf(cols)
	if err != nil {
		return i.fail(err)
	}
	types, err := typesOf(i.known, i.table, cols)
	if err != nil {
		return i.fail(err)
	}
	pieces, err := i.writer.block(cols, types, rows)
	if err != nil {
		return i.fail(err)
	}
	for _, piece := range pieces {
		if _, err := i.pipe.Write(piece); err != nil {
			return i.fail(err)
		}
	}
	return nil
}

// Close ends the rows and waits until ClickHouse has them on disk.
func (i *Insertion) Close() error {
	if i.err != nil {
		return i.err
	}
	select {
	case err := <-i.answer: // before it can have read the end; Append sees nearly all of these
		i.answer <- err
		return i.fail(errEarly)
	default:
	}
	i.start = time.Now()
	_ = i.pipe.Close() // always nil
	err := i.end()
	if i.err = errEnded; err != nil {
		i.err = fmt.Errorf("inserting into %s: %w", i.table, err)
		return i.err
	}
	return nil
}

// Abort gives the insert up, unless it has ended. Some of its rows may be stored.
func (i *Insertion) Abort() {
	if i.err == nil {
		_ = i.fail(errBodyEnded)
	}
}

var (
	errEarly = errors.New("answered before all rows were sent")
	errEnded = errors.New("the insert has ended")
)

// fail gives the insert up. Where the request was over already, its answer says why.
func (i *Insertion) fail(err error) error {
	isOver := errors.Is(err, io.ErrClosedPipe) || errors.Is(err, errEarly)
	_ = i.pipe.CloseWithError(err) // always nil
	if !isOver {
		i.cancel()
	}
	if answered := i.end(); isOver {
		if err = answered; err == nil {
			err = errEarly
		}
	}
	i.err = fmt.Errorf("inserting into %s: %w", i.table, err)
	return i.err
}

// end waits for the answer.
func (i *Insertion) end() error {
	err := <-i.answer
	i.cancel()
	i.store.seconds.WithLabelValues("insert_stream").Observe(time.Since(i.start).Seconds())
	if err != nil {
		i.store.errors.WithLabelValues("insert_stream").Inc() // the ones that were given up, too
		i.store.forget(i.table)                               // the table may have changed under us
	}
	i.store.post.writers.Put(i.writer)
	return err
}
