package clickhouse

import (
	"fmt"
	"maps"
	"time"
)

// Config says where the embedded ClickHouse listens and keeps its data. Zero
// values of the limits mean the defaults named here.
type Config struct {
	// Addr is the host:port of the HTTP interface; port 0 picks a free one.
	Addr string
	// DataDir holds the engine's data; created with mode 0700.
	DataDir string
	// LibraryPath is libchdb.so; empty: the search order of the package doc.
	LibraryPath string
	// Connections is how many statements run at the same time (default 8);
	// more wait for a free place.
	Connections int
	// SessionsMax bounds the named sessions kept open (default 64).
	SessionsMax int
	// MaxServerMemoryBytes limits the engine's memory (default: the engine's
	// own, 90 % of the machine).
	MaxServerMemoryBytes int64
	// MaxBodyBytes limits one request body after decompression (default 4 GiB).
	// Insert data is streamed to the engine, never held as a whole.
	MaxBodyBytes int64
	// MaxQueryBytes limits a statement without its insert data (default 16 MiB).
	MaxQueryBytes int
	// DrainTimeout is how long a stopping server waits for running statements
	// before it cancels the reads among them (default 10 s).
	DrainTimeout time.Duration
	// Users maps user names to passwords. Nil: the user default with any
	// password, as a ClickHouse without access control.
	Users map[string]string
	// Settings are ClickHouse settings applied to every statement unless the
	// request sets them.
	Settings map[string]string
}

func (c Config) withDefaults() Config {
	setDefault(&c.Connections, 8)
	setDefault(&c.SessionsMax, 64)
	setDefault(&c.MaxBodyBytes, 4<<30)
	setDefault(&c.MaxQueryBytes, 16<<20)
	setDefault(&c.DrainTimeout, 10*time.Second)
	return c
}

func setDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// engineArgs are the command-line options libchdb boots with.
func (c Config) engineArgs() []string {
	if c.MaxServerMemoryBytes <= 0 {
		return nil
	}
	return []string{fmt.Sprintf("--max_server_memory_usage=%d", c.MaxServerMemoryBytes)}
}

// baseline are the settings of a connection before a request's own.
func (c Config) baseline() map[string]string {
	s := map[string]string{
		// libchdb turns it on; a ClickHouse server has it off.
		"implicit_select": "0",
		// Text is the one form of JSON columns that needs no transcoding.
		"output_format_native_write_json_as_string": "1",
	}
	maps.Copy(s, c.Settings)
	return s
}
