package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/drover-vm/drover/fleet"
	"github.com/drover-vm/drover/launcher/probe"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
	"github.com/drover-vm/drover/migration/scenarios"
)

// job is one scenario on one target.
type job struct {
	scenario migration.Scenario
	options  migration.Options
}

// isLinux says that the scenario's guest is Linux.
func (j job) isLinux() bool { return j.scenario.Guest.Linux != nil }

func (j job) name() string { return j.options.Arch + "/" + j.scenario.Name }

// nameWidth is the length of the longest name.
func nameWidth(jobs []job) (width int) {
	for _, j := range jobs {
		width = max(width, len(j.name()))
	}
	return width
}

// namesOf are the names of jobs, as often as they are run; none where nobody knows how often.
func namesOf(jobs []job, count int) (names []string) {
	const most = 100_000
	for range count {
		for _, j := range jobs {
			if len(names) < most {
				names = append(names, j.name())
			}
		}
	}
	return names
}

func (f *runFlags) run(ctx context.Context, _ []string, stdin *os.File, stdout, stderr io.Writer) int {
	flags := *f
	jobs, err := flags.jobs(stdin)
	if err != nil {
		return complain(stderr, err)
	}
	if jobs, err = flags.onQEMUs(ctx, jobs); err != nil {
		status := complain(stderr, err)
		if flags.bisect && ctx.Err() == nil {
			return exitUntried
		}
		return status
	}
	last, failed := flags.lastRun(stderr)
	var often *rates
	if flags.repeats.repeated() {
		often = &rates{}
	}
	var show display
	switch {
	case flags.json:
		show = &jsonDisplay{out: stdout, rates: often, last: last}
	default:
		text := newTextDisplay(stdout, flags.verbose, nameWidth(jobs))
		if flags.times {
			text.times = &report.Times{}
		}
		if !flags.verbose {
			text.skips = &skips{}
		}
		text.rates, text.last = often, last
		text.took = openDurations()
		text.expect(outlookOf(namesOf(jobs, flags.repeats.count), flags.parallel.number(), text.took))
		text.pages = flags.pages.dir != "" && !flags.keep
		show = text
	}
	if flags.parallel.number() > 1 {
		aloneLast(jobs)
	}
	known := new(probe.Known)
	for i := range jobs {
		jobs[i].options.Known = known
		if flags.hold {
			jobs[i].options.Hold = holder(stdin, stderr, show)
		}
	}
	pages, err := flags.pages.open(show, stdout, stderr, flags.ranOn)
	if err != nil {
		show.end(report.Sum{})
		return complain(stderr, err)
	}
	sum, err := runAll(ctx, newRounds(jobs, flags.repeats, failed), flags.parallel.number(), pages)
	if text, ok := show.(*textDisplay); ok && err == nil && flags.whole() {
		text.next = func(worst *record.Result) string {
			return nextStep(self(os.Args[0]), sum, olderVersion(ctx, known, jobs), worst)
		}
	}
	pages.end(sum)
	flags.keepLastRun(last, stderr)
	switch {
	case err != nil && ctx.Err() != nil:
		return interrupted(ctx, stderr, fmt.Sprintf("both VMs have been ended: %v", err))
	case err != nil:
		complain(stderr, err)
	}
	if flags.bisect {
		return bisectExit(sum, err)
	}
	return max(runExit(sum, err), pages.exit())
}

// ranOn divides a scenario's name into its own, and the QEMU that it says it is for.
func (f runFlags) ranOn(scenario string) (name, qemu string) {
	if qemu, name, ok := strings.Cut(scenario, "/"); ok && f.fleet {
		return name, qemu
	}
	return scenario, ""
}

// lastRun is where results are kept, nil where they can't be, and with --failed-first the
// scenarios that failed. A run doesn't depend on it.
func (f runFlags) lastRun(stderr io.Writer) (last *lastRun, failed map[string]bool) {
	last, err := openLastRun()
	if err == nil && f.repeats.failedFirst {
		failed, err = last.failed()
	}
	if err != nil && f.repeats.failedFirst {
		note(stderr, fmt.Sprintf("--failed-first: which scenarios failed is not known: %v", err))
	}
	return last, failed
}

// keepLastRun keeps the results. Where that can't be, only somebody who uses them is told.
func (f runFlags) keepLastRun(last *lastRun, stderr io.Writer) {
	if last == nil {
		return
	}
	if err := last.save(); err != nil && f.repeats.failedFirst {
		note(stderr, fmt.Sprintf("--failed-first: the results can't be kept: %v", err))
	}
}

// runExit is the exit status of a run. A scenario that failed counts more than one that
// could not be tried: migration is broken, whatever the other would have shown.
func runExit(sum report.Sum, err error) int {
	switch {
	case sum.Failed > 0:
		return exitFailed
	case err != nil || !sum.OK():
		return exitCannotRun
	}
	return exitOK
}

// jobs finds what to run, and on which targets.
func (f runFlags) jobs(stdin io.Reader) ([]job, error) {
	env, err := f.environment()
	if err != nil {
		return nil, err
	}
	archs, err := f.targets(env)
	if err != nil {
		return nil, err
	}
	return f.choose(archs, stdin)
}

// onQEMUs finds the QEMUs to run the jobs on.
func (f runFlags) onQEMUs(ctx context.Context, chosen []job) ([]job, error) {
	env, err := f.environment()
	if err != nil {
		return nil, err
	}
	if f.fleet {
		for i := range chosen {
			chosen[i].options = f.options(chosen[i].options.Arch)
		}
		archs, err := f.targets(env)
		if err != nil {
			return nil, err
		}
		return onFleet(ctx, chosen, archs)
	}
	for i := range chosen {
		o := &chosen[i].options
		source, err := f.find(o.Arch, fleet.Source, env)
		if err != nil {
			return nil, err
		}
		destination, err := f.find(o.Arch, fleet.Destination, env)
		if err != nil {
			return nil, err
		}
		*o = f.options(o.Arch)
		o.Source, o.Destination = source.Path, destination.Path
	}
	return chosen, nil
}

// choose finds the scenarios that the words name: of the catalogue, and in files.
func (f runFlags) choose(archs []string, stdin io.Reader) (chosen []job, err error) {
	var files, patterns []string
	for _, word := range f.patterns {
		if isFile(word) {
			files = append(files, word)
		} else {
			patterns = append(patterns, word)
		}
	}
	if len(files) == 0 || len(patterns) > 0 || f.suite != "" {
		if chosen, err = choose(jobsOf(scenarios.All(), archs), f.suite, patterns); err != nil {
			return nil, err
		}
	}
	own, err := readScenarios(files, stdin)
	return append(chosen, jobsOf(own, archs)...), err
}

// jobsOf is each of the scenarios on every target.
func jobsOf(all []migration.Scenario, archs []string) []job {
	var jobs []job
	for _, arch := range archs {
		for _, scenario := range all {
			jobs = append(jobs, job{scenario, migration.Options{Arch: arch}})
		}
	}
	return jobs
}

// runAll runs the jobs, some at a time, and shows each as it goes. The error
// is that of the first that could not run, and names the artifacts of others that could
// not, or why ctx ended before the last was begun; no other is begun after it.
func runAll(ctx context.Context, jobs *rounds, parallel int, show display) (report.Sum, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var (
		mu    sync.Mutex
		sum   report.Sum
		first error
		also  []string
		work  sync.WaitGroup
		next  = make(chan job)
		turns turns
		began = time.Now()
		all   = true // are begun that should be
	)
	for range parallel {
		work.Go(func() {
			for j := range next {
				result, err := runOne(ctx, j, &turns, show)
				jobs.done(result)
				mu.Lock()
				if result != nil {
					sum.Add(result)
				}
				switch {
				case err != nil && first == nil:
					first = err
					stop(err)
				case err != nil:
					also = append(also, leftBy(err)...)
				}
				mu.Unlock()
			}
		})
	}
feed:
	for j := range jobs.all() {
		if all = ctx.Err() == nil; !all {
			break
		}
		select {
		case <-jobs.over:
			break feed
		default:
		}
		select {
		case next <- j:
		case <-jobs.over:
			break feed
		case <-ctx.Done():
			all = false
			break feed
		}
	}
	close(next)
	work.Wait()
	sum.Seconds = time.Since(began).Seconds()
	if first == nil && !all {
		first = context.Cause(ctx)
	}
	if len(also) > 0 {
		first = fmt.Errorf("%w; of other scenarios: %s", first, strings.Join(also, ", "))
	}
	return sum, first
}

// A runError says why a scenario could not run, and where what is known of that lies.
type runError struct {
	cause     error
	artifacts string // a folder; empty for none
}

func (e *runError) Error() string {
	if e.artifacts == "" {
		return e.cause.Error()
	}
	return fmt.Sprintf("%v; artifacts: %s", e.cause, e.artifacts)
}
func (e *runError) Unwrap() error { return e.cause }

// leftBy are the folders that a scenario which could not run has left: one, or none.
func leftBy(err error) []string {
	if e, ok := errors.AsType[*runError](err); ok && e.artifacts != "" {
		return []string{e.artifacts}
	}
	return nil
}

// turns are who may use the host: any number of scenarios at once, or one that has to be
// alone. The zero value is ready.
type turns struct{ host sync.RWMutex }

// take waits until the scenario may run, and returns what ends its turn.
func (t *turns) take(s migration.Scenario) (end func()) {
	if s.Alone {
		t.host.Lock()
		return t.host.Unlock
	}
	t.host.RLock()
	return t.host.RUnlock
}

// aloneLast puts the jobs of those that have to be alone behind all others, so that these wait
// for them once.
func aloneLast(jobs []job) {
	putFirst(jobs, func(j job) bool { return !j.scenario.Alone })
}

// putFirst puts the jobs for which that is so before all others; else their order stays.
func putFirst(jobs []job, so func(job) bool) {
	place := func(j job) int {
		if so(j) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(jobs, func(a, b job) int { return cmp.Compare(place(a), place(b)) })
}

func runOne(ctx context.Context, j job, t *turns, show display) (*record.Result, error) {
	defer t.take(j.scenario)()
	name := j.name()
	show.begin(name)
	j.options.Progress = func(step string) { show.step(name, step) }
	j.options.Watch = func(s record.Sample) { show.sample(name, s) }
	result, err := j.scenario.Run(ctx, j.options)
	if err != nil {
		failed := &runError{cause: fmt.Errorf("%s: %w", name, err)}
		if result != nil {
			failed.artifacts = result.Dir
		}
		err, result = failed, nil
	}
	show.done(name, result)
	return result, err
}
