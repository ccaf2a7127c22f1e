package simulate

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

const (
	progressEvery    = 250 * time.Millisecond
	ticksPerSave     = 4
	progressLineStep = 5 * time.Second
)

// Progress of a backfill.
type Progress struct {
	Done     float64   // share of the history that is answered, 0–1
	At       time.Time // instant of the history that is reached
	Acked    int64     // events
	Rejected int64     // events
	Finished bool
}

// watch reports progress and checkpoints until the returned function is called,
// which waits for the last ones. A failing checkpoint ends the watch and is its
// result: a run that cannot resume must say so.
func (s *Simulator) watch(ctx context.Context, from, through time.Time) (stop func() error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	failed := make(chan error, 1)
	go func() {
		ticker := time.NewTicker(progressEvery)
		defer ticker.Stop()
		for n := 1; ; n++ {
			select {
			case <-ticker.C:
				s.tell(from, through, false)
				if n%ticksPerSave != 0 {
					continue
				}
				if err := s.save(); err != nil {
					failed <- err
					return
				}
			case <-ctx.Done():
				s.tell(from, through, true)
				failed <- s.save()
				return
			}
		}
	}()
	return func() error {
		cancel()
		return <-failed
	}
}

func (s *Simulator) tell(from, through time.Time, finished bool) {
	if s.deps.Progress == nil || !through.After(from) {
		return
	}
	r := s.sender.tally.report()
	s.deps.Progress(Progress{
		Done: min(1, max(0, float64(r.Through.Sub(from))/float64(through.Sub(from)))), At: r.Through,
		Acked: r.Acked, Rejected: r.Rejected, Finished: finished,
	})
}

func (s *Simulator) save() error {
	// Without a plan being followed there is nothing to resume.
	if s.deps.Checkpoint == nil || !s.cfg.Backfill && !s.cfg.Live {
		return nil
	}
	if err := s.deps.Checkpoint(stateOf(s.world.Config(), s.sender.tally.report().Through)); err != nil {
		return fmt.Errorf("saving the state of the simulation: %w", err)
	}
	return nil
}

// NewProgressPrinter shows the progress of a backfill on w: as a bar on a terminal,
// else as a plain line every few seconds. One printer is for one run.
func NewProgressPrinter(w io.Writer, terminal bool) func(Progress) {
	if terminal {
		return barPrinter(w)
	}
	var next time.Time
	return func(p Progress) {
		now := time.Now()
		if !p.Finished && now.Before(next) {
			return
		}
		next = now.Add(progressLineStep)
		// A progress line that cannot be written is not worth stopping for.
		_, _ = fmt.Fprintf(w, "history %3.0f %%: %s, %d events accepted\n", 100*p.Done, p.At.Format("2006-01-02"), p.Acked)
	}
}

func barPrinter(w io.Writer) func(Progress) {
	const steps = 1000
	bar := progressbar.NewOptions(steps, progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(30),
		progressbar.OptionSetElapsedTime(true), progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond))
	return func(p Progress) {
		// Errors of drawing are not worth stopping for.
		bar.Describe(fmt.Sprintf("history %s, %d events", p.At.Format("2006-01-02"), p.Acked))
		_ = bar.Set(int(steps * p.Done))
		if p.Finished {
			_, _ = fmt.Fprintln(w)
		}
	}
}

// IsTerminal tells whether f is an interactive terminal (a character device).
func IsTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}
