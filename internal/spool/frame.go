package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"
)

// Record is what is kept: a record for Kafka.
type Record struct {
	Topic string
	Key   []byte
	Value []byte // nil is a tombstone, which differs from empty
}

const (
	frameHeaderBytes = 12
	bodyFixedBytes   = 8 + 2 + 4 + 1
	// recordBytesMax bounds key and value together; more is a mistake of the caller.
	recordBytesMax = 64 << 20
)

// frameMagic begins each frame. None of its bytes can occur in UTF-8, so the text
// of events never looks like a frame while searching for the next one.
var frameMagic = [4]byte{0xff, 0xf7, 0xfe, 0xf9}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errNoFrame says that the bytes do not begin with a whole, undamaged frame.
var errNoFrame = errors.New("no frame")

// errRecordSize says that a record can never be kept.
var errRecordSize = errors.New("record is too large for the spool")

// appendFrame appends r, as of a time, to b. The checksum is left open: the segment
// is only known when the frame is written, see sealFrames.
func appendFrame(b []byte, r *Record, at time.Time) ([]byte, error) {
	if len(r.Topic) > math.MaxUint16 || len(r.Key)+len(r.Value) > recordBytesMax {
		return b, fmt.Errorf("%w: topic of %d, key of %d, value of %d bytes", errRecordSize, len(r.Topic), len(r.Key), len(r.Value))
	}
	body := bodyFixedBytes + len(r.Topic) + len(r.Key) + len(r.Value)
	b = append(b, frameMagic[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(body))
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(at.UnixMilli()))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(r.Topic)))
	b = append(b, r.Topic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(r.Key)))
	b = append(b, r.Key...)
	if r.Value == nil {
		return append(b, 0), nil
	}
	b = append(b, 1)
	return append(b, r.Value...), nil
}

// sealFrames writes the checksums into frames that appendFrame made.
func sealFrames(b []byte, start uint32) {
	for len(b) > 0 {
		n := frameHeaderBytes + int(binary.LittleEndian.Uint32(b[4:]))
		binary.LittleEndian.PutUint32(b[8:], checksum(b[:n], start))
		b = b[n:]
	}
}

// checksum covers a whole frame but magic and the checksum itself; start is the
// checksum of the segment's name.
func checksum(frame []byte, start uint32) uint32 {
	return crc32.Update(crc32.Update(start, castagnoli, frame[4:8]), castagnoli, frame[frameHeaderBytes:])
}

// frame is a record as read.
type frame struct {
	Record
	at    time.Time // of the append
	bytes int       // of the whole frame
}

// decodeFrame reads the frame at the beginning of b; the record shares b's memory.
// The only error is errNoFrame.
func decodeFrame(b []byte, start uint32) (frame, error) {
	if len(b) < frameHeaderBytes+bodyFixedBytes || !bytes.HasPrefix(b, frameMagic[:]) {
		return frame{}, errNoFrame
	}
	length := int64(binary.LittleEndian.Uint32(b[4:]))
	if length < bodyFixedBytes || length > int64(len(b)-frameHeaderBytes) {
		return frame{}, errNoFrame
	}
	b = b[:frameHeaderBytes+length]
	if checksum(b, start) != binary.LittleEndian.Uint32(b[8:]) {
		return frame{}, errNoFrame
	}
	f := frame{bytes: len(b)}
	body := b[frameHeaderBytes:]
	f.at = time.UnixMilli(int64(binary.LittleEndian.Uint64(body)))
	topic := int(binary.LittleEndian.Uint16(body[8:]))
	body = body[10:]
	if len(body) < topic+5 {
		return frame{}, errNoFrame
	}
	f.Topic, body = string(body[:topic]), body[topic:]
	key := int64(binary.LittleEndian.Uint32(body))
	body = body[4:]
	if int64(len(body)) < key+1 {
		return frame{}, errNoFrame
	}
	f.Key, body = body[:key:key], body[key:]
	switch {
	case body[0] == 1:
		f.Value = body[1:len(body):len(body)]
	case body[0] != 0 || len(body) > 1:
		return frame{}, errNoFrame
	}
	return f, nil
}

// nextFrame gives how many bytes of b stand before the next whole frame; ok tells
// whether there is one.
func nextFrame(b []byte, start uint32) (skip int, ok bool) {
	for at := 0; ; at++ {
		i := bytes.Index(b[at:], frameMagic[:])
		if i < 0 {
			return len(b), false
		}
		at += i
		if _, err := decodeFrame(b[at:], start); err == nil {
			return at, true
		}
	}
}
