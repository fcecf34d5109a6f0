package migration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/launcher/probe"

	"github.com/drover-vm/drover/migration/record"
)

// Options say with what a scenario is run. The zero value runs it on
// qemu-system-x86_64 from PATH, under TCG.
type Options struct {
	Arch        string // the target; empty means x86_64
	Source      string // the source's QEMU; empty means qemu-system-<Arch> from PATH
	Destination string // the destination's; empty means the source's
	Machine     string // the machine type of both; empty means the newest that both know
	Accel       string // empty means tcg
	Args        []string
	// Budget is the time that the whole story may take. Zero leaves it to the
	// steps, each of which may take so long ([Scenario.Budget] is their sum).
	Budget time.Duration

	// Artifacts is a folder in which the run makes one of its own, with the
	// record, both sides' transcripts, consoles, error output and command
	// lines. It is removed when all is well, unless Keep. Empty means the
	// system's folder for temporary files.
	Artifacts string
	Keep      bool

	// Known, where set, keeps what the QEMUs are asked before they are started, for the
	// scenarios that follow.
	Known *probe.Known

	// Progress, where set, is told each step as it begins.
	Progress func(step string)
	// Hold, where set, is called with both VMs alive when a step has failed,
	// and they stay so until it returns. It makes both QEMUs listen for a
	// second QMP client.
	Hold func(ctx context.Context, p *Pair, dir string)
	// Facility for tests of the checks: what the story becomes.
	Rewrite func(Steps) Steps
}

// run is one scenario under way.
type run struct {
	ctx      context.Context // that of the VMs
	scenario Scenario
	options  Options
	program  fixtures.Program
	dir      string                  // artifacts
	private  *launcher.PrivateFolder // sockets and keys; removed at the end
	accel    string                  // which, and why
	room     *launcher.Reservation
	schemas  schemas
	ram      *os.File
	ramArgs  []string            // that make both QEMUs map it
	globals  map[string][]string // arguments, for each binary
	turned   bool                // the side that began as the source is the destination now
	pace     float64             // by how much this machine is slower than most; 0 until the guest has booted
}

// Run tells the story, gathers the facts, saves and judges them. The error
// says why it could not be run at all: no such target, no QEMU, no QEMU that
// starts. What a scenario finds out is in the result.
func (s Scenario) Run(ctx context.Context, o Options) (*record.Result, error) {
	if o.Arch == "" {
		o.Arch = "x86_64"
	}
	if o.Destination == "" {
		o.Destination = o.Source
	}
	program, err := fixtures.For(o.Arch)
	if err != nil {
		return nil, err
	}
	result := &record.Result{Scenario: s.Name, Arch: o.Arch}
	if missing := s.missingOnHost(); missing != "" {
		result.Outcome, result.Reason = record.Skip, missing
		return result, nil
	}
	if err := o.settleMachine(ctx); err != nil {
		if missing, ok := errors.AsType[*MissingError](err); ok {
			result.Outcome, result.Reason = record.Skip, missing.Error()
			return result, nil
		}
		return nil, err
	}
	accel, err := o.settleAccel(ctx, s)
	if err != nil {
		return nil, err
	}
	if s.MemoryMiB > 0 {
		program.MemoryMiB = s.MemoryMiB
	}
	if s.Pages > 0 {
		program = program.Over(s.Pages)
	}
	r := &run{scenario: s, options: o, program: program, accel: accel}
	if err := r.folders(); err != nil {
		return nil, fmt.Errorf("migration: %w", err)
	}
	defer r.removeSockets()
	// Both VMs take their room on the machine together, and before the clock of
	// the scenario's budget runs.
	if r.room, err = launcher.Reserve(ctx, r.config(SourceName), r.config(DestinationName)); err != nil {
		_ = os.RemoveAll(r.dir)
		return nil, fmt.Errorf("migration: waiting for room on this machine: %w", err)
	}
	defer r.room.Release()
	err = r.tell(ctx, result)
	_, neverBegan := errors.AsType[*StartError](err)
	if result.Outcome == record.Pass && !o.Keep || result.Outcome == record.Skip || neverBegan {
		_ = os.RemoveAll(r.dir)
	} else {
		result.Dir = r.dir
	}
	return result, err
}

// settleMachine makes sure that both sides have the same machine. An alias such
// as pc, and QEMU's default, mean another machine type to each version.
func (o *Options) settleMachine(ctx context.Context) error {
	if o.Source == o.Destination {
		return nil
	}
	source, err := probe.Machines(ctx, o.Source)
	if err != nil {
		return fmt.Errorf("migration: %w", err)
	}
	destination, err := probe.Machines(ctx, o.Destination)
	if err != nil {
		return fmt.Errorf("migration: %w", err)
	}
	wanted, rest, more := strings.Cut(o.Machine, ",")
	machine := probe.CommonMachine(source, destination, wanted)
	switch {
	case machine != "" && more:
		o.Machine = machine + "," + rest
	case machine != "":
		o.Machine = machine
	case wanted == "":
		return &MissingError{fmt.Sprintf("%s and %s share no versioned machine type", o.Source, o.Destination)}
	}
	return nil
}

// settleAccel makes sure that both sides have the same accelerator, and says
// which and why.
func (o *Options) settleAccel(ctx context.Context, s Scenario) (string, error) {
	if s.Accel != "" {
		o.Accel = s.Accel
		return s.Accel + ": the scenario's", nil
	}
	switch o.Accel {
	case "":
		o.Accel = "tcg"
		return "tcg: the default", nil
	case launcher.AccelAuto:
		own := "qemu-system-" + o.Arch
		choice, err := launcher.CommonAccel(ctx, o.Arch, cmp.Or(o.Source, own), cmp.Or(o.Destination, own))
		if err != nil {
			return "", fmt.Errorf("migration: %w", err)
		}
		o.Accel = choice.Accel
		return choice.String(), nil
	}
	return o.Accel + ": as asked for", nil
}

// folders makes the folder for artifacts, and one with a path short enough for
// a socket's.
func (r *run) folders() error {
	base := r.options.Artifacts
	if base != "" {
		if err := os.MkdirAll(base, 0o700); err != nil {
			return err
		}
	}
	name := r.options.Arch + "-" + strings.ReplaceAll(r.scenario.Name, "/", "-")
	var err error
	if r.dir, err = os.MkdirTemp(base, "drover-"+name+"-"); err != nil {
		return err
	}
	if r.dir, err = filepath.Abs(r.dir); err != nil {
		return err
	}
	r.private, err = launcher.NewPrivateFolder()
	return err
}

// keepLogs renames what a side has written, for another of the same name.
func (r *run) keepLogs(side, as string) error {
	old, err := filepath.Glob(filepath.Join(r.dir, side+".*"))
	if err != nil {
		return err
	}
	for _, path := range old {
		name := as + "-" + filepath.Base(path)
		if err := os.Rename(path, filepath.Join(r.dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// removeSockets takes the private folder away.
func (r *run) removeSockets() { _ = r.private.Remove() }

// config is how one side is started.
func (r *run) config(side string) launcher.Config {
	o := r.options
	c := launcher.Config{
		Binary: o.Source, Arch: o.Arch, Name: side, Machine: o.Machine, Accel: o.Accel,
		Dir: r.dir, Args: slices.Concat(r.scenario.Source.Args, o.Args), Reservation: r.room, Known: o.Known,
	}
	if o.Hold != nil {
		c.Attach = filepath.Join(r.private.Path(), side+".qmp")
	}
	if r.turned != (side == DestinationName) {
		c.Binary = o.Destination
	}
	if side == DestinationName {
		c.Args = slices.Concat(r.scenario.Destination.Args, o.Args)
		if !r.scenario.HandOver {
			c.Args = append(c.Args, "-incoming", "defer")
		}
	}
	if r.scenario.Ends != record.NoGuest {
		c.Program = &r.program
	}
	c.Args = slices.Concat(c.Args, r.ramArgs, r.globals[c.Binary])
	return c
}

// tell goes through the steps. What it returns is why the story never began.
func (r *run) tell(ctx context.Context, result *record.Result) error {
	facts := &record.Record{
		Format: record.Format, Scenario: r.scenario.Name, Arch: r.options.Arch,
		Ends: r.scenario.Ends, Started: time.Now(), Waits: slices.Contains(r.scenario.Destination.Args, waits), MemoryMiB: r.program.MemoryMiB,
		Accel: r.accel, Source: &record.SideFacts{},
	}
	result.Record = facts
	p := &Pair{Program: r.program, Facts: facts, run: r}
	r.ctx = ctx
	defer p.closeAll()
	defer func() { _ = r.ram.Close() }() // nil has a Close that says so

	budget := ctx
	if whole := r.options.Budget; whole > 0 {
		var cancel context.CancelFunc
		budget, cancel = context.WithTimeoutCause(ctx, whole, fmt.Errorf("the scenario's budget of %s is spent", whole))
		defer cancel()
	}
	failed := r.steps(budget, p)
	facts.Seconds = time.Since(facts.Started).Seconds()
	result.Seconds = facts.Seconds
	if missing, ok := errors.AsType[*MissingError](failed); ok {
		result.Outcome, result.Reason = record.Skip, missing.Error()
		return nil
	}
	if failed != nil {
		r.afterFailure(ctx, p, failed)
	}
	if err := facts.Save(r.dir); err != nil {
		return err
	}
	if start, ok := errors.AsType[*StartError](failed); ok {
		result.Outcome, result.Reason = record.Unknown, start.Error()
		return start
	}
	if ctx.Err() != nil {
		result.Outcome, result.Reason = record.Unknown, "interrupted: "+facts.Error
		return context.Cause(ctx)
	}
	result.Judge()
	return nil
}

// steps does one after another and returns the first error, with the step's name.
func (r *run) steps(ctx context.Context, p *Pair) error {
	steps := r.scenario.Full()
	if r.options.Rewrite != nil {
		steps = r.options.Rewrite(steps)
	}
	if r.options.Hold != nil {
		steps = slices.Insert(steps, len(steps)-1, r.holdIfAnyFails())
	}
	phase := record.PhaseStart
	for _, step := range steps {
		phase = cmp.Or(step.Phase, phase)
		if r.options.Progress != nil {
			r.options.Progress(step.Name)
		}
		began := time.Now()
		bounded, cancel := r.bounded(ctx, step)
		err := step.Do(bounded, p)
		cancel()
		done := record.StepFacts{Name: step.Name, Seconds: time.Since(began).Seconds(), Phase: phase}
		if err != nil {
			done.Error = err.Error()
			err = fmt.Errorf("%s: %w", step.Name, err)
		}
		p.Facts.Steps = append(p.Facts.Steps, done)
		if err != nil {
			return err
		}
	}
	return nil
}

// holdIfAnyFails lets a person look at VMs whose story went well and whose
// facts fail a check, before they are told to quit.
func (r *run) holdIfAnyFails() Step {
	return Step{Name: "judge before the end", Do: func(ctx context.Context, p *Pair) error {
		p.gatherLogs(ctx)
		for _, v := range record.Judge(p.Facts) {
			if v.Outcome == record.Fail {
				r.options.Hold(r.ctx, p, r.dir)
				break
			}
		}
		return nil
	}}
}

// afterFailure gathers what a person needs to find out why, and lets them look.
func (r *run) afterFailure(ctx context.Context, p *Pair, failed error) {
	p.Facts.Error = failed.Error()
	if ctx.Err() == nil {
		look, cancel := context.WithTimeout(ctx, diagnosisPatience)
		p.Facts.Diagnosis = p.diagnose(look)
		p.gatherLogs(look)
		cancel()
		p.saveDiagnoses(ctx, r.dir)
		p.noteUnexpectedEnds()
		if r.options.Hold != nil && len(p.Sides()) > 0 {
			r.options.Hold(ctx, p, r.dir)
		}
	}
}
