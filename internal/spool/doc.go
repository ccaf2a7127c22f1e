// Package spool keeps records on disk while Kafka does not take them: bounded,
// fsynced, checksummed, and given back in the order in which they came.
//
// # Promises
//
// A record whose Append returned nil is on disk and is delivered at least once,
// also after kill -9 or a power failure. Records are delivered in the order of
// their appends. After a restart the delivery begins again at the first record of
// the oldest file, so what of that file was delivered before comes twice.
//
// # Files
//
// A directory holds segments, SEQUENCE-SEED.spool, both 16 hexadecimal digits.
// A segment is frames and nothing else; it is deleted when all of it is delivered.
// No process ever appends to a segment of an earlier one: what a crash leaves
// stays as it is. A frame, little endian:
//
//	magic    4 bytes, none of which occurs in UTF-8
//	length   uint32, of the body
//	checksum uint32, CRC-32C of seed, sequence, length and body
//	body     int64 unix ms of the append, uint16 length and bytes of the topic,
//	         uint32 length and bytes of the key, a byte (1: a value follows,
//	         0: none), the value
//
// The seed is random, so that no sender of events can write a frame into an event.
// Bytes that are no frame are skipped up to the next one: at the end of a segment
// they are the torn write of a crash, which nobody was told is durable; between
// frames they are damage, which is counted, and the file is kept as *.damaged.
//
// # Why no library
//
// Measured or read, November 2026. tidwall/wal 1.2.1 has no checksum (a flipped
// bit is read as data) and does not open a log with a torn tail ("log corrupt").
// hashicorp/raft-wal 0.4.0 (2023) checks only the last batch, at recovery, never
// on read, as its README says, keeps its state in bbolt and speaks raft entries.
// rosedblabs/wal could not be had from the module proxy. Prometheus' wlog is well
// kept but brings all of Prometheus as a module. None deletes by delivery, bounds
// its size, or shares one fsync among concurrent appends the way this needs.
package spool
