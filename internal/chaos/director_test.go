package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// director carries out a plan and keeps everything else running. It works in one
// goroutine.
type director struct {
	c       *cluster
	offsets *offsets
	report  *report
	rng     *rand.Rand
	begin   time.Time
	todo    []todo
	spares  []*process // enrichers that come and go
	groups  int        // made so far for redelivery

	enough <-chan struct{} // once closed, steps that are still to come are dropped
}

// todo is something to do later.
type todo struct {
	at time.Time
	do func() error
}

func (d *director) later(after time.Duration, do func() error) {
	d.todo = append(d.todo, todo{time.Now().Add(after), do})
}

// rewindRecordsMax bounds how far back one partition of the group is set.
const rewindRecordsMax = 20_000

// run takes the steps as they come due, and returns when all are done and undone, or
// with the first error.
func (d *director) run(ctx context.Context, steps []step, progress func()) error {
	for len(steps) > 0 || len(d.todo) > 0 {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if over(d.enough) {
			steps = nil
		}
		if err := d.tend(); err != nil {
			return err
		}
		if len(steps) > 0 && time.Since(d.begin) >= steps[0].at {
			if err := d.take(ctx, steps[0]); err != nil {
				return fmt.Errorf("step %s of %s: %w", steps[0].act, steps[0].role, err)
			}
			d.report.Steps[string(steps[0].act)]++
			steps = steps[1:]
		}
		progress()
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// tend looks after the processes once.
func (d *director) tend() error {
	for i := 0; i < len(d.todo); i++ {
		if t := d.todo[i]; !time.Now().Before(t.at) {
			d.todo = slices.Delete(d.todo, i, i+1)
			if err := t.do(); err != nil {
				return err
			}
			i--
		}
	}
	for _, p := range append(d.c.processes(), d.spares...) {
		if ended, point := p.gone(); ended {
			if point == "" {
				return fmt.Errorf("%s ended by itself; its log ends with:\n%s", p.name, p.tail())
			}
			d.report.killed(p.role, point)
			d.again(p, 200*time.Millisecond, "")
		}
		if point, ok := p.froze(); ok {
			d.report.StoppedAt[point]++
			d.thaw(p, sessionTimeout+2*time.Second)
		}
		p.measure()
		if p.peakKiB > 0 {
			d.report.PeakMiB[p.role] = max(d.report.PeakMiB[p.role], int(p.peakKiB>>10))
		}
	}
	return nil
}

// again starts a process that has ended.
func (d *director) again(p *process, after time.Duration, spec string) {
	d.later(after, func() error {
		if p.running() {
			return nil
		}
		d.report.Starts++
		if p.role == "broker" {
			return d.c.broker.start()
		}
		if err := p.start(spec); err != nil || p.role != "store" {
			return err
		}
		return d.c.awaitStore()
	})
}

// thaw lets a stopped process go on after some time, unless it was killed meanwhile.
func (d *director) thaw(p *process, after time.Duration) {
	p.frozenAt = time.Now()
	cmd := p.cmd
	d.later(after, func() error {
		if p.cmd != cmd {
			return nil
		}
		p.frozenAt = time.Time{}
		p.armed = "" // it has struck
		return p.signal(syscall.SIGCONT)
	})
}

// pick gives the process that a step means, preferring one that runs; nil: none does.
func (d *director) pick(s step) *process {
	var of []*process
	for _, p := range d.c.processes() {
		if p.role == s.role {
			of = append(of, p)
		}
	}
	for i := range of {
		if p := of[(s.target+i)%len(of)]; p.running() && p.frozenAt.IsZero() {
			return p
		}
	}
	return nil
}

func (d *director) take(ctx context.Context, s step) error {
	switch s.act {
	case join, joinKilled, secondGroup:
		return d.spare(ctx, s)
	case rewind:
		return d.rewind(ctx)
	}
	p := d.pick(s)
	if p == nil { // it is down at this moment: a little later
		if s.role == "broker" && d.c.broker.process() == nil {
			return d.breakBroker(s)
		}
		d.later(time.Second, func() error { return d.take(ctx, s) })
		return nil
	}
	switch s.act {
	case freeze:
		if err := p.signal(syscall.SIGSTOP); err != nil {
			return err
		}
		d.report.Freezes[p.role]++
		d.thaw(p, s.lasts)
	case restart:
		if err := p.end(syscall.SIGTERM); err != nil {
			return err
		}
		d.again(p, s.lasts, "")
	case gentleTrap:
		if err := p.end(syscall.SIGTERM); err != nil {
			return err
		}
		d.again(p, s.lasts, s.spec)
	case kill, trap:
		if err := p.end(syscall.SIGKILL); err != nil {
			return err
		}
		d.report.killed(p.role, "")
		d.again(p, s.lasts, s.spec)
	}
	return nil
}

// breakBroker is for a broker whose process is not ours.
func (d *director) breakBroker(s step) error {
	if s.act == kill {
		if err := d.c.broker.kill(); err != nil {
			return err
		}
		d.report.killed("broker", "")
	}
	d.report.Starts++
	return d.c.broker.start()
}

// spare starts an enricher that leaves after some time.
func (d *director) spare(ctx context.Context, s step) error {
	name := "spare-" + strconv.Itoa(len(d.spares)%2)
	for _, p := range d.spares {
		if p.name == name && p.running() {
			d.later(time.Second, func() error { return d.spare(ctx, s) })
			return nil
		}
	}
	var sets []string
	if s.act == secondGroup {
		other := group + "-again-" + strconv.Itoa(d.groups)
		d.groups++
		from, err := d.offsets.ends(ctx)
		if err != nil { // the broker is being restarted
			d.later(time.Second, func() error { return d.spare(ctx, s) })
			return nil //nolint:nilerr // tried again
		}
		for p, end := range from {
			from[p] = d.rng.Int64N(end + 1)
		}
		if err := d.offsets.set(ctx, other, from); err != nil {
			d.later(time.Second, func() error { return d.spare(ctx, s) })
			return nil //nolint:nilerr // tried again
		}
		sets = []string{"enricher.group=" + other, "enricher.rejects.group=" + other + "-rejects"}
	}
	p := d.c.role("enricher", name, sets...)
	if err := p.start(""); err != nil {
		return err
	}
	d.report.Starts++
	d.spares = append(d.spares, p)
	d.later(s.lasts, func() error {
		if s.act == join {
			return p.end(syscall.SIGTERM)
		}
		if err := p.end(syscall.SIGKILL); err != nil {
			return err
		}
		d.report.killed(p.role, "")
		return nil
	})
	return nil
}

// rewind stops the whole group in good order, sets it back, and starts it again.
func (d *director) rewind(ctx context.Context) error {
	if b := d.c.broker.process(); b != nil && !b.running() { // whose restart is still to come
		d.later(time.Second, func() error { return d.rewind(ctx) })
		return nil
	}
	d.offsets.mu.Lock()
	defer d.offsets.mu.Unlock()
	for _, p := range d.c.enrichers {
		if err := p.end(syscall.SIGTERM); err != nil {
			return err
		}
	}
	// A member that was killed counts until its session ends; a spare must not be there.
	for _, p := range d.spares {
		if p.running() {
			d.later(2*time.Second, func() error { return d.rewind(ctx) })
			return d.startGroup()
		}
	}
	err := awaitErr(30*time.Second, func() error {
		if b := d.c.broker.process(); b != nil && !b.frozenAt.IsZero() {
			if err := b.signal(syscall.SIGCONT); err != nil {
				return errFatal{err}
			}
		}
		again, err := d.offsets.rewind(ctx, d.rng, group, rewindRecordsMax)
		d.report.Rewound += again
		return err
	})
	return errors.Join(err, d.startGroup())
}

func (d *director) startGroup() error {
	for _, p := range d.c.enrichers {
		if p.running() {
			continue
		}
		d.report.Starts++
		if err := p.start(""); err != nil {
			return err
		}
	}
	return nil
}

// topUp kills at random until the report has enough: a trap that was not met in time,
// because the load was over or its process died of something else, is made up for.
func (d *director) topUp(ctx context.Context, kills int) error {
	d.enough = nil
	for i := 0; d.report.Kills < kills; i++ {
		s := step{act: kill, role: []string{"aggregator", "enricher", "store", "collector"}[i%4], target: i, lasts: 100 * time.Millisecond}
		if err := d.run(ctx, []step{s}, func() {}); err != nil {
			return err
		}
	}
	return nil
}

// generations counts those that the group has gone through, by the enrichers' logs.
func (d *director) generations() int64 {
	seen := map[string]bool{}
	for _, p := range append(slices.Clone(d.c.enrichers), d.spares...) {
		b, err := os.ReadFile(p.log())
		if err != nil {
			continue
		}
		for _, m := range joined.FindAllSubmatch(b, -1) {
			seen[string(m[1])] = true
		}
	}
	return int64(len(seen))
}

var joined = regexp.MustCompile(`joined the consumer group\s+\{"group": "` + group + `", "generation": (\d+)`)

// calm ends all faults: everything runs, nothing is armed or frozen.
func (d *director) calm() error {
	for _, p := range append(d.c.processes(), d.spares...) {
		if p.running() && !p.frozenAt.IsZero() {
			p.frozenAt = time.Time{}
			if err := p.signal(syscall.SIGCONT); err != nil {
				return err
			}
		}
	}
	for _, p := range d.c.processes() {
		if !p.running() || p.armed == "" {
			continue
		}
		if err := p.end(syscall.SIGTERM); err != nil {
			return err
		}
		if m := struckAt.FindSubmatch(p.recent()); m != nil {
			d.report.killed(p.role, string(m[1]))
		}
		d.again(p, 0, "")
	}
	for len(d.todo) > 0 {
		if err := d.tend(); err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}
