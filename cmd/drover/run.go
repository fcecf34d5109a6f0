package main

import (
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

const runUsage = `usage: drover run [flags] [pattern|FILE.scenario ...] [-- QEMU arguments]

Runs the scenarios that match a pattern, all of them where none is given. A
pattern is a scenario's name or the beginning of one up to a slash, with or
without the target in front (precopy, x86_64/postcopy/plain); * stands for
anything. "drover list" names the scenarios. FILE.scenario, a folder of such
files, or - for standard input runs scenarios of one's own: "drover verbs" prints
what they can say. What stands behind -- is added to the command line of both
QEMUs.

The QEMUs are those that -qemu names, else DROVER_QEMU, else QTEST_QEMU_BINARY,
else the one in PATH, else the private copy that "drover fleet ensure" fetched.
For one side only: -qemu-src and -qemu-dst, or the variables with _SRC and _DST.
With -fleet they are all that DROVER_FLEET names, else all private copies.

Exit status: 0 when nothing failed, 1 when a scenario failed, 2 when it could
not run.

flags:
`

// runFlags are what "drover run" was told.
type runFlags struct {
	arch, qemu, source, destination, machine, accel, artifacts, suite string
	keep, hold, json, verbose, times, fleet                           bool
	budget                                                            time.Duration
	parallel                                                          int
	patterns, extra                                                   []string
}

func parseRun(args []string, stderr io.Writer) (runFlags, error) {
	var f runFlags
	set := newFlagSet("run", runUsage, stderr)
	set.StringVar(&f.arch, "arch", "", "`targets`, comma separated: x86_64, i386, ppc64 (default: that of -qemu or DROVER_QEMU, else x86_64)")
	set.StringVar(&f.qemu, "qemu", "", "QEMU `binary` of both sides")
	set.StringVar(&f.source, "qemu-src", "", "QEMU `binary` of the source")
	set.StringVar(&f.destination, "qemu-dst", "", "QEMU `binary` of the destination")
	set.StringVar(&f.machine, "machine", "", "machine `type` of both sides (default: QEMU's, or the newest that both know)")
	set.StringVar(&f.accel, "accel", "", "`accelerator` (default tcg)")
	set.StringVar(&f.artifacts, "artifacts", "", "`folder` for what a failed scenario leaves (default: the system's temporary one)")
	set.StringVar(&f.suite, "suite", "", suiteUsage)
	set.BoolVar(&f.keep, "keep", false, "keep the artifacts of every scenario, not only of failed ones")
	set.BoolVar(&f.hold, "hold", false, "keep both VMs of a failed scenario alive, say how to attach, and wait for a key")
	set.BoolVar(&f.fleet, "fleet", false, "run on every QEMU of the fleet, one after another (both sides the same)")
	set.BoolVar(&f.json, "json", false, "write one JSON object a line: each result, then the sum")
	set.BoolVar(&f.verbose, "v", false, "show each step and its time")
	set.BoolVar(&f.times, "times", false, "show in the end where the time of each scenario went")
	set.DurationVar(&f.budget, "budget", 0, "`time` that one scenario may take (default: what its steps may)")
	set.IntVar(&f.parallel, "parallel", 1, "`number` of scenarios at a time")
	if at := slices.Index(args, "--"); at >= 0 {
		args, f.extra = args[:at], args[at+1:]
	}
	var err error
	f.patterns, err = parseMixed(set, args)
	if err == nil && (f.parallel < 1 || f.budget < 0) {
		err = usageError("-parallel has to be above 0, and -budget no less")
	}
	if err == nil && f.fleet && f.qemu+f.source+f.destination != "" {
		err = usageError("-fleet names the QEMUs itself: leave -qemu, -qemu-src and -qemu-dst out")
	}
	if err == nil && f.hold && f.parallel > 1 {
		err = usageError("-hold goes with -parallel 1 only: it asks for a key")
	}
	return f, err
}

// job is one scenario on one target.
type job struct {
	scenario migration.Scenario
	options  migration.Options
}

func (j job) name() string { return j.options.Arch + "/" + j.scenario.Name }

// nameWidth is the length of the longest name.
func nameWidth(jobs []job) (width int) {
	for _, j := range jobs {
		width = max(width, len(j.name()))
	}
	return width
}

func runCommand(ctx context.Context, args []string, stdin *os.File, stdout, stderr io.Writer) int {
	flags, err := parseRun(args, stderr)
	if err != nil {
		return usageExit(err, stderr)
	}
	jobs, err := flags.jobs(ctx, stdin)
	if err != nil {
		return complain(stderr, err)
	}
	var show display
	switch {
	case flags.json:
		show = &jsonDisplay{out: stdout}
	default:
		text := newTextDisplay(stdout, flags.verbose, nameWidth(jobs))
		if flags.times {
			text.times = &report.Times{}
		}
		show = text
	}
	known := new(probe.Known)
	for i := range jobs {
		jobs[i].options.Known = known
		if flags.hold {
			jobs[i].options.Hold = holder(stdin, stderr, show)
		}
	}
	sum, err := runAll(ctx, jobs, flags.parallel, show)
	show.end(sum)
	switch {
	case err != nil && ctx.Err() != nil:
		fmt.Fprintf(stderr, "drover: interrupted, and both VMs have been ended: %v\n", err)
		return exitCannotRun
	case err != nil:
		return complain(stderr, err)
	case !sum.OK():
		return exitFailed
	}
	return exitOK
}

// jobs finds what to run, and the QEMUs to run it on.
func (f runFlags) jobs(ctx context.Context, stdin io.Reader) ([]job, error) {
	env := f.environment()
	archs, err := f.targets(env)
	if err != nil {
		return nil, err
	}
	chosen, err := f.choose(archs, stdin)
	if err != nil {
		return nil, err
	}
	if f.fleet {
		for i := range chosen {
			chosen[i].options = f.options(chosen[i].options.Arch)
		}
		return onFleet(ctx, chosen, archs)
	}
	for i := range chosen {
		o := &chosen[i].options
		source, err := fleet.Find(o.Arch, fleet.Source, env)
		if err != nil {
			return nil, err
		}
		destination, err := fleet.Find(o.Arch, fleet.Destination, env)
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

// options are those that are the same for every scenario of a target.
func (f runFlags) options(arch string) migration.Options {
	return migration.Options{
		Arch: arch, Machine: f.machine, Accel: f.accel, Args: f.extra, Budget: f.budget, Artifacts: f.artifacts, Keep: f.keep,
	}
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

// environment is the process's own with the flags in place of the variables
// that mean the same.
func (f runFlags) environment() func(string) string {
	flags := map[string]string{"DROVER_QEMU": f.qemu, "DROVER_QEMU_SRC": f.source, "DROVER_QEMU_DST": f.destination}
	return func(name string) string {
		if value := flags[name]; value != "" {
			return value
		}
		if f.qemu != "" && strings.HasPrefix(name, "DROVER_QEMU_") {
			return "" // -qemu names both sides, also against the variables
		}
		return os.Getenv(name)
	}
}

// targets are those that were asked for, or that the QEMU named is for.
func (f runFlags) targets(env func(string) string) ([]string, error) {
	if f.arch == "" {
		for _, name := range []string{"DROVER_QEMU", "DROVER_QEMU_SRC", "QTEST_QEMU_BINARY"} {
			if arch, ok := fleet.ArchOf(env(name)); ok {
				return []string{arch}, nil
			}
		}
		return []string{"x86_64"}, nil
	}
	var archs []string
	for arch := range strings.SplitSeq(f.arch, ",") {
		parsed, err := fleet.ParseArch(strings.TrimSpace(arch))
		if err != nil {
			return nil, err
		}
		archs = append(archs, parsed)
	}
	return archs, nil
}

// runAll runs the jobs, some at a time, and shows each as it goes. The error
// is that of the first that could not run; no other is begun after it.
func runAll(ctx context.Context, jobs []job, parallel int, show display) (report.Sum, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var (
		mu    sync.Mutex
		sum   report.Sum
		first error
		work  sync.WaitGroup
		next  = make(chan job)
		began = time.Now()
	)
	for range parallel {
		work.Go(func() {
			for j := range next {
				result, err := runOne(ctx, j, show)
				mu.Lock()
				if result != nil {
					sum.Add(result)
				}
				if err != nil && first == nil {
					first = err
					stop(err)
				}
				mu.Unlock()
			}
		})
	}
	for _, j := range jobs {
		select {
		case next <- j:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	work.Wait()
	sum.Seconds = time.Since(began).Seconds()
	return sum, first
}

func runOne(ctx context.Context, j job, show display) (*record.Result, error) {
	name := j.name()
	show.begin(name)
	j.options.Progress = func(step string) { show.step(name, step) }
	result, err := j.scenario.Run(ctx, j.options)
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
		if result != nil && result.Dir != "" {
			err = fmt.Errorf("%w; artifacts: %s", err, result.Dir)
		}
		result = nil
	}
	show.done(name, result)
	return result, err
}

// errNothing says that a command line asks for nothing that there is.
var errNothing = errors.New("no scenario matches")
