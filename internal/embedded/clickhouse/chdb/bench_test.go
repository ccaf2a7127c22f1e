package chdb

import (
	"testing"
)

// BenchmarkConn compares the ways to run SELECT 1 in the engine, without HTTP.
func BenchmarkConn(b *testing.B) {
	db, err := Open(libraryPath(b), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}()
	c, err := db.Connect()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("query", func(b *testing.B) {
		for b.Loop() {
			r, err := c.Query("SELECT 1", "TSV", nil)
			if err != nil {
				b.Fatal(err)
			}
			r.Close()
		}
	})
	b.Run("stream", func(b *testing.B) {
		for b.Loop() {
			s, err := c.Stream("SELECT 1", "TSV", nil)
			if err != nil {
				b.Fatal(err)
			}
			for r, err := s.Next(); r != nil; r, err = s.Next() {
				if err != nil {
					b.Fatal(err)
				}
				r.Close()
			}
			s.Close()
		}
	})
	b.Run("analyse", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.Analyse("SELECT 1"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("set", func(b *testing.B) {
		for b.Loop() {
			if err := c.Exec("SET max_threads = 2"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("connect", func(b *testing.B) {
		for b.Loop() {
			k, err := db.Connect()
			if err != nil {
				b.Fatal(err)
			}
			k.Close()
		}
	})
}
