package chdb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"unsafe"
)

// process is the one piece of package state: it mirrors libchdb's own, which
// is global too (one library, one engine, one path per process).
var process struct {
	sync.Mutex
	lib  *library
	open *DB
}

// ErrInUse says that this process already runs the engine, or that another
// process holds the data directory.
var ErrInUse = errors.New("embedded ClickHouse already in use")

// DB is the engine running on one data directory. Its connections run queries
// concurrently with each other; each connection runs one statement at a time.
type DB struct {
	lib    *library
	path   string
	argv   []string
	lock   *os.File
	keeper *Conn

	mu    sync.Mutex
	conns map[*Conn]struct{}
}

// Open loads libchdb (once per process) and starts the engine on dataDir, which
// is created with mode 0700 if missing. args are further command-line options
// of the engine, such as --config-file=…. A second process on dataDir, or a
// second Open in this process before Close, gets an error wrapping [ErrInUse].
func Open(libraryPath, dataDir string, args ...string) (*DB, error) {
	dataDir, err := filepath.Abs(dataDir)
	if err != nil {
		return nil, fmt.Errorf("resolving the data directory: %w", err)
	}
	process.Lock()
	defer process.Unlock()
	if process.open != nil {
		return nil, fmt.Errorf("%w: this process runs it on %s; libchdb allows one data directory per process",
			ErrInUse, process.open.path)
	}
	lock, err := lockDir(dataDir)
	if err != nil {
		return nil, err
	}
	db, err := start(libraryPath, dataDir, args)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	db.lock = lock
	process.open = db
	return db, nil
}

// start loads the library if it is not yet and opens the first connection,
// which boots the engine and is kept until Close: closing the last connection
// would stop it. The caller holds process.
func start(libraryPath, dataDir string, args []string) (*DB, error) {
	if process.lib == nil {
		lib, err := load(libraryPath)
		if err != nil {
			return nil, err
		}
		process.lib = lib
	}
	db := &DB{
		lib:   process.lib,
		path:  dataDir,
		argv:  append([]string{"clickhouse", "--path=" + dataDir}, args...),
		conns: make(map[*Conn]struct{}),
	}
	keeper, err := db.Connect()
	if err != nil {
		return nil, fmt.Errorf("starting the embedded ClickHouse on %s: %w", dataDir, err)
	}
	db.keeper = keeper
	return db, nil
}

// lockDir creates dir and takes an exclusive lock on it before libchdb opens it:
// two engines on one directory destroy each other's parts.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("creating the data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "partnerpulse.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock file: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: another process has %s open; stop it or choose another data directory",
				ErrInUse, dir)
		}
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	return f, nil
}

// Path is the absolute data directory.
func (db *DB) Path() string { return db.path }

// LibraryVersion is the release libchdb reports.
func (db *DB) LibraryVersion() string { return db.lib.version() }

// Connect opens one more connection; the caller closes it.
func (db *DB) Connect() (*Conn, error) {
	argv := make([]unsafe.Pointer, len(db.argv))
	var pin runtime.Pinner
	defer pin.Unpin()
	for i, a := range db.argv {
		b := append([]byte(a), 0)
		pin.Pin(&b[0])
		argv[i] = unsafe.Pointer(&b[0])
	}
	pin.Pin(&argv[0])
	var ptr handle
	db.lib.signals.keep(func() {
		ptr = db.lib.connect(int32(len(argv)), unsafe.Pointer(&argv[0]))
	})
	if ptr == nil || *(*handle)(ptr) == nil {
		return nil, errors.New("libchdb refused the connection (is the directory writable, and of this or an older engine version?)")
	}
	c := &Conn{db: db, owner: ptr, conn: *(*handle)(ptr)}
	db.mu.Lock()
	db.conns[c] = struct{}{}
	db.mu.Unlock()
	return c, nil
}

// Close closes every connection, which stops the engine, and releases the data
// directory. No statement may be running. Close is idempotent; after it the
// process may Open again.
func (db *DB) Close() error {
	process.Lock()
	defer process.Unlock()
	if process.open != db {
		return nil
	}
	db.mu.Lock()
	conns := make([]*Conn, 0, len(db.conns))
	for c := range db.conns {
		if c != db.keeper {
			conns = append(conns, c)
		}
	}
	db.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
	db.keeper.Close()
	process.open = nil
	return db.lock.Close()
}
