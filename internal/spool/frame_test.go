package spool

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

var (
	fixedTime = time.UnixMilli(1_790_000_000_123)
	nopLog    = zap.NewNop()
)

func nopRegistry() *prometheus.Registry { return prometheus.NewRegistry() }

func TestRecordsThatCannotBeKeptAreRefused(t *testing.T) {
	s := mustOpen(t, testConfig(t.TempDir()))
	err := s.Append(t.Context(), Record{Topic: strings.Repeat("t", 1<<16)})
	if !errors.Is(err, errRecordSize) {
		t.Errorf("got %v", err)
	}
	mustClose(t, s)
}

// FuzzDecodeFrame: whatever the bytes, nothing breaks, and what is taken as a
// frame is exactly what encoding gives.
func FuzzDecodeFrame(f *testing.F) {
	for _, r := range []Record{{}, {Topic: "t", Key: []byte("k"), Value: []byte("v")}, {Topic: "t", Value: []byte{}}} {
		b, err := appendFrame(nil, &r, fixedTime)
		if err != nil {
			f.Fatal(err)
		}
		sealFrames(b, 7)
		f.Add(b, uint32(7))
		f.Add(b[:len(b)-1], uint32(7))
		f.Add(append([]byte("torn"), b...), uint32(7))
	}
	f.Fuzz(func(t *testing.T, b []byte, start uint32) {
		skip, ok := nextFrame(b, start)
		if skip > len(b) || ok != (skip < len(b)) {
			t.Fatalf("skip %d of %d, %v", skip, len(b), ok)
		}
		for len(b) > 0 {
			fr, err := decodeFrame(b, start)
			if err != nil {
				b = b[1:]
				continue
			}
			again, err := appendFrame(nil, &fr.Record, fr.at)
			if err != nil {
				t.Fatal(err)
			}
			sealFrames(again, start)
			if !bytes.Equal(again, b[:fr.bytes]) {
				t.Fatalf("frame %x decodes to %+v and encodes to %x", b[:fr.bytes], fr, again)
			}
			b = b[fr.bytes:]
		}
	})
}

// FuzzRoundTrip puts any record between any bytes and finds it again.
func FuzzRoundTrip(f *testing.F) {
	f.Add("topic", []byte("key"), []byte("value"), []byte("before"), uint32(1))
	f.Add("", []byte(nil), []byte(nil), frameMagic[:], uint32(0))
	f.Fuzz(func(t *testing.T, topic string, key, value, before []byte, start uint32) {
		if len(topic) > 1000 {
			return
		}
		want := Record{Topic: topic, Key: append([]byte{}, key...), Value: value}
		b, err := appendFrame(bytes.Clone(before), &want, fixedTime)
		if err != nil {
			t.Fatal(err)
		}
		sealFrames(b[len(before):], start)
		for at := 0; ; {
			skip, ok := nextFrame(b[at:], start)
			if !ok {
				t.Fatal("the frame was not found")
			}
			at += skip
			fr, err := decodeFrame(b[at:], start)
			if err != nil {
				t.Fatal(err)
			}
			if at == len(before) {
				if d := cmp.Diff(want, fr.Record); d != "" || !fr.at.Equal(fixedTime) {
					t.Fatalf("came back otherwise, as of %v:\n%s", fr.at, d)
				}
				return
			}
			at += fr.bytes // the bytes before hold a frame themselves
		}
	})
}
