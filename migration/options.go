package migration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/launcher/probe"

	"github.com/drover-vm/drover/migration/record"
)

// Options say with what a scenario is run. The zero value runs it on
// qemu-system-x86_64 from PATH, under TCG.
type Options struct {
	Arch                        string // the target; empty means x86_64
	Source                      string // the source's QEMU; empty means qemu-system-<Arch> from PATH
	Destination                 string // the destination's; empty means the source's
	Machine                     string // the machine type of both; empty means the newest that both know
	Accel                       string // empty means tcg
	Args                        []string
	SourceArgs, DestinationArgs []string // added to that side's command line only
	// Kernel is the file of the kernel of a Linux guest, and Modules a folder somewhere below
	// which its modules are. Where Kernel is empty FindKernels is asked for both, for scenarios
	// with such a guest only: the guest has the first kernel that has all modules that it needs.
	// An error in a kernel's place is a sentence that says how to get it; where no kernel does, it
	// makes the scenario a skip.
	Kernel, Modules string
	FindKernels     func(arch string) iter.Seq2[Kernel, error]
	// Budget is the time that the whole run may take. Zero leaves it to the
	// steps, each of which may take so long ([Scenario.Budget] is their sum).
	Budget time.Duration

	// Artifacts is a folder in which the run makes one of its own, with the
	// record, the scenario file, both sides' transcripts, consoles, error output and
	// command lines. It is removed when all is well, unless Keep. Empty means the
	// system's folder for temporary files.
	Artifacts string
	Keep      bool

	// Known, where set, keeps what the QEMUs are asked before they are started, for the
	// scenarios that follow.
	Known *probe.Known

	// Progress, where set, is called with each step as it begins.
	Progress func(step string)
	// Watch, where set, is called with what the source reports of its migration while steps
	// wait for it, some times a second. It is called beside the steps, and should return soon.
	Watch func(record.Sample)
	// Hold, where set, is called with both VMs alive when a step has failed,
	// and they stay so until it returns. It makes both QEMUs listen for a
	// second QMP client.
	Hold func(ctx context.Context, p *Pair, dir string)
	// Rewrite is for tests of the checks: what the steps become.
	Rewrite func(Steps) Steps
}

// A Kernel is what a Linux guest can boot.
type Kernel struct {
	File    string // as QEMU's -kernel takes it
	Modules string // a folder somewhere below which its modules are; empty where all is built in
}

// defaults fills in what empty options mean.
func (o *Options) defaults() {
	o.Arch = cmp.Or(o.Arch, "x86_64")
	o.Source = probe.InPath(cmp.Or(o.Source, "qemu-system-"+o.Arch))
	o.Destination = probe.InPath(cmp.Or(o.Destination, o.Source))
	o.Accel = cmp.Or(o.Accel, "tcg")
}

// checkArgs returns why options for QEMU can't be given.
func (o *Options) checkArgs() error {
	if err := launcher.CheckPairArgs(o.Args); err != nil {
		return err
	}
	if err := launcher.CheckArgs(o.SourceArgs); err != nil {
		return fmt.Errorf("for the source: %w", err)
	}
	if err := launcher.CheckArgs(o.DestinationArgs); err != nil {
		return fmt.Errorf("for the destination: %w", err)
	}
	return nil
}

// settleMachine makes sure that both sides have the same machine. An alias such
// as pc, and QEMU's default, mean another machine type to each version.
func (o *Options) settleMachine(ctx context.Context) error {
	err := o.shareMachine(ctx)
	if none, ok := errors.AsType[*probe.NoCommonMachineError](err); ok {
		return &UnsupportedError{none.Error()}
	}
	return err
}

// leaveMachineTo moves the machine type that the scenario names for both sides to the options,
// where both can be given a version of it that two QEMUs know. A type among the options'
// arguments is the one that counts.
func (g Guest) leaveMachineTo(o *Options) Guest {
	machine, source := probe.MachineOption(g.SourceArgs)
	same, destination := probe.MachineOption(g.DestinationArgs)
	if named, _ := probe.MachineOption(o.Args); named != "" || machine == "" || machine != same {
		return g
	}
	o.Machine, g.SourceArgs, g.DestinationArgs = machine, source, destination
	return g
}

// settleAccel makes sure that both sides have the same accelerator, and says
// which and why. Only is the one that a scenario can't do without.
func (o *Options) settleAccel(ctx context.Context, only string) (string, error) {
	if only != "" {
		o.Accel = only
		return only + ": the scenario's", nil
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

// asSkip is the sentence of a skip, where the error says that something is lacking.
func asSkip(err error) (reason string, ok bool) {
	lacks, ok := errors.AsType[*UnsupportedError](err)
	if ok {
		reason = lacks.Error()
	}
	return reason, ok
}
