// Command tabulate computes the tables of the bank's run lengths (go generate in
// internal/detect): one line per row of the grid, logarithms in hundredths. It takes
// some minutes.
package main

import (
	"bytes"
	"errors"
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
	if len(os.Args) != 3 {
		return errors.New("need the names of the two files to write")
	}
	if err := write(os.Args[2], detect.GridWeekRows, detect.GridWeekRow); err != nil {
		return err
	}
	return write(os.Args[1], detect.GridRows, detect.GridRow)
}

func write(name string, n int, compute func(row int) []float64) error {
	rows := make([][]float64, n)
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for row := range rows {
		g.Go(func() error {
			rows[row] = compute(row)
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
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("writing a table: %w", err)
	}
	return nil
}
