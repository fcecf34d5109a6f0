package migration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/guest"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/launcher/probe"

	"github.com/drover-vm/drover/migration/internal/tpmstub"
	"github.com/drover-vm/drover/migration/record"
)

// run is one scenario under way.
type run struct {
	ctx       context.Context // that of the VMs
	scenario  Scenario
	options   Options
	program   fixtures.Program
	linux     *linuxRun // nil where the guest is a guest program
	artifacts *launcher.ArtifactFolder
	dir       string                  // of the artifacts
	private   *launcher.PrivateFolder // sockets and keys; removed at the end
	accel     string                  // which, and why
	reserved  *launcher.Reservation
	schemas   schemas
	ram       *os.File            // that both QEMUs map
	ramArgs   []string            // that make them
	placed    map[string][]string // that give the QEMU that began as a side what the scenario declares
	tpms      map[string]*tpmstub.Stub
	globals   map[string][]string // arguments, for each binary
	swapped   bool                // the side that began as the source is the destination now
	slowdown  float64             // of this machine, beside most; 0 until the guest has booted
	clock     *clock              // that steps are bounded by
	host      hostWatch
	sampler   sampler
}

// Run does the steps, gathers the facts, saves and judges them. The error
// says why it could not be run at all: a scenario that makes no sense, no such target, no
// QEMU, no QEMU that starts. What a scenario finds out is in the result.
func (s Scenario) Run(ctx context.Context, o Options) (*record.Result, error) {
	if err := s.Check(); err != nil {
		return nil, fmt.Errorf("migration: %w", err)
	}
	if err := o.checkArgs(); err != nil {
		return nil, fmt.Errorf("migration: %w", err)
	}
	o.Arch = cmp.Or(o.Arch, "x86_64")
	o.Destination = cmp.Or(o.Destination, o.Source)
	if _, err := fixtures.For(o.Arch); err != nil && s.Guest.Linux == nil {
		return nil, err
	}
	result := &record.Result{Scenario: s.Name, Arch: o.Arch}
	lacks := s.lacksBeforeStart(o)
	if lacks == nil {
		s.Guest = s.Guest.leaveMachineTo(&o)
		lacks = o.settleMachine(ctx)
	}
	if reason, ok := asSkip(lacks); ok {
		result.Outcome, result.Reason = record.Skip, reason
		return result, nil
	}
	if lacks != nil {
		return nil, lacks
	}
	program, linux, err := s.program(ctx, o)
	if reason, ok := asSkip(err); ok {
		result.Outcome, result.Reason = record.Skip, reason
		return result, nil
	}
	if err != nil {
		return nil, err
	}
	accel, err := o.settleAccel(ctx, s.Guest.Accel)
	if err != nil {
		return nil, err
	}
	if s.Guest.MemoryMiB > 0 {
		program.MemoryMiB = s.Guest.MemoryMiB
	}
	if s.Guest.Pages > 0 {
		program = program.Over(s.Guest.Pages)
	}
	program = program.AtRate(s.Guest.Rate)
	machine, _ := probe.MachineOption(slices.Concat(s.Guest.SourceArgs, o.Args, o.SourceArgs))
	r := &run{scenario: s, options: o, program: program.On(cmp.Or(machine, o.Machine)), linux: linux, accel: accel}
	if err := r.folders(); err != nil {
		return nil, fmt.Errorf("migration: %w", err)
	}
	defer r.removeSockets()
	if linux != nil {
		linux.resources = &guest.Resources{Dir: r.private.Path(), Owners: []string{SourceName, DestinationName}, Target: o.Arch}
	}
	// Both VMs get their slots on the machine together, and before the clock of
	// the scenario's budget runs.
	if r.reserved, err = launcher.Reserve(ctx, r.config(SourceName), r.config(DestinationName)); err != nil {
		_ = r.artifacts.Remove()
		return nil, fmt.Errorf("migration: waiting for a free slot on this machine: %w", err)
	}
	defer r.reserved.Release()
	err = r.identify(ctx)
	if err == nil {
		err = r.run(ctx, result)
	} else {
		result.Outcome, result.Reason = record.Unknown, err.Error()
	}
	_, neverBegan := errors.AsType[*StartError](err)
	if result.Outcome == record.Pass && !o.Keep || result.Outcome == record.Skip || neverBegan {
		_ = r.artifacts.Remove()
		return result, err
	}
	result.Dir = r.dir
	return result, errors.Join(err, r.artifacts.Keep())
}

// identify asks the QEMUs what they are, before the clock of the first step runs: a script
// that starts one may take its time.
func (r *run) identify(ctx context.Context) error {
	if r.options.Known == nil {
		r.options.Known = new(probe.Known)
	}
	for _, side := range []string{SourceName, DestinationName} {
		if _, err := launcher.Identify(ctx, r.config(side)); err != nil {
			return &StartError{err}
		}
	}
	return nil
}

// run does the steps. What it returns is why they never began.
func (r *run) run(ctx context.Context, result *record.Result) error {
	facts := &record.Record{
		Format: record.Format, Scenario: r.scenario.Name, Arch: r.options.Arch, Program: record.ProgramName(r.program), Pages: r.scenario.Guest.Pages,
		Ends: r.scenario.Ends, Started: time.Now(), Waits: slices.Contains(r.scenario.Guest.DestinationArgs, waits), MemoryMiB: r.program.MemoryMiB,
		Accel: r.accel, Source: &record.SideFacts{}, Gathers: r.scenario.gathers(r.options.Arch),
	}
	result.Record = facts
	facts.Linux = r.linux.planned()
	p := &Pair{Program: r.program, Facts: facts, run: r}
	r.ctx = ctx
	r.clock = startClock()
	r.sampler.watch = r.options.Watch
	defer r.clock.stop()
	r.watchHost()
	defer p.closeAll()
	defer func() { _ = r.ram.Close() }() // nil has a Close that says so

	budget := ctx
	if whole := r.options.Budget; whole > 0 {
		var cancel context.CancelFunc
		budget, cancel = context.WithTimeoutCause(ctx, whole, fmt.Errorf("the scenario's budget of %s is spent", whole))
		defer cancel()
	}
	failed := r.steps(budget, p)
	facts.Samples = r.sampler.take()
	facts.Seconds = time.Since(facts.Started).Seconds()
	result.Seconds = facts.Seconds
	if reason, ok := asSkip(failed); ok {
		result.Outcome, result.Reason = record.Skip, reason
		return nil
	}
	if failed != nil {
		r.afterFailure(ctx, p, failed)
	}
	if wrong := failed != nil || record.Worst(record.Judge(facts)) == record.Fail; wrong || facts.Ends != record.OnDestination {
		p.noteStrangers(wrong)
	}
	saved := r.save(facts)
	if start, ok := errors.AsType[*StartError](failed); ok {
		result.Outcome, result.Reason = record.Unknown, start.Error()
		return start
	}
	if ctx.Err() != nil {
		result.Outcome, result.Reason = record.Unknown, "interrupted: "+facts.Error
		return context.Cause(ctx)
	}
	if saved != nil {
		return saved
	}
	result.Judge()
	return nil
}

// save writes the record among the artifacts, and the scenario as it was run.
func (r *run) save(facts *record.Record) error {
	if r.scenario.Text != "" {
		if err := os.WriteFile(filepath.Join(r.dir, ScenarioFile), []byte(r.scenario.Text), 0o600); err != nil {
			return err
		}
	}
	return facts.Save(r.dir)
}

// steps does one after another and returns the first error, with the step's name.
func (r *run) steps(ctx context.Context, p *Pair) error {
	steps := r.scenario.All()
	if r.options.Rewrite != nil {
		steps = r.options.Rewrite(steps)
	}
	p.Facts.Planned = len(steps)
	if r.options.Hold != nil {
		steps = slices.Insert(steps, len(steps)-1, r.holdIfAnyFails())
	}
	p.Facts.Planned = len(steps)
	phase := record.PhaseStart
	for _, step := range steps {
		phase = cmp.Or(step.Phase, phase)
		if r.options.Progress != nil {
			r.options.Progress(step.Name)
		}
		began, measured, cut := time.Now(), len(p.Facts.Measures), r.clock.cutShort()
		err := r.step(ctx, p, step)
		done := record.StepFacts{
			Name: step.Name, Line: step.Line, Seconds: time.Since(began).Seconds(), Phase: phase,
			Measured: max(0, len(p.Facts.Measures)-measured), Legs: len(p.Facts.Legs),
		}
		if err != nil {
			_, slow := errors.AsType[*HostError](err)
			_, untried := errors.AsType[*StartError](err)
			done.Error, done.Timed, done.Untried = err.Error(), slow || r.clock.cutShort() > cut, untried
			err = fmt.Errorf("%s: %w", step.Name, err)
			if step.Line > 0 {
				err = fmt.Errorf("line %d: %w", step.Line, err)
			}
		}
		p.Facts.Steps = append(p.Facts.Steps, done)
		if err != nil {
			return err
		}
	}
	return nil
}

// panicFile holds the stack of a step that panicked.
const panicFile = "panic.txt"

// step does one. A panic in it is its failure.
func (r *run) step(ctx context.Context, p *Pair, step Step) (err error) {
	ctx, cancel := r.bounded(ctx, step)
	defer cancel()
	if strings.HasPrefix(step.Name, "await ") {
		defer r.sampler.wait()()
	}
	defer func() {
		if broken := recover(); broken != nil {
			err = fmt.Errorf("the step panicked: %v; its stack is in %s", broken, panicFile)
			_ = os.WriteFile(filepath.Join(r.dir, panicFile), fmt.Appendf(nil, "%v\n\n%s", broken, debug.Stack()), 0o600)
		}
	}()
	return step.Do(ctx, p)
}
