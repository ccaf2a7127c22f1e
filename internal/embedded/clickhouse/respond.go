package clickhouse

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"partnerpulse/internal/embedded/clickhouse/chdb"
)

// response writes one HTTP answer in the form ClickHouse gives it.
type response struct {
	w  http.ResponseWriter
	rq *request // nil while the request could not be parsed

	out     io.Writer    // where output goes: [transcoder →] [blocks →] [encoding →] w
	blocks  *blockWriter // compress=1
	encoder *lazyEncoder // Content-Encoding
	native  *nativeTranscoder
	tag     string // marks an exception in the middle of a body
	started bool
}

// exceptionTagBytes is the length of ClickHouse's random exception tag.
const exceptionTagBytes = 16

// start sends the headers of a successful answer and prepares the output.
func (rs *response) start(format string, stats chdb.Stats, columnTypes func() []string) {
	h := rs.w.Header()
	rs.tag = strings.ToLower(rand.Text()[:exceptionTagBytes])
	h.Set("X-ClickHouse-Format", format)
	h.Set("X-ClickHouse-Summary", summary(stats))
	h.Set("X-ClickHouse-Exception-Tag", rs.tag)
	h.Set("Content-Type", contentType(format))
	rs.open()
	if strings.EqualFold(format, "Native") && rs.rq.revision > 0 {
		rs.native = &nativeTranscoder{w: rs.out, revision: rs.rq.revision, columnTypes: columnTypes}
		rs.out = rs.native
	}
	rs.started = true
}

// open sets up the compression the client asked for.
func (rs *response) open() {
	rs.out = rs.w
	if rs.rq == nil {
		return
	}
	if rs.rq.encoding != "" {
		rs.w.Header().Add("Vary", "Accept-Encoding")
		rs.encoder = &lazyEncoder{w: rs.w, encoding: rs.rq.encoding}
		rs.out = rs.encoder
	}
	if rs.rq.compress {
		rs.blocks = newBlockWriter(rs.out, rs.rq.compressionMethod)
		rs.out = rs.blocks
	}
}

// finish flushes what is buffered.
func (rs *response) finish() error {
	var errs []error
	if rs.blocks != nil {
		errs = append(errs, rs.blocks.Flush())
	}
	if rs.encoder != nil {
		errs = append(errs, rs.encoder.Close())
	}
	return errors.Join(errs...)
}

// empty answers a statement without output.
func (rs *response) empty(stats chdb.Stats) {
	rs.w.Header().Set("X-ClickHouse-Summary", summary(stats))
	rs.w.Header().Set("Content-Type", contentType(""))
	rs.w.WriteHeader(http.StatusOK)
}

// fail answers with an error: as a status if the body has not begun, else as
// ClickHouse's marked exception block, after which the connection is cut.
func (rs *response) fail(err error) {
	e := asException(err)
	if rs.started {
		rs.failMidway(e)
		return
	}
	h := rs.w.Header()
	h.Set("X-ClickHouse-Exception-Code", strconv.Itoa(e.Code))
	h.Set("Content-Type", contentType(""))
	h.Del("X-ClickHouse-Exception-Tag")
	rs.open()
	if rs.encoder == nil {
		rs.w.WriteHeader(httpStatus(e.Code))
	} else {
		rs.encoder.status = httpStatus(e.Code)
	}
	// The client may be gone; there is nobody else to tell.
	_, _ = io.WriteString(rs.out, e.Error()+"\n")
	_ = rs.finish()
}

func (rs *response) failMidway(e *chdb.Exception) {
	out := rs.out
	if rs.native != nil {
		out = rs.native.w
	}
	if rs.blocks != nil {
		_ = rs.blocks.Flush() // the exception gets a block of its own
	}
	msg := e.Error() + "\n"
	_, _ = fmt.Fprintf(out, "\r\n__exception__\r\n%s\r\n%s%d %s\r\n__exception__\r\n", rs.tag, msg, len(msg), rs.tag)
	_ = rs.finish()
	if f, ok := rs.w.(http.Flusher); ok {
		f.Flush()
	}
	// A body that ends regularly would look complete: abort the connection.
	panic(http.ErrAbortHandler)
}

// summary is the X-ClickHouse-Summary header; ClickHouse writes the numbers as
// strings.
func summary(s chdb.Stats) string {
	return fmt.Sprintf(`{"read_rows":"%d","read_bytes":"%d","written_rows":"%d","written_bytes":"%d",`+
		`"total_rows_to_read":"0","result_rows":"%d","result_bytes":"%d","elapsed_ns":"%d"}`,
		s.RowsRead, s.BytesRead, s.RowsWritten, s.BytesWritten, s.ResultRows, s.ResultBytes,
		int64(s.ElapsedSeconds*1e9))
}
