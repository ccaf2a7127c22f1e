// Command tabulate computes the table of the bank's run lengths (go generate in
// internal/detect): one line per row of the grid, the logarithms in hundredths.
package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"runtime"

	"golang.org/x/sync/errgroup"

	"partnerpulse/internal/detect"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "tabulate:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("need the name of the file to write")
	}
	rows := make([][]float64, detect.GridRows)
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for row := range rows {
		g.Go(func() error {
			rows[row] = detect.GridRow(row)
			fmt.Fprint(os.Stderr, ".")
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	var b bytes.Buffer
	for _, row := range rows {
		for i, v := range row {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, "%.0f", math.Round(min(v, 30)*100))
		}
		b.WriteByte('\n')
	}
	if err := os.WriteFile(os.Args[1], b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	return nil
}
