package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/drover-vm/drover/launcher/probe"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/bench"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
	"github.com/drover-vm/drover/migration/steps"
)

const benchText = `Measures what migration costs: every combination of method, dirty rate, bandwidth,
size of RAM and downtime limit, some rounds of each in a random order, after a warm-up
of each method that is dropped. Each migration is judged as in any other run.

Printed are medians and spread of total time, downtime (as reported, by events, and as
the guest's heartbeat saw it), bytes, throughput, passes, CPU time and peak memory of
both QEMUs, and the slowdown of the guest. --report writes bench.html with plots,
bench.json, and bench.txt in Go's benchmark format for benchstat.

--dirty says how much of its memory the guest dirties: 0, sizes such as 16MB, which it
writes over and over as fast as it can, and all. A migration that does not converge
under its downtime limit within --within is let go, and counted.

--baseline compares with the bench.json of an earlier bench, by permutation tests within
each combination: what is worse beyond noise fails. Axes with one value each may differ.

Exit status: 0 when all was measured and nothing is worse, 1 when a check failed or
something is worse than the baseline, 2 when something could not be measured or compared.`

// benchFlags are the command line of "drover bench".
type benchFlags struct {
	run                                          runFlags
	methods, dirty, bandwidths, memory, downtime string
	rounds                                       int
	seed                                         uint64
	within                                       time.Duration
	baseline                                     string
	axes                                         bench.Axes
}

// What is measured where nothing is said.
const (
	benchMethods    = "precopy,xbzrle,multifd-2,postcopy"
	benchDirty      = "0,8MB,32MB,all"
	benchBandwidth  = "200MB/s"
	benchDowntime   = "300ms"
	benchRounds     = 3
	benchWithin     = 3 * time.Second
	mostBenchRounds = 1000
)

func benchCommand() *command {
	f := &benchFlags{}
	c := &command{
		Command: &cobra.Command{
			Use:               "bench [flags] [-- QEMU arguments]",
			Short:             "measure what migration costs: time, downtime, bytes, CPU, and the guest's speed",
			Long:              benchText,
			ValidArgsFunction: cobra.NoFileCompletions,
		},
		check: f.check, run: f.measure, behind: &f.run.args.both, owns: true,
		below: []*command{adviseCommand()},
	}
	f.declare(c.Flags())
	completeQEMUs(c.Command, &f.run.qemu)
	return c
}

func (f *benchFlags) declare(set *pflag.FlagSet) {
	set.StringVar(&f.methods, "methods", benchMethods, "`methods`, comma separated: "+strings.Join(bench.MethodNames(), ", "))
	set.StringVar(&f.dirty, "dirty", benchDirty, "`amounts` of memory that the guest dirties: 0, 16MB, all")
	set.StringVar(&f.bandwidths, "bandwidth", benchBandwidth, "max-bandwidth: `rates`")
	set.StringVar(&f.memory, "memory", "", "`sizes` of the guest's RAM, such as 256MiB (default: what the guest program asks for)")
	set.StringVar(&f.downtime, "downtime", benchDowntime, "downtime limits: `times`")
	set.IntVar(&f.rounds, "rounds", benchRounds, "`number` of times that each combination is measured")
	set.Uint64Var(&f.seed, "seed", 1, "`seed` of the random order")
	set.DurationVar(&f.within, "within", benchWithin, "`time` that a migration has to converge")
	set.StringVar(&f.baseline, "baseline", "", "bench.json `file` to compare with")
	set.StringVar(&f.run.pages.dir, "report", "", "`folder` for bench.html, bench.json and bench.txt")
	set.StringVar(&f.run.arch, "arch", "", "`target`: x86_64, i386 (default: that of --qemu or DROVER_QEMU, else x86_64)")
	set.StringVar(&f.run.qemu, "qemu", "", "QEMU of both sides: the path of a `binary`, or a version or suite of the fleet")
	set.StringVar(&f.run.source, "qemu-src", "", "QEMU `binary` of the source")
	set.StringVar(&f.run.destination, "qemu-dst", "", "QEMU `binary` of the destination")
	set.StringVar(&f.run.machine, "machine", "", "machine `type` of both sides (default: QEMU's, or the newest that both know)")
	set.StringVar(&f.run.accel, "accel", "", "`accelerator` (default tcg)")
	set.StringVar(&f.run.artifacts, "artifacts", "", "`folder` for what a failed migration leaves (default: the system's temporary one)")
	set.BoolVar(&f.run.json, "json", false, "write one JSON object")
	set.BoolVarP(&f.run.verbose, "verbose", "v", false, "print each step and its time")
	f.run.args.flags(set)
}

// list parses the words of a flag.
func list[T any](name, text string, parse func(string) (T, error)) (all []T, err error) {
	words, err := namesIn(name, text)
	if err != nil {
		return nil, err
	}
	for _, w := range words {
		value, err := parse(w)
		if err != nil {
			return nil, usageError(fmt.Sprintf("--%s: %v", name, err))
		}
		all = append(all, value)
	}
	return all, nil
}

func parseMethod(name string) (string, error) {
	if names := bench.MethodNames(); !slices.Contains(names, name) {
		return "", fmt.Errorf("no method %s%s; they are %s", quoted(name), didYouMean(name, names), strings.Join(names, ", "))
	}
	return name, nil
}

func parseLimit(text string) (int, error) {
	d, err := time.ParseDuration(text)
	const most = 2000 * time.Second // QEMU's
	if err != nil || d < time.Millisecond || d > most || d%time.Millisecond != 0 {
		return 0, fmt.Errorf("%s is no downtime limit: it is whole milliseconds up to %v, such as 300ms", quoted(text), most)
	}
	return int(d.Milliseconds()), nil
}

func (f *benchFlags) check(words []string) error {
	if len(words) > 0 {
		return usageError(fmt.Sprintf("bench takes flags only, and %s is none; options for QEMU stand behind --", quoted(words[0])))
	}
	var wrong [5]error
	f.axes.Methods, wrong[0] = list("methods", f.methods, parseMethod)
	f.axes.Dirty, wrong[1] = list("dirty", f.dirty, bench.ParseDirty)
	f.axes.Bandwidths, wrong[2] = list("bandwidth", f.bandwidths, bench.ParseBandwidth)
	f.axes.DowntimesMS, wrong[3] = list("downtime", f.downtime, parseLimit)
	if f.axes.MemoryMiB = []int{0}; f.memory != "" {
		f.axes.MemoryMiB, wrong[4] = list("memory", f.memory, bench.ParseMemory)
	}
	if err := cmp.Or(wrong[:]...); err != nil {
		return err
	}
	if f.rounds < 1 || f.rounds > mostBenchRounds {
		return usageError(fmt.Sprintf("--rounds must be from 1 to %d, not %d", mostBenchRounds, f.rounds))
	}
	if f.within < 100*time.Millisecond {
		return usageError(fmt.Sprintf("--within must be at least 100ms, not %v", f.within))
	}
	if _, err := f.axes.Points(); err != nil {
		return usageError(err.Error())
	}
	return checkTime("within", f.within)
}

// measure is the command.
func (f *benchFlags) measure(ctx context.Context, _ []string, _ *os.File, stdout, stderr io.Writer) int {
	var before *bench.Results
	if f.baseline != "" {
		var err error
		if before, err = bench.Read(f.baseline); err != nil {
			return complain(stderr, err)
		}
	}
	if dir := f.run.pages.dir; dir != "" {
		const private = 0o700
		if err := os.MkdirAll(dir, private); err != nil {
			return complain(stderr, fmt.Errorf("--report: %w; name a folder that can be made", err))
		}
	}
	points, err := f.axes.Points()
	if err != nil {
		return complain(stderr, err)
	}
	jobs := bench.Plan(points, f.rounds, f.seed)
	b := &benchRun{flags: f, jobs: jobs, out: stdout, known: new(probe.Known)}
	show := newTextDisplay(stdout, f.run.verbose, 0)
	if f.run.json {
		show = newTextDisplay(io.Discard, false, 0)
	}
	show.expect(outlook{total: len(jobs), left: b.guess})
	b.show = show
	failed, err := b.all(ctx)
	show.end(report.Sum{})
	switch {
	case ctx.Err() != nil:
		return interrupted(ctx, stderr, "both VMs have been ended")
	case err != nil:
		return complain(stderr, err)
	}
	return f.finish(b, before, failed, stdout, stderr)
}

// finish prints and writes what was measured, and returns the exit status.
func (f *benchFlags) finish(b *benchRun, before *bench.Results, failed bool, stdout, stderr io.Writer) int {
	r := &b.results
	status := exitOK
	var compared *bench.Comparison
	if before != nil {
		var err error
		if compared, err = bench.Compare(before, r); err != nil {
			status = complain(stderr, fmt.Errorf("--baseline: %w", err))
		}
	}
	if f.run.json {
		report.JSONLine(stdout, struct {
			*bench.Results

			Comparison *bench.Comparison `json:",omitempty"`
		}{r, compared})
	} else {
		report.BenchText(stdout, r)
		if compared != nil {
			report.BenchCompared(stdout, compared)
		}
	}
	if dir := f.run.pages.dir; dir != "" {
		if err := report.WriteBench(dir, r, compared); err != nil {
			status = complain(stderr, err)
		} else {
			note(stderr, "report: "+filepath.Join(dir, report.BenchHTMLFile))
		}
	}
	switch {
	case failed || compared != nil && compared.Worse():
		return exitFailed
	case len(r.Measurements) == 0 || compared != nil && compared.Undecided():
		return exitCannotRun
	}
	return status
}

// A benchRun is a bench under way.
type benchRun struct {
	flags   *benchFlags
	jobs    []bench.Job
	out     io.Writer
	show    *textDisplay
	known   *probe.Known
	results bench.Results

	mu   sync.Mutex
	done int
	took map[string]float64 // seconds that a method took on average, lately
}

// guess is how long those that are left may take, by what those before took.
func (b *benchRun) guess() (left time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	sum := 0.0
	for _, j := range b.jobs[min(b.done, len(b.jobs)):] {
		seconds, there := b.took[j.Point.Method]
		if !there {
			return 0, false
		}
		sum += seconds
	}
	return time.Duration(sum * float64(time.Second)), true
}

// all measures. Failed says that a check did; the error is why a migration could not be run.
func (b *benchRun) all(ctx context.Context) (failed bool, err error) {
	f := b.flags
	b.took = map[string]float64{}
	began := time.Now()
	b.results = bench.Results{Format: bench.Format, Started: began, Args: slices.Concat(f.run.args.both, f.run.args.source, f.run.args.destination), CPUs: runtime.NumCPU(), Rounds: f.rounds, Seed: f.seed, WithinMS: f.within.Milliseconds(), Machine: f.run.machine}
	unable := map[string]string{} // methods that this QEMU can't do, and why
	for i, j := range b.jobs {
		if err := ctx.Err(); err != nil {
			return failed, err
		}
		if unable[j.Point.Method] != "" {
			b.results.Missing = append(b.results.Missing, bench.Missing{Point: j.Point, Reason: unable[j.Point.Method]})
			continue
		}
		result, err := b.one(ctx, i, j)
		if err != nil {
			return failed, err
		}
		b.noteTime(i, j.Point.Method, result.Seconds)
		switch m, ok := bench.Measured(j.Point, j.Round, result.Record); {
		case result.Outcome == record.Skip:
			unable[j.Point.Method] = result.Reason
		case result.Outcome == record.Fail:
			failed = true
			b.results.Missing = append(b.results.Missing, bench.Missing{Point: j.Point, Reason: "it failed: " + result.Reason, Failed: true})
		case !ok || result.Outcome != record.Pass:
			b.results.Missing = append(b.results.Missing, bench.Missing{Point: j.Point, Reason: cmp.Or(result.Reason, "nothing was measured")})
		case !j.WarmUp:
			b.results.Measurements = append(b.results.Measurements, m)
		}
		if r := result.Record; r != nil && b.results.QEMU == "" && r.Source != nil {
			b.results.QEMU, b.results.Arch = report.Versions(r), r.Arch
			b.results.Accel, _, _ = strings.Cut(r.Accel, ": ")
		}
	}
	b.results.Seconds = time.Since(began).Seconds()
	return failed, nil
}

// noteTime notes that the nth is done.
func (b *benchRun) noteTime(i int, method string, seconds float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = i + 1
	if before, ok := b.took[method]; ok {
		const weight = 0.2 // of the last
		seconds = (1-weight)*before + weight*seconds
	}
	b.took[method] = seconds
}

// one runs a migration.
func (b *benchRun) one(ctx context.Context, i int, j bench.Job) (*record.Result, error) {
	text, err := j.Point.Scenario(b.flags.within)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("bench/%d/%s", i+1, j.Point.Method)
	scenario, err := migration.Parse(name, "the scenario of a bench", text, steps.Verbs())
	if err != nil {
		return nil, err
	}
	archs, err := b.flags.archs()
	if err != nil {
		return nil, err
	}
	on, err := b.flags.run.onQEMUs(ctx, jobsOf([]migration.Scenario{scenario}, archs))
	if err != nil {
		return nil, err
	}
	job := on[0]
	job.options.Keep, job.options.Known, job.options.Artifacts = false, b.known, b.flags.run.artifacts
	return runOne(ctx, job, &benchDisplay{b.show, j})
}

// archs is the one target.
func (f *benchFlags) archs() ([]string, error) {
	env, err := f.run.environment()
	if err != nil {
		return nil, err
	}
	archs, err := f.run.targets(env)
	if err == nil && len(archs) != 1 {
		err = errors.New("a bench is of one target")
	}
	return archs, err
}

// benchDisplay shows what a migration cost in one line.
type benchDisplay struct {
	*textDisplay

	job bench.Job
}

func (d *benchDisplay) done(name string, r *record.Result) {
	if r == nil || r.Outcome != record.Pass {
		d.textDisplay.done(name, r)
		return
	}
	what := fmt.Sprintf("round %d", d.job.Round)
	if d.job.WarmUp {
		what = "warm-up"
	}
	line := fmt.Sprintf("%-8s %s: ", what, d.job.Point)
	if m, ok := bench.Measured(d.job.Point, d.job.Round, r.Record); ok {
		line += fmt.Sprintf("total %.0f ms, downtime %.0f ms", m.TotalMS, m.DowntimeMS)
		if !m.Converged {
			line += ", did not converge"
		}
	}
	d.textDisplay.passed(name, r, line)
}
