package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/drover-vm/drover/launcher/probe"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/preflight"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
	"github.com/drover-vm/drover/migration/scenarios"
)

const matrixText = `Moves guests from each of the QEMUs to each, itself too, with the newest machine
type that both have, and prints a table: what came of it, and what "drover
preflight" predicted. The QEMUs are paths of binaries, or versions or suites of the
fleet; without any they are the whole fleet: what DROVER_FLEET names, else every
private copy, else the one that "drover run" takes. What stands behind -- is added
to the command line of both, --src-args and --dst-args to that of one side.

A failure is as documented when it was predicted, came in the way predicted, and
left the guest running on its source. A result that contradicts the prediction is a
finding. A pair could not be tried when no scenario ran between its QEMUs: all were
skipped, or a QEMU did not start.

Exit status: 0 when every pair was tried, and passed or failed as documented; 1 when
something failed otherwise, or contradicts its prediction; 2 when a pair could not be
tried, or nothing could run.`

// matrixScenarios are run where no others are named: a way of its own to carry
// pages each, all of them in every QEMU since 5.2.
const matrixScenarios = "precopy/unix/plain,precopy/unix/xbzrle,multifd/tcp/uri/plain/none,postcopy/plain"

// matrixFlags are the command line of "drover matrix".
type matrixFlags struct {
	arch, machine, accel, artifacts, scenarios string
	json, verbose                              bool
	parallel                                   atATime
	qemus, patterns                            []string
	args                                       qemuArgs
	pages                                      pageFlags
	took                                       *durations
}

// mostQEMUs is how many QEMUs a matrix takes: the runs grow with their square.
const mostQEMUs = 50

func matrixCommand() *command {
	f := &matrixFlags{}
	c := &command{
		Command: &cobra.Command{
			Use:               "matrix [flags] [QEMU ...] [-- QEMU arguments]",
			Short:             "move guests between every two QEMUs of the fleet, and compare with what was predicted",
			Long:              matrixText,
			ValidArgsFunction: qemusOfFleet(mostQEMUs),
		},
		check: f.check, run: f.run, behind: &f.args.both, owns: true,
	}
	f.declare(c.Flags())
	completeQEMUs(c.Command, nil)
	completeScenarioList(c.Command, "scenarios")
	return c
}

// declare makes the f.
func (f *matrixFlags) declare(set *pflag.FlagSet) {
	set.StringVar(&f.arch, "arch", "", "`target` (default: that of a binary, else x86_64)")
	set.StringVar(&f.machine, "machine", "", "machine `type` of both sides; an alias (q35, pc) stands for the newest that both have")
	set.StringVar(&f.accel, "accel", "", "`accelerator` (default tcg)")
	set.StringVar(&f.artifacts, "artifacts", "", "`folder` for what a failed scenario leaves (default: the system's temporary one)")
	set.StringVar(&f.scenarios, "scenarios", matrixScenarios, "`patterns` of scenarios, with commas between them")
	set.BoolVar(&f.json, "json", false, "write one JSON object")
	set.BoolVarP(&f.verbose, "verbose", "v", false, "print each step and its time")
	set.Var(&f.parallel, "parallel", parallelUsage)
	f.pages.flags(set)
	f.args.flags(set)
}

func (f *matrixFlags) check(words []string) (err error) {
	f.qemus = words
	if len(f.qemus) > mostQEMUs {
		return usageError(fmt.Sprintf("a matrix takes at most %d QEMUs, not %d", mostQEMUs, len(f.qemus)))
	}
	if f.patterns, err = namesIn("scenarios", f.scenarios); err != nil {
		return err
	}
	if f.pages.github && f.json {
		return usageError("--github prints lines that are no JSON: leave it or --json out")
	}
	return nil
}

// matrixWidth is the column of names: the few scenarios of a matrix have short ones.
const matrixWidth = 28

func (f *matrixFlags) run(ctx context.Context, _ []string, _ *os.File, stdout, stderr io.Writer) int {
	text := newTextDisplay(stdout, f.verbose, matrixWidth)
	text.pages = f.pages.dir != ""
	f.took = openDurations()
	text.took = f.took
	var show display = text
	if f.json {
		show = &jsonDisplay{out: io.Discard}
	}
	pages, err := f.pages.open(show, stdout, stderr, betweenQEMUs)
	if err != nil {
		show.end(report.Sum{})
		return complain(stderr, err)
	}
	m, left, err := f.fill(ctx, pages)
	pages.end(report.Sum{})
	switch {
	case ctx.Err() != nil && len(left) > 0:
		return interrupted(ctx, stderr, "all VMs have been ended; artifacts: "+strings.Join(left, ", "))
	case ctx.Err() != nil:
		return interrupted(ctx, stderr, "all VMs have been ended")
	case err != nil:
		return complain(stderr, err)
	case f.json:
		return max(matrixExit(m), pages.exit(), writeJSON(stdout, stderr, m))
	default:
		report.MatrixText(stdout, m)
	}
	return max(matrixExit(m), pages.exit())
}

// betweenQEMUs divides the name of a matrix's run into the scenario's, and the QEMUs between
// which the guest moved.
func betweenQEMUs(scenario string) (name, qemu string) {
	rest, ok := strings.CutPrefix(scenario, "version/")
	pair, name, both := strings.Cut(rest, "/")
	if !ok || !both {
		return scenario, ""
	}
	return name, strings.Replace(pair, "-", " to ", 1)
}

// matrixExit is the exit status for a matrix: what failed counts over what could not
// be tried.
func matrixExit(m *report.Matrix) int {
	switch {
	case !m.OK():
		return exitFailed
	case m.Incomplete():
		return exitCannotRun
	}
	return exitOK
}

// fill fills the matrix: first every prediction, then every run. Left are the folders with
// the artifacts of scenarios that could not run.
func (f *matrixFlags) fill(ctx context.Context, show display) (m *report.Matrix, left []string, err error) {
	began := time.Now()
	arch, err := archFor(f.arch, f.qemus)
	if err != nil {
		return nil, nil, err
	}
	chosen, err := choose(jobsOf(scenarios.All(), []string{arch}), "", f.patterns)
	if err != nil {
		return nil, nil, err
	}
	fleet, err := f.fleet(ctx, arch)
	if err != nil {
		return nil, nil, err
	}
	m = &report.Matrix{Arch: arch}
	for _, j := range chosen {
		m.Scenarios = append(m.Scenarios, j.scenario.Name)
	}
	for _, q := range fleet {
		m.QEMUs = append(m.QEMUs, q.QEMU)
	}
	options := migration.Options{Arch: arch, Machine: f.machine, Accel: f.accel, Artifacts: f.pages.artifacts(f.artifacts), Keep: f.pages.dir != "", Known: new(probe.Known)}
	f.args.assign(&options)
	options.FindKernels = findKernels
	pairs, own, err := predictAll(ctx, fleet, chosen, options, show)
	if err != nil {
		return nil, nil, err
	}
	m.Pairs = pairs
	left = f.runPairs(ctx, m, own, chosen, options, show)
	m.Seconds = time.Since(began).Seconds()
	return m, left, nil
}

func (f *matrixFlags) fleet(ctx context.Context, arch string) ([]member, error) {
	if len(f.qemus) == 0 {
		return members(ctx, arch)
	}
	all, err := named(ctx, arch, f.qemus)
	return inOrder(all), err
}

// predictAll makes the pairs, row by row, with what is predicted for each, and own, for each pair
// and scenario: what is predicted of a guest whose devices are others than those of the first
// scenario's, nil for others. Where no prediction can be made, it is that the outcome is unknown.
func predictAll(ctx context.Context, fleet []member, chosen []job, o migration.Options, show display) (pairs []report.Pair, own [][]*preflight.Prediction, err error) {
	const name = "preflight"
	show.begin(name)
	defer show.done(name, nil)
	models := make([][]string, len(chosen))
	for k, j := range chosen {
		if models[k], err = j.scenario.ModelArgs(); err != nil {
			return nil, nil, err
		}
	}
	all := new(migration.Describer)
	predict := func(source, destination member, model []string) report.Pair {
		its := o
		its.Args = slices.Concat(model, o.Args)
		return predictedPair(ctx, all, source, destination, its)
	}
	for _, source := range fleet {
		for _, destination := range fleet {
			show.step(name, source.Name+" -> "+destination.Name)
			pairs = append(pairs, predict(source, destination, models[0]))
			others := make([]*preflight.Prediction, len(chosen))
			for k, model := range models {
				if !slices.Equal(model, models[0]) {
					other := predict(source, destination, model).Prediction
					others[k] = &other
				}
			}
			own = append(own, others)
		}
	}
	return pairs, own, nil
}

// predictedPair is a pair with what is predicted of it.
func predictedPair(ctx context.Context, all *migration.Describer, source, destination member, o migration.Options) report.Pair {
	pair := report.Pair{Source: source.Name, Destination: destination.Name, Machine: o.Machine}
	r, err := predicted(ctx, all, source, destination, o)
	if err != nil {
		pair.Prediction = preflight.Prediction{Outcome: preflight.Unknown, Sentence: err.Error()}
		return pair
	}
	pair.Prediction, pair.Machine = r.Prediction, r.Machine
	pair.Differences = slices.DeleteFunc(r.Differences, func(d preflight.Difference) bool { return d.Elsewhere })
	return pair
}

// runPairs runs the scenarios between every two QEMUs, some at a time, and returns the
// folders with the artifacts of those that could not run.
func (f *matrixFlags) runPairs(ctx context.Context, m *report.Matrix, own [][]*preflight.Prediction, scenarios []job, o migration.Options, show display) (left []string) {
	var (
		mu    sync.Mutex
		turns turns
	)
	path := map[string]string{}
	show.expect(f.outlook(m, scenarios))
	for _, q := range m.QEMUs {
		path[q.Name] = q.Path
	}
	work := new(errgroup.Group)
	work.SetLimit(f.parallel.number())
	for i := range m.Pairs {
		pair := &m.Pairs[i]
		pair.Runs = make([]report.Run, len(scenarios))
		for k, j := range scenarios {
			j.scenario = j.scenario.Between(pair.Source, pair.Destination)
			j.options = o
			j.options.Source, j.options.Destination = path[pair.Source], path[pair.Destination]
			work.Go(func() error {
				if ctx.Err() == nil {
					run, err := runPair(ctx, j, m.Scenarios[k], pair.Predicted(report.Run{Prediction: own[i][k]}), &turns, show)
					run.Prediction = own[i][k]
					pair.Runs[k] = run
					mu.Lock()
					defer mu.Unlock()
					left = append(left, leftBy(err)...)
				}
				return nil
			})
		}
	}
	_ = work.Wait()
	return left
}

// outlook is how far the matrix is: a run for each scenario and pair.
func (f *matrixFlags) outlook(m *report.Matrix, scenarios []job) outlook {
	var names []string
	for _, pair := range m.Pairs {
		for _, j := range scenarios {
			j.scenario = j.scenario.Between(pair.Source, pair.Destination)
			names = append(names, job{j.scenario, migration.Options{Arch: m.Arch}}.name())
		}
	}
	times := f.took
	if times == nil {
		times = &durations{}
	}
	return outlookOf(names, f.parallel.number(), times)
}

// runPair runs one scenario between two QEMUs, and puts its result beside the
// prediction. The error says why it could not run, as its result does.
func runPair(ctx context.Context, j job, scenario string, p preflight.Prediction, t *turns, show display) (report.Run, error) {
	beside := &predictedDisplay{display: show, scenario: scenario, prediction: p}
	result, err := runOne(ctx, j, t, beside)
	if err != nil || result == nil {
		return report.Run{Scenario: scenario, Ending: report.Undecided, Reason: fmt.Sprint(err)}, err
	}
	return report.Assess(p, scenario, result), nil
}

// predictedDisplay shows of a run that failed as predicted no more than that.
type predictedDisplay struct {
	display
	scenario   string
	prediction preflight.Prediction
}

func (f *predictedDisplay) done(name string, r *record.Result) {
	if r != nil {
		if run := report.Assess(f.prediction, f.scenario, r); run.Ending == report.Documented {
			r = &record.Result{Scenario: r.Scenario, Arch: r.Arch, Outcome: r.Outcome, Seconds: r.Seconds, Dir: r.Dir, Reason: "as documented: " + run.Reason}
		}
	}
	f.display.done(name, r)
}
