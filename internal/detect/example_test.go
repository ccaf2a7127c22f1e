package detect_test

import (
	"fmt"

	"partnerpulse/internal/detect"
)

// A partner came twice a day for two months and then no more.
func ExampleDetector_Run() {
	d, err := detect.New(detect.DefaultConfig())
	if err != nil {
		fmt.Println(err)
		return
	}
	counts := make([]int, 70)
	for i := range 60 {
		counts[i] = 2
	}
	var start detect.Day
	if err := start.UnmarshalText([]byte("2026-06-01")); err != nil {
		fmt.Println(err)
		return
	}
	_, observations := d.Run(d.Start(start), detect.Inputs(counts, nil))
	for _, o := range observations {
		for _, tr := range o.Transitions {
			if tr.Status.Published() {
				fmt.Printf("%v: %s %s since %v, %.1f of at least %.1f\n",
					tr.Day, tr.Rule, tr.Status, tr.ChangeDay, tr.Statistic, tr.Threshold)
			}
		}
	}
	// Output: 2026-08-04: ghosting firing since 2026-07-31, 8.6 of at least 7.5
}
