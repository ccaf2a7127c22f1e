package bench

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// dayStates is how many different partners the million is made of.
const dayStates = 20_000

// oneDay steps many partners through one day as the aggregator does: decode the
// state, step, encode.
func (b *detectorBench) oneDay(ctx context.Context) (DayFigures, error) {
	s := &simulated{Days: 120, Dispersion: 8, Weekdays: business, First: firstMonday}
	for p := range dayStates {
		s.Rates = append(s.Rates, .05*math.Pow(400, float64(p)/dayStates))
	}
	s.fill(b.cfg.Seed)
	inputs := s.context(b.tenant)
	states := make([][]byte, dayStates)
	var failed atomic.Pointer[error]
	err := eachPartner(ctx, dayStates, func(p int) {
		state := s.start(b.detector)
		for day := range s.Days - 1 {
			in := inputs[day]
			in.Sessions = int(s.counts[p][day])
			state, _ = b.detector.Step(state, in)
		}
		encoded, err := state.Encode()
		if err != nil {
			failed.Store(&err)
		}
		states[p] = encoded
	})
	if e := failed.Load(); e != nil {
		err = *e
	}
	if err != nil {
		return DayFigures{}, err
	}
	f := DayFigures{Partners: b.cfg.Million}
	for _, state := range states {
		f.StateBytes += float64(len(state)) / dayStates
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu := processCPU()
	begin := time.Now()
	workers := runtime.GOMAXPROCS(0)
	var g errgroup.Group
	last := inputs[s.Days-1]
	for w := range workers {
		g.Go(func() error {
			for i := w; i < b.cfg.Million; i += workers {
				p := i % dayStates
				state, err := b.detector.Resume(states[p])
				if err != nil {
					return fmt.Errorf("resuming: %w", err)
				}
				in := last
				in.Sessions = int(s.counts[p][s.Days-1])
				state, _ = b.detector.Step(state, in)
				if _, err := state.Encode(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return DayFigures{}, err
	}
	f.Seconds = math.Round(time.Since(begin).Seconds()*100) / 100
	f.CPUSeconds = math.Round((processCPU()-cpu).Seconds()*100) / 100
	runtime.ReadMemStats(&after)
	f.AllocatedBytes = math.Round(float64(after.TotalAlloc-before.TotalAlloc) / float64(b.cfg.Million))
	f.HeapMiB = math.Round(float64(after.HeapSys) / (1 << 20))
	f.StateBytes = math.Round(f.StateBytes)
	return f, nil
}
