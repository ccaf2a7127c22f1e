package clickhouse

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"

	"go.uber.org/zap"

	"partnerpulse/internal/embedded/clickhouse/chdb"
	"partnerpulse/internal/fault"
)

// front serves ClickHouse's HTTP interface on the pool.
type front struct {
	cfg      Config
	pool     *pool
	log      *zap.Logger
	hostname string
	timezone string
}

func (f *front) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/ping", f.ok)
	mux.HandleFunc("/replicas_status", f.ok)
	mux.HandleFunc("/{$}", f.serveQuery)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "There is no handle "+r.URL.Path+"\n\nUse / or /ping for health checks.", http.StatusNotFound)
	})
	// A web page must not be able to run statements on a laptop's engine.
	return f.recovering(http.NewCrossOriginProtection().Handler(mux))
}

func (f *front) ok(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", contentType(""))
	_, _ = io.WriteString(w, "Ok.\n")
}

// recovering keeps a panic in a handler from being more than a failed request.
func (f *front) recovering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v != http.ErrAbortHandler { //nolint:errorlint // a sentinel panic value
				f.log.Error("panic while serving a request", zap.Any("panic", v), zap.ByteString("stack", debug.Stack()))
			}
			panic(http.ErrAbortHandler)
		}()
		next.ServeHTTP(w, r)
	})
}

func (f *front) serveQuery(w http.ResponseWriter, r *http.Request) {
	rs := &response{w: w}
	w.Header().Set("X-ClickHouse-Server-Display-Name", f.hostname)
	w.Header().Set("X-ClickHouse-Timezone", f.timezone)
	form, err := parseForm(r)
	if err != nil {
		rs.fail(err)
		return
	}
	if err := authenticate(r, form, f.cfg.Users); err != nil {
		w.Header().Set("WWW-Authenticate", `Basic realm="ClickHouse HTTP interface"`)
		rs.fail(err)
		return
	}
	rq, err := parseRequest(r, form)
	if err != nil {
		rs.fail(err)
		return
	}
	rs.rq = rq
	w.Header().Set("X-ClickHouse-Query-Id", rq.queryID)
	if r.Method == http.MethodGet && rq.query == "" && r.ContentLength <= 0 {
		f.ok(w, r)
		return
	}
	if err := f.run(r, rq, rs); err != nil {
		rs.fail(err)
	}
}

// run reads the statement, gets a connection and executes it.
func (f *front) run(r *http.Request, rq *request, rs *response) error {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		return &chdb.Exception{Code: codeNotImplemented, Name: "NOT_IMPLEMENTED",
			Message: "external tables (multipart/form-data) are not supported by the embedded ClickHouse; use a temporary table in a session"}
	}
	body, closeBody, err := decodeBody(r.Body, r.Header.Get("Content-Encoding"))
	if err != nil {
		return err
	}
	defer closeBody()
	if rq.decompress {
		body = newBlockReader(body)
	}
	body = &limitReader{r: body, left: f.cfg.MaxBodyBytes, max: f.cfg.MaxBodyBytes}
	src, err := readSource(rq.query, body, f.cfg.MaxQueryBytes)
	if err != nil {
		return err
	}
	c, release, err := f.connection(r.Context(), rq)
	if err != nil {
		return err
	}
	defer release()
	if src.insert != nil {
		return f.insert(c, rq, src, rs)
	}
	return f.query(r.Context(), c, rq, src.text, rs)
}

// connection gets the session's or a pooled connection, set up for the request.
func (f *front) connection(ctx context.Context, rq *request) (*conn, func(), error) {
	if rq.sessionID != "" {
		return f.sessionConnection(ctx, rq)
	}
	c, err := f.pool.acquire(ctx, firstOf(rq.database, defaultDatabase), rq.settings)
	if err != nil {
		return nil, nil, err
	}
	return c, func() { f.pool.release(c) }, nil
}

func (f *front) sessionConnection(ctx context.Context, rq *request) (*conn, func(), error) {
	ses, err := f.pool.sessions.take(rq.sessionID, rq.sessionCheck, f.pool.connect)
	if err != nil {
		return nil, nil, err
	}
	put := func() { f.pool.sessions.put(rq.sessionID, ses, rq.sessionTimeout, rq.closeSession) }
	select {
	case f.pool.slots <- struct{}{}:
	case <-ctx.Done():
		put()
		return nil, nil, ctx.Err()
	}
	if err := f.pool.prepare(ses.conn, rq.database, rq.settings); err != nil {
		<-f.pool.slots
		put()
		return nil, nil, err
	}
	return ses.conn, func() { <-f.pool.slots; put() }, nil
}

// insert streams the data of an INSERT into the engine.
func (f *front) insert(c *conn, rq *request, src *source, rs *response) error {
	if rq.readOnly {
		return errReadOnly()
	}
	// A line end first: the head may end in a comment, and libchdb appends
	// the FORMAT clause.
	ins, err := c.Insert(src.insert.sql+"\n", src.insert.format, rq.params)
	if err != nil {
		return err
	}
	defer ins.Close()
	buf := make([]byte, insertChunkBytes)
	if _, err := io.CopyBuffer(struct{ io.Writer }{ins}, struct{ io.Reader }{src.rest}, buf); err != nil {
		return err
	}
	fault.Point(fault.StoreInsert)
	stats, err := ins.Commit()
	if err != nil {
		return err
	}
	fault.Point(fault.StoreInserted)
	rs.empty(stats)
	return nil
}

// insertChunkBytes is how much data goes to the engine in one call.
const insertChunkBytes = 1 << 20

func errReadOnly() error {
	return &chdb.Exception{Code: codeReadonly, Name: "READONLY",
		Message: "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. You should use method POST for modifying queries."}
}

// query runs a statement without inline data.
func (f *front) query(ctx context.Context, c *conn, rq *request, text string, rs *response) error {
	st := analyse(text)
	if err := f.admit(c, rq, text, st); err != nil {
		return err
	}
	format := firstOf(st.format, firstOf(rq.format, defaultFormat))
	stop := f.pool.cancelOn(ctx, c)
	defer stop()
	if isSelect(st.first) && streamable(format) && !rq.waitEnd {
		return f.stream(c, rq, st, format, rs)
	}
	r, err := c.Query(text, format, rq.params)
	if err != nil {
		return err
	}
	defer r.Close()
	if len(r.Bytes()) == 0 && !isRead(st.first) {
		rs.empty(r.Stats())
		return nil
	}
	rs.start(format, r.Stats(), func() []string { return f.pool.describe(c, st.body, rq.params) })
	if _, err := rs.out.Write(r.Bytes()); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return rs.finish()
}

// admit refuses what the HTTP interface does not allow, and notes statements
// after which a pooled connection cannot be reused.
func (f *front) admit(c *conn, rq *request, text string, st statement) error {
	if st.first == "" {
		return &chdb.Exception{Code: codeSyntaxError, Name: "SYNTAX_ERROR", Message: "Syntax error: empty query"}
	}
	if st.serverFile {
		return &chdb.Exception{Code: codeIntoOutfileForbidden, Name: "INTO_OUTFILE_NOT_ALLOWED",
			Message: "INTO OUTFILE and FROM INFILE are not allowed over HTTP"}
	}
	a, err := c.Analyse(text)
	if err != nil {
		return err
	}
	if a.Statements > 1 {
		return &chdb.Exception{Code: codeSyntaxError, Name: "SYNTAX_ERROR",
			Message: "Syntax error (Multi-statements are not allowed)"}
	}
	if rq.readOnly && (a.Class == chdb.ClassMutating || a.Class == chdb.ClassMutatingGlobal) {
		return errReadOnly()
	}
	if a.Class == chdb.ClassControl || strings.Contains(strings.ToUpper(text), "TEMPORARY") {
		c.spoiled = true
	}
	return nil
}

func isSelect(first string) bool { return first == "SELECT" || first == "WITH" || first == "FROM" }

// isRead reports whether a statement has a result, even if it may be empty.
func isRead(first string) bool {
	switch first {
	case "SELECT", "WITH", "FROM", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "CHECK", "VALUES":
		return true
	}
	return false
}

// stream sends the result of a SELECT chunk by chunk.
func (f *front) stream(c *conn, rq *request, st statement, format string, rs *response) error {
	s, err := c.Stream(st.body, format, rq.params)
	if err != nil {
		return err
	}
	defer s.Close()
	var header []byte
	for {
		chunk, err := s.Next()
		if err != nil {
			return err
		}
		var data []byte
		var stats chdb.Stats
		if chunk != nil {
			data, stats = chunk.Bytes(), chunk.Stats()
		}
		if !rs.started {
			rs.start(format, stats, func() []string { return f.pool.describe(c, st.body, rq.params) })
			header = append(header, data[:repeatedHeader(format, data)]...)
		} else {
			data = trimHeader(data, header)
		}
		if chunk == nil {
			return rs.finish()
		}
		_, err = rs.out.Write(data)
		chunk.Close()
		if err != nil {
			return fmt.Errorf("writing the result: %w", err)
		}
	}
}
