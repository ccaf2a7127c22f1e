package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// benchDirPattern names the directories of measurements within the temporary one.
const benchDirPattern = "partnerpulse-bench-*"

// benchOwner is a file in such a directory on which every process that writes there has
// a shared lock; the system lets go of it whatever ends the process.
const benchOwner = "owner"

// benchDir is a directory for the data of a measurement.
type benchDir struct {
	path  string
	owner *os.File
}

// newBenchDir makes one, and removes those that measurements left behind that were
// killed.
func newBenchDir() (*benchDir, error) {
	if err := sweepBenchDirs(); err != nil {
		return nil, err
	}
	path, err := os.MkdirTemp("", benchDirPattern)
	if err != nil {
		return nil, fmt.Errorf("making a directory for the engines: %w", err)
	}
	d := &benchDir{path: path}
	if err := d.lock(); err != nil {
		return nil, errors.Join(fmt.Errorf("making a directory for the engines: %w", err), d.remove())
	}
	return d, nil
}

// lock makes the owner's file, which gets its name only when it is locked.
func (d *benchDir) lock() (err error) {
	name := filepath.Join(d.path, benchOwner)
	if d.owner, err = os.Create(name + ".new"); err != nil {
		return err
	}
	if err := syscall.Flock(int(d.owner.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// holdBenchDir keeps a directory from being removed while this process works below it,
// until release is called. An engine can outlive the measurement that was killed.
func holdBenchDir(path string) (release func() error, err error) {
	f, err := os.Open(filepath.Join(path, benchOwner))
	if err != nil {
		return nil, fmt.Errorf("holding the directory of the measurement: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("holding the directory of the measurement: %w", err), f.Close())
	}
	return f.Close, nil
}

// remove removes the directory with everything in it.
func (d *benchDir) remove() error {
	err := os.RemoveAll(d.path)
	if d.owner != nil {
		err = errors.Join(err, d.owner.Close())
	}
	return err
}

// sweepBenchDirs removes directories that no process holds.
func sweepBenchDirs() error {
	owners, err := filepath.Glob(filepath.Join(os.TempDir(), benchDirPattern, benchOwner))
	if err != nil {
		return fmt.Errorf("looking for directories left behind: %w", err)
	}
	for _, name := range owners {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			continue // of another user, or just removed
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			err = os.RemoveAll(filepath.Dir(name))
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("removing a directory left behind: %w", err)
		}
	}
	return nil
}
