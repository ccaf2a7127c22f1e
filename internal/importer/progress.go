package importer

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progressLineStep is how often a line is written where there is no terminal.
const progressLineStep = 5 * time.Second

// NewProgressPrinter shows progress on w: as a bar on a terminal, else as a plain
// line every few seconds. One printer is for one run.
func NewProgressPrinter(w io.Writer, terminal bool) func(Progress) {
	if terminal {
		bar := progressbar.NewOptions(-1, progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(30),
			progressbar.OptionSetDescription("import"), progressbar.OptionShowCount(), progressbar.OptionThrottle(100*time.Millisecond))
		return func(p Progress) {
			// Errors of drawing are not worth stopping for.
			bar.ChangeMax(max(p.Total, 1))
			_ = bar.Set(p.Done)
			if p.Finished {
				_, _ = fmt.Fprintln(w)
			}
		}
	}
	var next time.Time
	return func(p Progress) {
		now := time.Now()
		if !p.Finished && now.Before(next) {
			return
		}
		next = now.Add(progressLineStep)
		_, _ = fmt.Fprintf(w, "import: %d of %d rows\n", p.Done, p.Total)
	}
}
