package spool

import (
	"errors"
	"time"
)

// Config says where the spool is and how much it may hold.
type Config struct {
	// Dir is the directory; one process at a time may use it.
	Dir string `yaml:"dir"`
	// BytesMax bounds the files; an append that would pass it fails with ErrFull.
	BytesMax int64 `yaml:"bytes_max"`
	// BytesSoft is where Ready fails, below BytesMax; 0 is four fifths of it.
	BytesSoft int64 `yaml:"bytes_soft"`
	// SegmentBytes is the size at which the next file begins. A file can exceed it by
	// one append. Twice as much memory is used while delivering.
	SegmentBytes int64 `yaml:"segment_bytes"`
	// BatchRecordsMax and BatchBytesMax bound what is delivered at once; one record
	// always is. A batch shall fit one request to one partition, so that no part of
	// it can overtake another when one fails.
	BatchRecordsMax int   `yaml:"batch_records_max"`
	BatchBytesMax   int64 `yaml:"batch_bytes_max"`
	// PauseMin and PauseMax bound the pause after a failed delivery, which doubles.
	PauseMin time.Duration `yaml:"pause_min"`
	PauseMax time.Duration `yaml:"pause_max"`
}

// DefaultConfig gives the defaults, without a directory.
func DefaultConfig() Config {
	return Config{
		BytesMax: 1 << 30, SegmentBytes: 8 << 20, BatchRecordsMax: 5000, BatchBytesMax: 512 << 10,
		PauseMin: 50 * time.Millisecond, PauseMax: 2 * time.Second,
	}
}

// soft is the size at which Ready fails.
func (c *Config) soft() int64 {
	if c.BytesSoft > 0 {
		return c.BytesSoft
	}
	return c.BytesMax / 5 * 4
}

// Validate checks the values.
func (c *Config) Validate() error {
	switch {
	case c.SegmentBytes <= 0 || c.BytesMax < c.SegmentBytes:
		return errors.New("segment_bytes must be positive and bytes_max not below it")
	case c.BytesSoft < 0 || c.BytesSoft >= c.BytesMax:
		return errors.New("bytes_soft must be below bytes_max; 0 takes four fifths of it")
	case c.BatchRecordsMax <= 0 || c.BatchBytesMax <= 0:
		return errors.New("batch_records_max and batch_bytes_max must be positive")
	case c.PauseMin <= 0 || c.PauseMax < c.PauseMin:
		return errors.New("pause_min must be positive and pause_max not below it")
	}
	return nil
}
