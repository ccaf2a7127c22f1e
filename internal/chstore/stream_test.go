package chstore_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/config"
	"partnerpulse/internal/embedded/enginetest"
)

// count gives the rows and the active parts of a table.
func count(t *testing.T, s *chstore.Store, table string) (rows, parts uint64) {
	t.Helper()
	var got []struct {
		Rows  uint64 `ch:"r"`
		Parts uint64 `ch:"p"`
	}
	if err := s.Select(t.Context(), &got, "SELECT count() AS r, uniqExact(_part) AS p FROM "+table, nil); err != nil {
		t.Fatal(err)
	}
	return got[0].Rows, got[0].Parts
}

// TestStreamedRowsAreThoseOfTheDriver: blocks with other columns left out each, in every
// compression, are the rows that single inserts by the driver store, and one part.
func TestStreamedRowsAreThoseOfTheDriver(t *testing.T) {
	for _, compression := range []string{"none", "lz4", "zstd"} {
		t.Run(compression, func(t *testing.T) {
			s := open(t, func(c *chstore.Config) { c.Compression = compression })
			if _, err := s.Migrate(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			for _, table := range []string{"driver", "stream"} {
				if err := s.Exec(t.Context(), "CREATE TABLE "+table+" "+kinds, nil); err != nil {
					t.Fatal(err)
				}
			}
			in, err := s.StartInsert(t.Context(), "stream")
			if err != nil {
				t.Fatal(err)
			}
			defer in.Abort()
			drawn := rapid.Custom(drawColumns)
			rows := uint64(0)
			for seed := range 12 {
				cols := drawn.Example(seed)
				ids := cols[0].Values.([]uint64)
				for i := range ids {
					ids[i] = rows
					rows++
				}
				left := slices.Delete(slices.Clone(cols), 1+seed%10, 3+seed%10)
				if err := s.InsertByDriver(t.Context(), "driver", left); err != nil {
					t.Fatal(err)
				}
				if err := in.Append(asTexts(left)); err != nil {
					t.Fatal(err)
				}
			}
			if err := in.Append(nil); err != nil {
				t.Errorf("no rows: %v", err)
			}
			if n, _ := count(t, s, "stream"); n != 0 {
				t.Errorf("%d rows before Close", n)
			}
			if err := in.Close(); err != nil {
				t.Fatal(err)
			}
			if n, parts := count(t, s, "stream"); n != rows || parts != 1 {
				t.Errorf("%d rows in %d parts, want %d in one", n, parts, rows)
			}
			if digest(t, s, "driver") != digest(t, s, "stream") {
				t.Error("rows differ from the driver's")
			}
			if err := in.Append(drawn.Example(0)); err == nil {
				t.Error("rows were taken after the end")
			}
			if err := in.Close(); err == nil {
				t.Error("it could be ended twice")
			}
		})
	}
}

// many gives so many rows for the table of create, each with a name of so many bytes.
func many(rows, nameBytes int) []chstore.Column {
	all := make([]row, rows)
	for i := range all {
		all[i] = row{N: uint64(i), Name: strings.Repeat("x", nameBytes), At: time.Now(), Tags: []string{}}
	}
	return columns(all)
}

// TestAFailedStreamTellsWhoIsAtFault, and leaves the store working and its table as if
// nothing had happened.
func TestAFailedStreamTellsWhoIsAtFault(t *testing.T) {
	s := open(t)
	create(t, s)
	for name, c := range map[string]struct {
		second    []chstore.Column
		retryable bool
	}{
		"for the driver to encode": {[]chstore.Column{{Name: "n", Values: []string{"x"}}}, true},
		"of different length":      {[]chstore.Column{{Name: "n", Values: []uint64{1, 2}}, {Name: "name", Values: []string{"x"}}}, false},
		"refused by ClickHouse":    {many(3, 30), false},
		"a column is not there":    {[]chstore.Column{{Name: "nope", Values: []uint64{1}}}, true},
		"refused after megabytes":  {many(200_000, 30), false},
	} {
		in, err := s.StartInsert(t.Context(), "t")
		if err != nil {
			t.Fatal(err)
		}
		if err = in.Append(many(10, 5)); err == nil {
			if err = in.Append(c.second); err == nil {
				err = in.Close()
			}
		}
		if err == nil || chstore.IsRetryable(err) != c.retryable {
			t.Errorf("%s: %v", name, err)
		}
		if again := in.Close(); !errors.Is(again, err) {
			t.Errorf("%s: then %v", name, again)
		}
		in.Abort()
		if n, _ := count(t, s, "t"); n != 0 {
			t.Errorf("%s: %d rows are stored", name, n)
		}
	}
	if _, err := s.StartInsert(t.Context(), "missing"); err == nil || !chstore.IsRetryable(err) {
		t.Errorf("a missing table is mended by an operator: %v", err)
	}
	if err := s.InsertColumns(t.Context(), "t", many(1, 5)); err != nil {
		t.Errorf("the store does not work after errors: %v", err)
	}
}

// TestAStreamThatIsGivenUpFails, whoever gives it up; what was sent may be stored.
func TestAStreamThatIsGivenUpFails(t *testing.T) {
	s := open(t)
	create(t, s)
	for name, give := range map[string]func(in *chstore.Insertion, cancel func()){
		"aborted":   func(in *chstore.Insertion, _ func()) { in.Abort() },
		"cancelled": func(_ *chstore.Insertion, cancel func()) { cancel() },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		in, err := s.StartInsert(ctx, "t")
		if err != nil {
			t.Fatal(err)
		}
		if err := in.Append(many(1000, 5)); err != nil {
			t.Fatal(err)
		}
		give(in, cancel)
		if err := in.Append(many(1000, 5)); name == "aborted" && err == nil {
			t.Errorf("%s: Append succeeded", name)
		}
		if err := in.Close(); err == nil {
			t.Errorf("%s: Close succeeded", name)
		}
		cancel()
	}
	if err := s.InsertColumns(t.Context(), "t", many(1, 5)); err != nil {
		t.Errorf("the store does not work after them: %v", err)
	}
}

// TestAStreamToAnAddressThatIsAwayFails and the next one goes to another.
func TestAStreamToAnAddressThatIsAwayFails(t *testing.T) {
	s := open(t, func(c *chstore.Config) { c.Addr = append([]string{"http://127.0.0.1:1"}, c.Addr...) })
	create(t, s)
	stream := func() error {
		in, err := s.StartInsert(t.Context(), "t")
		if err != nil {
			return err
		}
		defer in.Abort()
		if err := in.Append(many(200_000, 5)); err != nil {
			return err
		}
		return in.Close()
	}
	if err := stream(); err == nil || !chstore.IsRetryable(err) {
		t.Errorf("an unreachable server: %v", err)
	}
	if err := stream(); err != nil {
		t.Errorf("the other address: %v", err)
	}
}

// TestAnAnswerBeforeTheEndIsNone: a server, or a proxy, that says yes before it can have
// read all rows has not stored them.
func TestAnAnswerBeforeTheEndIsNone(t *testing.T) {
	var database string
	create(t, open(t, func(c *chstore.Config) { database = c.Database }))
	address := enginetest.ClickHouse(t)
	over := make(chan struct{})
	for name, handle := range map[string]http.HandlerFunc{
		"yes at once":          func(http.ResponseWriter, *http.Request) {},
		"yes after some bytes": func(_ http.ResponseWriter, r *http.Request) { _, _ = io.CopyN(io.Discard, r.Body, 100) },
		"breaks off": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.CopyN(io.Discard, r.Body, 100)
			panic(http.ErrAbortHandler)
		},
		"500 before the end": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) },
		"reads all, breaks off": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			panic(http.ErrAbortHandler)
		},
		"yes, and then an exception": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, "Code: 241. DB::Exception: Memory limit exceeded")
		},
		"yes, and an exception at the end": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "X-ClickHouse-Exception-Code")
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusOK)
			w.Header().Set("X-ClickHouse-Exception-Code", "241")
		},
		"never answers, bounded": func(http.ResponseWriter, *http.Request) { <-over },
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Query().Get("query"), "INSERT") {
					handle(w, r)
					return
				}
				r.URL.Scheme, r.URL.Host, r.RequestURI = "http", address, "" // the table's columns come from the real one
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close()
				for k, v := range resp.Header {
					w.Header()[k] = v
				}
				_, _ = io.Copy(w, resp.Body)
			}))
			defer server.Close()
			s := open(t, func(c *chstore.Config) {
				c.Addr, c.Database, c.QueryTimeout = config.List{server.URL}, database, 2*time.Second
			})
			in, err := s.StartInsert(t.Context(), "t")
			if err != nil {
				t.Fatal(err)
			}
			defer in.Abort()
			for range 100 {
				if err = in.Append(many(5000, 5)); err != nil {
					break
				}
			}
			if err == nil {
				err = in.Close()
			}
			if err == nil || !chstore.IsRetryable(err) {
				t.Errorf("error %v", err)
			}
			if strings.HasPrefix(name, "never") {
				close(over)
			}
		})
	}
}
