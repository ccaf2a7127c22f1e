package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestBenchDirs: a directory whose process was killed goes with the next measurement,
// one that is in use stays, and so does what is not ours.
func TestBenchDirs(t *testing.T) {
	scratch := t.TempDir()
	t.Setenv("TMPDIR", scratch)
	used, err := newBenchDir()
	if err != nil {
		t.Fatal(err)
	}
	left, err := newBenchDir()
	if err != nil {
		t.Fatal(err)
	}
	if err := left.owner.Close(); err != nil { // as the system does when a process ends
		t.Fatal(err)
	}
	other := filepath.Join(scratch, "partnerpulse-bench-mine")
	if err := os.Mkdir(other, 0o750); err != nil {
		t.Fatal(err)
	}
	engine, err := newBenchDir() // its measurement was killed, an engine goes on
	if err != nil {
		t.Fatal(err)
	}
	release, err := holdBenchDir(engine.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.owner.Close(); err != nil {
		t.Fatal(err)
	}
	next, err := newBenchDir()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{used.path: true, left.path: false, other: true, engine.path: true, next.path: true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v, want it there: %v", path, err, want)
		}
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if err := sweepBenchDirs(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(engine.path); !os.IsNotExist(err) {
		t.Errorf("%s: %v after its engine has ended", engine.path, err)
	}
	for _, d := range []*benchDir{used, next} {
		if err := d.remove(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(d.path); !os.IsNotExist(err) {
			t.Errorf("%s: %v after its removal", d.path, err)
		}
	}
}

// TestBenchProcesses runs measurements as users do, on one build of the program.
func TestBenchProcesses(t *testing.T) {
	dir := t.TempDir()
	program, scratch := filepath.Join(dir, "partnerpulse"), filepath.Join(dir, "tmp")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	if err := os.Mkdir(scratch, 0o750); err != nil {
		t.Fatal(err)
	}
	t.Run("leave nothing", func(t *testing.T) { benchLeavesNothing(t, program, scratch) })
	t.Run("e2e", func(t *testing.T) { benchE2E(t, program, scratch) })
}

// benchLeavesNothing: a measurement that is asked to end, by two signals at once as
// timeout(1) sends them, takes its processes and files with it; what a killed one
// leaves goes with the next one.
func benchLeavesNothing(t *testing.T, program, scratch string) {
	left := func() []os.DirEntry {
		entries, err := os.ReadDir(scratch)
		if err != nil {
			t.Fatal(err)
		}
		return entries
	}
	// end starts a measurement, waits until it measures, and signals it.
	end := func(signals ...os.Signal) {
		cmd := exec.Command(program, "bench", "collector", "--seconds", "0.2", "--rounds", "1000")
		cmd.Env = append(os.Environ(), "TMPDIR="+scratch)
		told, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		guard := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		defer guard.Stop()
		if _, err := bufio.NewReader(told).ReadString('\n'); err != nil {
			t.Fatalf("waiting for the measurement: %v", err)
		}
		if n := len(left()); n != 1 {
			t.Errorf("%d directories while measuring, want 1", n)
		}
		for _, s := range signals {
			if err := cmd.Process.Signal(s); err != nil {
				t.Error(err)
			}
		}
		_ = cmd.Wait() // it has been told to end; how it says so is not what this test is about
	}
	end(syscall.SIGTERM, syscall.SIGTERM)
	if got := left(); len(got) != 0 {
		t.Fatalf("left after SIGTERM: %v", got)
	}
	end(syscall.SIGKILL)
	if got := left(); len(got) != 1 {
		t.Fatalf("left after SIGKILL: %v; want one directory, or this test shows nothing", got)
	}
	orphans(t, filepath.Join(scratch, left()[0].Name(), benchOwner))
	end(syscall.SIGTERM)
	if got := left(); len(got) != 0 {
		t.Errorf("left after the next measurement: %v", got)
	}
}

// orphans waits until no process of a measurement that was killed is left.
func orphans(t *testing.T, owner string) {
	t.Helper()
	f, err := os.Open(owner)
	if err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil; time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Fatal("the engines of a killed measurement do not end")
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
