package clickhouse

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"partnerpulse/internal/embedded/clickhouse/chdb"
)

// pool hands out engine connections. A slot bounds how many statements run at
// once; connections outside sessions are reused, and a connection is first
// brought to the database and settings of the request by what differs.
type pool struct {
	db       *chdb.DB
	baseline map[string]string
	slots    chan struct{}
	sessions sessions

	mu     sync.Mutex
	idle   []*conn
	nextID int

	killMu sync.Mutex // guards killer
	killer *chdb.Conn // runs KILL QUERY while all others are busy
}

// conn is an engine connection and what the pool knows of its state.
type conn struct {
	*chdb.Conn
	tag      string // its log_comment, by which KILL QUERY finds its statement
	database string
	settings map[string]string
	// spoiled: a statement left something behind (SET, USE, temporary table)
	// that the next user must not see.
	spoiled bool
}

const defaultDatabase = "default"

func newPool(db *chdb.DB, cfg Config) (*pool, error) {
	killer, err := db.Connect()
	if err != nil {
		return nil, err
	}
	p := &pool{
		db:       db,
		baseline: cfg.baseline(),
		slots:    make(chan struct{}, cfg.Connections),
		killer:   killer,
	}
	p.sessions.init(cfg.SessionsMax)
	c, err := p.connect() // so that a bad baseline setting fails at start
	if err != nil {
		return nil, err
	}
	p.idle = append(p.idle, c)
	return p, nil
}

func (p *pool) connect() (*conn, error) {
	c, err := p.db.Connect()
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.nextID++
	tag := fmt.Sprintf("partnerpulse-%d", p.nextID)
	p.mu.Unlock()
	nc := &conn{Conn: c, tag: tag, database: defaultDatabase, settings: map[string]string{}}
	if err := nc.configure(p.wanted(nc, nil)); err != nil {
		c.Close()
		return nil, fmt.Errorf("configuring a connection: %w", err)
	}
	return nc, nil
}

// wanted adds the baseline to a request's settings, and the connection's tag to
// its log_comment: a comment that several statements share must not let the
// cancellation of one kill the others.
func (p *pool) wanted(c *conn, settings map[string]string) map[string]string {
	w := maps.Clone(p.baseline)
	maps.Copy(w, settings)
	w["log_comment"] = strings.TrimSpace(w["log_comment"] + " [" + c.tag + "]")
	return w
}

// acquire waits for a slot and returns a connection with the database and the
// settings applied. An error of the engine (unknown setting or database) is an
// *chdb.Exception.
func (p *pool) acquire(ctx context.Context, database string, settings map[string]string) (*conn, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c, err := p.pick(database, settings)
	if err == nil {
		if err = p.prepare(c, database, settings); err != nil {
			p.discard(c)
		}
	}
	if err != nil {
		<-p.slots
		return nil, err
	}
	return c, nil
}

// pick takes the idle connection closest to what is wanted, or opens one.
func (p *pool) pick(database string, settings map[string]string) (*conn, error) {
	p.mu.Lock()
	best := len(p.idle) - 1
	for i, c := range p.idle {
		if c.database == database && maps.Equal(c.settings, p.wanted(c, settings)) {
			best = i
			break
		}
	}
	if best < 0 {
		p.mu.Unlock()
		return p.connect()
	}
	c := p.idle[best]
	p.idle = slices.Delete(p.idle, best, best+1)
	p.mu.Unlock()
	return c, nil
}

func (p *pool) prepare(c *conn, database string, settings map[string]string) error {
	if err := c.use(database); err != nil {
		return err
	}
	return c.configure(p.wanted(c, settings))
}

// release gives the slot back and keeps the connection unless it is spoiled.
func (p *pool) release(c *conn) {
	if c.spoiled {
		p.discard(c)
	} else {
		p.mu.Lock()
		p.idle = append(p.idle, c)
		p.mu.Unlock()
	}
	<-p.slots
}

func (p *pool) discard(c *conn) { c.Close() }

// use changes the current database.
func (c *conn) use(database string) error {
	if database == "" || c.database == database {
		return nil
	}
	if err := c.Exec("USE " + quoteIdent(database)); err != nil {
		return err
	}
	c.database = database
	return nil
}

// configure brings the settings of the connection to want, by one SET of what
// differs. Settings that cannot be taken back spoil the connection.
func (c *conn) configure(want map[string]string) error {
	var changes []string
	for name, value := range want {
		if old, ok := c.settings[name]; !ok || old != value {
			changes = append(changes, name+" = "+quoteString(value))
		}
	}
	for name := range c.settings {
		if _, ok := want[name]; !ok {
			changes = append(changes, name+" = DEFAULT")
		}
	}
	if len(changes) == 0 {
		return nil
	}
	slices.Sort(changes)
	// readonly forbids every later SET, so it must come last in a SET of its own.
	slices.SortStableFunc(changes, func(a, b string) int { return rank(a) - rank(b) })
	for _, set := range [][]string{changes[:countRank0(changes)], changes[countRank0(changes):]} {
		if len(set) == 0 {
			continue
		}
		if err := c.Exec("SET " + strings.Join(set, ", ")); err != nil {
			return err
		}
	}
	c.settings = want
	if rank(changes[len(changes)-1]) > 0 {
		c.spoiled = true
	}
	return nil
}

func rank(change string) int {
	name, _, _ := strings.Cut(change, " ")
	switch name {
	case "readonly", "allow_ddl":
		return 1
	}
	return 0
}

func countRank0(changes []string) int {
	n := 0
	for n < len(changes) && rank(changes[n]) == 0 {
		n++
	}
	return n
}

// killRetry is how often a cancellation is repeated until the statement ends:
// the first may come before the engine has registered the statement.
const killRetry = 100 * time.Millisecond

// cancelOn kills the statement running on c when ctx ends. The returned func
// ends the watch and must be called before c is used for anything else.
func (p *pool) cancelOn(ctx context.Context, c *conn) (stop func()) {
	finished, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-finished:
			return
		case <-ctx.Done():
		}
		tick := time.NewTicker(killRetry)
		defer tick.Stop()
		for {
			p.kill(c.settings["log_comment"])
			select {
			case <-finished:
				return
			case <-tick.C:
			}
		}
	}()
	return func() {
		close(finished)
		<-stopped
	}
}

// kill cancels the statements with this log_comment. Failing is not an error:
// the caller repeats it, and the statement may just have ended.
func (p *pool) kill(comment string) {
	p.killMu.Lock()
	defer p.killMu.Unlock()
	_ = p.killer.Exec("KILL QUERY WHERE Settings['log_comment'] = " + quoteString(comment) + " ASYNC")
}

// describe returns the exact column types of a SELECT, nil if it cannot be
// described outside its own connection.
func (p *pool) describe(c *conn, sql string, params []chdb.Param) []string {
	p.killMu.Lock()
	defer p.killMu.Unlock()
	if c.database != "" {
		if p.killer.Exec("USE "+quoteIdent(c.database)) != nil {
			return nil
		}
	}
	r, err := p.killer.Query("DESCRIBE TABLE (\n"+sql+"\n)", "RowBinary", params)
	if err != nil {
		return nil
	}
	defer r.Close()
	return describedTypes(r.Bytes())
}

// describeColumns is the number of String columns DESCRIBE returns: name, type,
// default_type, default_expression, comment, codec_expression, ttl_expression.
const describeColumns = 7

func describedTypes(rows []byte) []string {
	var types []string
	c := &cursor{buf: rows}
	for c.pos < len(rows) {
		for i := range describeColumns {
			s, err := c.str()
			if err != nil {
				return nil
			}
			if i == 1 {
				types = append(types, string(s))
			}
		}
	}
	return types
}

// close waits until every statement has ended and closes all connections but
// the engine's own. When ctx ends first, the statements still running are
// cancelled and waited for; cancelled reports that.
func (p *pool) close(ctx context.Context) (cancelled bool) {
	for range cap(p.slots) {
		select {
		case p.slots <- struct{}{}:
			continue
		default:
		}
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			cancelled = true
			p.killAll()
			p.slots <- struct{}{}
		}
	}
	p.sessions.closeAll()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		c.Close()
	}
	p.idle = nil
	p.killer.Close()
	return cancelled
}

func (p *pool) killAll() {
	p.killMu.Lock()
	defer p.killMu.Unlock()
	_ = p.killer.Exec("KILL QUERY WHERE query NOT LIKE 'KILL%' ASYNC")
}

// quoteString writes a ClickHouse string literal.
func quoteString(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\x00", `\0`).Replace(s) + "'"
}

// quoteIdent writes a ClickHouse identifier.
func quoteIdent(s string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(s) + "`"
}
