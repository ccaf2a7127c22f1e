package spool

import (
	"bytes"
	"context"
	"testing"
)

// BenchmarkAppend is one 600-byte record an append from 64 callers, each fsynced.
func BenchmarkAppend(b *testing.B) {
	cfg := testConfig(b.TempDir())
	cfg.BytesMax = 64 << 30
	s, err := Open(cfg, nopLog, nopRegistry())
	if err != nil {
		b.Fatal(err)
	}
	r := Record{Topic: "engagement.events.v1", Key: []byte("acme/p-0001"), Value: bytes.Repeat([]byte("x"), 600)}
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := s.Append(context.Background(), r); err != nil {
				b.Error(err)
				return
			}
		}
	})
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
