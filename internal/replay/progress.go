package replay

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progressLineStep is how often a line is written where there is no terminal.
const progressLineStep = 5 * time.Second

// Progress of a replay, in rejects.
type Progress struct {
	Done, Total        int64
	Accepted, Rejected int64
	Finished           bool
}

func (s *sending) tell(finished bool) {
	if s.deps.Progress == nil {
		return
	}
	s.deps.Progress(Progress{
		Done: s.report.done(), Total: int64(s.total), Accepted: s.report.Accepted, Rejected: s.report.Rejected, Finished: finished,
	})
}

// NewProgressPrinter shows progress on w: as a bar on a terminal, else as a plain
// line every few seconds. One printer is for one run.
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
		_, _ = fmt.Fprintf(w, "replay: %d of %d rejects, %d accepted, %d rejected again\n", p.Done, p.Total, p.Accepted, p.Rejected)
	}
}

func barPrinter(w io.Writer) func(Progress) {
	const steps = 1000
	bar := progressbar.NewOptions(steps, progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(30),
		progressbar.OptionSetElapsedTime(true), progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond))
	return func(p Progress) {
		// Errors of drawing are not worth stopping for.
		bar.Describe(fmt.Sprintf("replay: %d accepted, %d rejected again", p.Accepted, p.Rejected))
		if p.Total > 0 {
			_ = bar.Set(int(min(steps, steps*p.Done/p.Total)))
		}
		if p.Finished {
			_, _ = fmt.Fprintln(w)
		}
	}
}
