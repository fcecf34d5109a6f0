package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/drover-vm/drover/fleet"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/bench"
	"github.com/drover-vm/drover/migration/bench/stats"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
)

const benchText = `Measures what migration costs: each method at each dirty rate, bandwidth, size of RAM
and downtime limit, several times each, in an order that is shuffled in rounds. Prints
the medians and their spread (half of the distance between the quartiles); with
--report DIR also bench.html with plots, bench.json, and bench.txt in Go's benchmark
format, which benchstat compares. What stands behind -- is added to the command line of
both QEMUs, which are found as "drover run" finds them.

A migration that has not converged after --max-time counts as such; its downtime limit
is then lifted, so its downtime is what the guest would have had to bear. Downtime is
from the source's STOP to the destination's RESUME. Nothing is compared in the end
unless --proof says so, and then only when all is measured.

With --baseline FILE each quantity is held against that of an earlier bench, by a
one-sided Mann-Whitney test of all samples, with --margin added to the baseline, at a
false discovery rate of 5 % over all cells (Benjamini and Hochberg).

Exit status: 0 when all was measured, and nothing is worse than the baseline; 1 when
something is, or a migration failed; 2 when it could not be measured, or the bench was
interrupted, which prints and writes what was measured so far.`

// benchFlags are the command line of "drover bench".
type benchFlags struct {
	run                                           runFlags // the QEMUs, and how they are started
	methods, rates, bandwidths, memory, downtimes string
	repeats, warmUp                               int
	maxTime                                       time.Duration
	seed                                          uint64
	proof, json, verbose                          bool
	report, baseline                              string
	margin                                        float64
	set                                           *pflag.FlagSet
	cells                                         []stats.Cell
}

func benchCommand() *command {
	f := &benchFlags{}
	c := &command{
		Command: &cobra.Command{
			Use:               "bench [flags] [-- QEMU arguments]",
			Short:             "measure what migration costs, and compare it with a baseline",
			Long:              benchText,
			ValidArgsFunction: cobra.NoFileCompletions,
		},
		check: f.check, run: f.measure, behind: &f.run.args.both, owns: true,
		below: []*command{benchAdviseCommand(), benchCompareCommand()},
	}
	f.declare(c.Flags())
	completeQEMUs(c.Command, &f.run.qemu)
	completeFlag(c.Command, "methods", bench.MethodNames()...)
	return c
}

// The axes that are measured where no others are named: 4 methods and 4 dirty rates.
const (
	benchMethods    = "precopy,xbzrle,multifd-4,postcopy"
	benchRates      = "0,50MB/s,200MB/s,all"
	benchBandwidths = "500MB/s"
	benchMemory     = "256MiB"
	benchDowntimes  = "300ms"
	benchRepeats    = 6
	benchMaxTime    = 3 * time.Second
)

// declare makes the flags.
func (f *benchFlags) declare(set *pflag.FlagSet) {
	f.set = set
	set.StringVar(&f.methods, "methods", benchMethods, "`methods`, comma separated, or all: "+strings.Join(bench.MethodNames(), ", "))
	set.StringVar(&f.rates, "dirty-rates", benchRates, "how much of its RAM the guest makes dirty a second: `rates` such as 200MB/s, 0 for nothing, all for as much as it can")
	set.StringVar(&f.bandwidths, "bandwidths", benchBandwidths, "`values` of max-bandwidth")
	set.StringVar(&f.memory, "memory", benchMemory, "`sizes` of the guest's RAM")
	set.StringVar(&f.downtimes, "downtimes", benchDowntimes, "`values` of downtime-limit")
	set.IntVar(&f.repeats, "repeats", benchRepeats, "measure each cell this `number` of times")
	set.IntVar(&f.warmUp, "warm-up", 1, "before that, migrate this `number` of times with each method, which does not count")
	set.DurationVar(&f.maxTime, "max-time", benchMaxTime, "`time` that a migration has to converge")
	set.Uint64Var(&f.seed, "seed", 0, "make the order of this `seed` (default: one of chance, which is printed)")
	set.BoolVar(&f.proof, "proof", false, "compare all memory and devices after each migration, as \"drover run\" does")
	set.StringVar(&f.report, "report", "", "`folder` for bench.html, bench.json and bench.txt")
	set.StringVar(&f.baseline, "baseline", "", "compare with this `file` or folder, which an earlier bench left; fail on what is worse")
	marginFlag(set, &f.margin)
	set.BoolVar(&f.json, "json", false, "write one JSON object, that of bench.json, in place of the table")
	set.BoolVarP(&f.verbose, "verbose", "v", false, "print a line for each migration")
	set.StringVar(&f.run.arch, "arch", "", "`target`: x86_64, i386, ppc64 (default: that of --qemu or DROVER_QEMU, else x86_64)")
	set.StringVar(&f.run.qemu, "qemu", "", "QEMU of both sides: the path of a `binary`, or a version or suite of the fleet")
	set.StringVar(&f.run.source, "qemu-src", "", "QEMU `binary` of the source")
	set.StringVar(&f.run.destination, "qemu-dst", "", "QEMU `binary` of the destination")
	set.StringVar(&f.run.machine, "machine", "", "machine `type` of both sides (default: QEMU's, or the newest that both know)")
	set.StringVar(&f.run.accel, "accel", "", "`accelerator` (default tcg)")
	set.StringVar(&f.run.artifacts, "artifacts", "", "`folder` for what a failed migration leaves (default: the system's temporary one)")
	f.run.args.flags(set)
}

func marginFlag(set *pflag.FlagSet, margin *float64) {
	set.Float64Var(margin, "margin", stats.DefaultMargin, "`share` of the baseline by which a quantity may be worse without a complaint")
}

func checkMargin(margin float64) error {
	if !(margin >= 0 && margin <= 10) {
		return usageError(fmt.Sprintf("--margin must be from 0 to 10, not %g: 0.1 is a tenth", margin))
	}
	return nil
}

func (f *benchFlags) check(words []string) error {
	if len(words) > 0 {
		return usageError(fmt.Sprintf("bench takes no word %s; QEMU's arguments stand behind --", quoted(words[0])))
	}
	if err := cmp.Or(checkMargin(f.margin), checkTime("max-time", f.maxTime)); err != nil {
		return err
	}
	if err := f.axes(); err != nil {
		return err
	}
	return f.plan().Check()
}

// axes makes the cells.
func (f *benchFlags) axes() error {
	methods, err := namesIn("methods", f.methods)
	if err != nil {
		return err
	}
	if slices.Contains(methods, "all") {
		methods = bench.MethodNames()
	}
	rates, err := valuesIn("dirty-rates", f.rates, stats.ParseRate)
	if err != nil {
		return err
	}
	bandwidths, err := valuesIn("bandwidths", f.bandwidths, bandwidth)
	if err != nil {
		return err
	}
	memory, err := valuesIn("memory", f.memory, wholeMiB)
	if err != nil {
		return err
	}
	limits, err := valuesIn("downtimes", f.downtimes, downtimeLimit)
	if err != nil {
		return err
	}
	f.cells = bench.Cells(unique(methods), unique(rates), unique(bandwidths), unique(memory), unique(limits))
	return nil
}

func (f *benchFlags) plan() bench.Plan {
	return bench.Plan{Arch: f.arch(), Cells: f.cells, Repeats: f.repeats, WarmUp: f.warmUp, MaxTime: f.maxTime, Seed: f.seed, Proof: f.proof}
}

// arch is the target as far as it is known before a QEMU is looked for.
func (f *benchFlags) arch() string {
	env, err := f.run.environment()
	if err != nil {
		return ""
	}
	archs, err := f.run.targets(env)
	if err != nil || len(archs) != 1 {
		return ""
	}
	return archs[0]
}

// valuesIn are the values of a flag that takes several.
func valuesIn[T any](name, text string, parse func(string) (T, error)) (all []T, err error) {
	words, err := namesIn(name, text)
	if err != nil {
		return nil, err
	}
	for _, word := range words {
		value, err := parse(word)
		if err != nil {
			return nil, usageError(fmt.Sprintf("--%s: %v", name, err))
		}
		all = append(all, value)
	}
	return all, nil
}

// unique are the values without those that come again.
func unique[T comparable](all []T) (once []T) {
	for _, x := range all {
		if !slices.Contains(once, x) {
			once = append(once, x)
		}
	}
	return once
}

func bandwidth(text string) (int64, error) {
	bytes, err := stats.ParseSize(text)
	if err == nil && bytes == 0 {
		err = fmt.Errorf("a bandwidth must be above 0")
	}
	return bytes, err
}

func wholeMiB(text string) (int, error) {
	bytes, err := stats.ParseSize(text)
	if err == nil && (bytes == 0 || bytes%(1<<20) != 0) {
		err = fmt.Errorf("RAM must be whole MiB, as %s is not", text)
	}
	return int(bytes >> 20), err
}

// longestDowntime is the longest limit that QEMU takes.
const longestDowntime = 2000 * time.Second

func downtimeLimit(text string) (time.Duration, error) {
	limit, err := time.ParseDuration(text)
	if err == nil && (limit < time.Millisecond || limit > longestDowntime || limit%time.Millisecond != 0) {
		err = fmt.Errorf("a downtime is whole milliseconds, from 1ms to %s, not %s", longestDowntime, text)
	}
	return limit, err
}

// options are those of every migration.
func (f *benchFlags) options() (migration.Options, error) {
	env, err := f.run.environment()
	if err != nil {
		return migration.Options{}, err
	}
	archs, err := f.run.targets(env)
	if err != nil {
		return migration.Options{}, err
	}
	if len(archs) != 1 {
		return migration.Options{}, usageError("a bench measures one target: --arch takes one")
	}
	o := f.run.options(archs[0])
	source, err := f.run.find(o.Arch, fleet.Source, env)
	if err != nil {
		return o, err
	}
	destination, err := f.run.find(o.Arch, fleet.Destination, env)
	o.Source, o.Destination = source.Path, destination.Path
	return o, err
}

func (f *benchFlags) measure(ctx context.Context, _ []string, _ *os.File, stdout, stderr io.Writer) int {
	flags := *f
	if !f.set.Changed("seed") {
		flags.seed = uint64(rand.Uint32()) //nolint:gosec // an order is no secret
	}
	var before *stats.Results
	if flags.baseline != "" {
		var err error
		if before, err = stats.Load(flags.baseline); err != nil {
			return complain(stderr, fmt.Errorf("--baseline: %w", err))
		}
	}
	options, err := flags.options()
	if err != nil {
		return complain(stderr, err)
	}
	if err := makeFolder("report", flags.report); err != nil {
		return complain(stderr, err)
	}
	show := newBenchDisplay(stdout, stderr, flags.verbose, flags.json)
	options.Watch = show.sample
	show.begin(flags.plan())
	options.Watch = func(s record.Sample) { show.text.sample("", s) }
	results, err := bench.Bench{Plan: flags.plan(), Options: options, Watch: show.watch}.Run(ctx)
	show.end()
	if results == nil {
		return complain(stderr, err)
	}
	status := flags.conclude(results, before, stdout, stderr)
	switch {
	case ctx.Err() != nil:
		return interrupted(ctx, stderr, "both VMs have been ended; what was measured so far is above")
	case err != nil:
		return complain(stderr, err)
	case results.Measured() == 0:
		status = complain(stderr, fmt.Errorf("nothing could be measured: %s", report.WhyNothing(results)))
	}
	if status == exitFailed || show.exit() == exitFailed { // which counts more than what can't be told
		return exitFailed
	}
	return max(status, show.exit())
}

// conclude prints and writes what was measured, and how it compares.
func (f *benchFlags) conclude(results, before *stats.Results, stdout, stderr io.Writer) int {
	if results.Measured() == 0 {
		return exitOK
	}
	var compared *stats.Comparison
	if before != nil {
		c := stats.Compare(before, results, f.margin)
		compared = &c
	}
	if f.json {
		report.JSONLine(stdout, results)
	} else {
		report.BenchText(stdout, results)
	}
	status := exitOK
	if f.report != "" {
		if err := report.WriteBench(f.report, results, compared); err != nil {
			status = complain(stderr, err)
		} else {
			fmt.Fprintf(stderr, "report: %s\n", strings.TrimSuffix(f.report, "/")+"/"+report.BenchFile)
		}
	}
	keepLastBench(results)
	if compared != nil {
		status = max(status, printComparison(*compared, f.baseline, f.json, stdout, stderr))
	}
	return status
}
