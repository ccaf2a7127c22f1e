package kafkabus

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go/protocol"
)

// TestRecordBatchesAreKafkas: kafka-go's decoder, which checks lengths and CRC, reads the
// same records, nulls included.
func TestRecordBatchesAreKafkas(t *testing.T) {
	e, err := newBatchEncoder()
	if err != nil {
		t.Fatal(err)
	}
	type record struct{ Key, Value []byte }
	noise := make([]byte, 1<<14)
	if _, err := rand.NewChaCha8([32]byte{}).Read(noise); err != nil {
		t.Fatal(err)
	}
	// Not byte by byte through reflection, which takes seconds; nil is not empty.
	whole := cmp.Comparer(func(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) })
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 1))
		part := func() []byte {
			switch size := random.IntN(5); size {
			case 0:
				return nil
			case 1:
				return []byte{}
			default: // up to 16 KiB, so that lengths of one, two and three bytes occur
				return noise[:random.IntN(1<<(3*size+2))]
			}
		}
		var records []queued
		var want []record
		for range 1 + random.IntN(100) {
			r := record{Key: part(), Value: part()}
			want, records = append(want, r), append(records, queued{key: r.Key, value: r.Value})
		}
		const at = 1_795_000_000_123
		before := []byte("before")
		body := e.append(before, records, at)[len(before):]

		var set protocol.RecordSet
		if n, err := set.ReadFrom(bytes.NewReader(body)); err != nil || n != int64(len(body)) {
			t.Fatalf("read %d of %d bytes: %v", n, len(body), err)
		}
		if set.Version != 2 || set.Attributes.Compression() != 4 {
			t.Fatalf("version %d, attributes %v", set.Version, set.Attributes)
		}
		var got []record
		for {
			r, err := set.Records.ReadRecord()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("reading record %d: %v", len(got), err)
			}
			if r.Offset != int64(len(got)) || r.Time.UnixMilli() != at {
				t.Fatalf("record %d has offset %d and time %v", len(got), r.Offset, r.Time)
			}
			key, kerr := protocol.ReadAll(r.Key)
			value, verr := protocol.ReadAll(r.Value)
			if kerr != nil || verr != nil {
				t.Fatalf("reading record %d: %v, %v", len(got), kerr, verr)
			}
			got = append(got, record{Key: key, Value: value})
		}
		if diff := cmp.Diff(want, got, whole); diff != "" {
			t.Fatal(diff)
		}
	}
}
