package migration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/internal/once"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/launcher/probe"
	"github.com/drover-vm/drover/migration/preflight"
	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"
)

// describeTimeout bounds the description of one machine, which takes a second.
const describeTimeout = time.Minute

// Preflight predicts what becomes of a guest that moves from the source to the
// destination, without moving one: each QEMU is started with the machine that a
// scenario would have, and is asked what it would send of it; then its guest runs
// for a moment, while it is sent to nobody; and where nothing is known against it, what the
// source then sent is given to the destination's. The error says that one of them could
// not be asked; it is a *[probe.NoCommonMachineError] where they have no machine type
// in common.
func Preflight(ctx context.Context, o Options) (*preflight.Report, error) {
	var all Describer
	return all.Preflight(ctx, o)
}

// A Describer predicts for many pairs, and asks each QEMU once for each machine
// type. Its zero value is ready; its methods may be called from several goroutines
// at once.
type Describer struct {
	known once.Map[described, *preflight.Description]
}

// described is what an answer belongs to.
type described struct{ binary, machine, accel, arch, args string }

// Preflight is [Preflight], with what is known already. Both QEMUs are asked at once.
func (a *Describer) Preflight(ctx context.Context, o Options) (*preflight.Report, error) {
	o.defaults()
	if err := o.shareMachine(ctx); err != nil {
		return nil, err
	}
	if _, err := o.settleAccel(ctx, ""); err != nil {
		return nil, err
	}
	var sides [2]*preflight.Description
	var asking errgroup.Group // one that fails does not end the other, whose answer is kept
	for i, side := range []struct {
		binary string
		args   []string
	}{{o.Source, o.SourceArgs}, {o.Destination, o.DestinationArgs}} {
		asking.Go(func() (err error) {
			own := o
			own.Args = slices.Concat(o.Args, side.args)
			sides[i], err = a.describe(ctx, side.binary, own)
			return err
		})
	}
	if err := asking.Wait(); err != nil {
		return nil, err
	}
	r := preflight.Compare(sides[0], sides[1])
	if r.Prediction.Outcome != preflight.Completes || sides[0].Stream == nil {
		return r, nil
	}
	own := o
	own.Args = slices.Concat(o.Args, o.DestinationArgs)
	tried := *sides[1]
	if tried.Loading = own.load(ctx, o.Destination, sides[0].Stream); tried.Loading == nil {
		return r, context.Cause(ctx)
	}
	return preflight.Compare(sides[0], &tried), nil
}

// shareMachine makes sure that both sides are given the same machine type, and that
// it isn't an alias, which may mean another to each. A type among the arguments counts
// as one that was asked for.
func (o *Options) shareMachine(ctx context.Context) error {
	o.machineFromArgs()
	if o.Source == o.Destination {
		return nil
	}
	own := "qemu-system-" + cmp.Or(o.Arch, "x86_64")
	machine, err := probe.SharedMachineOf(ctx, inPath(cmp.Or(o.Source, own)), inPath(cmp.Or(o.Destination, own)), o.Machine)
	if err != nil {
		return fmt.Errorf("migration: %w", err)
	}
	o.Machine = machine
	return nil
}

// machineFromArgs takes the machine type out of the arguments, where one is named
// there, into its own place. Where none is named, that is the one that the guest programs
// are for.
func (o *Options) machineFromArgs() {
	defer func() {
		if o.Machine == "" {
			o.Machine, _ = fixtures.MachineFor(cmp.Or(o.Arch, "x86_64"))
		}
	}()
	if machine, rest := probe.MachineOption(o.Args); machine != "" {
		_, options, _ := strings.Cut(o.Machine, ",")
		o.Machine, o.Args = machine, rest
		if options != "" {
			o.Machine += "," + options
		}
	}
}

func (a *Describer) describe(ctx context.Context, binary string, o Options) (*preflight.Description, error) {
	key := described{binary, o.Machine, o.Accel, o.Arch, fmt.Sprintf("%q", o.Args)}
	return a.known.Get(ctx, key, func(ctx context.Context) (*preflight.Description, error) { return Describe(ctx, binary, o) })
}

// Describe asks a QEMU for its description of the machine that the options name. A machine
// that it does not start, or does not send, or over which it crashes, is described as such.
func Describe(ctx context.Context, binary string, o Options) (*preflight.Description, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, describeTimeout, fmt.Errorf("timed out after %s: %s did not describe its machine", describeTimeout, binary))
	defer cancel()
	o.machineFromArgs()
	o.defaults()
	binary = inPath(binary)
	info, err := probe.Inspect(ctx, binary)
	if err != nil {
		return nil, fmt.Errorf("migration: %w", err)
	}
	d := &preflight.Description{
		Version: info.Version.String(), Machine: o.machineOf(info.Machines), Offers: info.Devices,
		Capabilities: slices.Sorted(maps.Keys(info.Capabilities)),
	}
	for _, m := range info.Machines {
		d.Machines = append(d.Machines, m.Name)
	}
	if !slices.Contains(d.Machines, d.Machine) {
		return d, nil
	}
	text, err := probe.VMState(ctx, binary, d.Machine)
	if err != nil {
		return nil, fmt.Errorf("migration: %w", err)
	}
	if d.Types, err = preflight.ParseTypes(text); err != nil {
		return nil, err
	}
	return d, o.describeVM(ctx, binary, d)
}

// machineOf is the machine type without its options, under its own name.
func (o Options) machineOf(machines []probe.Machine) string {
	wanted, _, _ := strings.Cut(o.Machine, ",")
	for _, m := range machines {
		switch {
		case m.Name == wanted && m.Alias != "":
			return m.Alias
		case wanted == "" && m.Default:
			return cmp.Or(m.Alias, m.Name)
		}
	}
	return wanted
}

// describeVM starts the QEMU with its guest paused, asks what it is made of, and takes
// what it sends: first of the guest as it is, and then of one that runs.
func (o Options) describeVM(ctx context.Context, binary string, d *preflight.Description) error {
	program, err := fixtures.For(o.Arch)
	if err != nil {
		return err
	}
	program = program.Over(describedPages)
	config := launcher.Config{
		Binary: binary, Arch: o.Arch, Name: SourceName, Machine: o.Machine, Accel: o.Accel, Program: &program,
		Args: append(slices.Clone(o.Args), "-S"),
	}
	vm, err := launcher.Launch(ctx, config)
	if exit, ok := errors.AsType[*launcher.ExitError](err); ok && ctx.Err() == nil && exit.Stderr != "" {
		d.NotStarted = lastLine(exit.Stderr)
		return nil
	}
	if err != nil {
		return fmt.Errorf("migration: %w", err)
	}
	defer func() { _ = vm.Kill() }() // how it ends is of no concern
	if err := describeParts(ctx, vm, d); err != nil {
		return fmt.Errorf("migration: asking %s for its machine: %w", binary, err)
	}
	if err := describeStream(ctx, vm, d); err != nil {
		return fmt.Errorf("migration: asking %s for its stream: %w", binary, err)
	}
	if d.Died != nil { // it may still send one that runs
		_ = vm.Kill()
		if vm, err = launcher.Launch(ctx, config); err != nil {
			return fmt.Errorf("migration: %w", err)
		}
	}
	if d.Died == nil && d.Sections == nil {
		return nil
	}
	if err := describeRunning(ctx, vm, program, d); err != nil {
		return fmt.Errorf("migration: asking %s for the stream of a guest that runs: %w", binary, err)
	}
	return nil
}

// describeParts asks what the machine is made of.
func describeParts(ctx context.Context, vm *launcher.VM, d *preflight.Description) error {
	tree, err := qapi.HumanMonitor(ctx, vm.QMP(), "info qtree")
	if err != nil {
		return err
	}
	blocks, err := qapi.HumanMonitor(ctx, vm.QMP(), "info ramblock")
	if err != nil {
		return err
	}
	d.Devices, d.Blocks = preflight.ParseDevices(tree), preflight.ParseBlocks(blocks)
	if d.Queues, err = queuesOf(ctx, vm); err != nil {
		return err
	}
	d.CPU, err = cpuOf(ctx, vm.QMP())
	return err
}

// lastLine is the last line that a QEMU wrote, without its name.
func lastLine(stderr string) string {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	if name, words, ok := strings.Cut(last, ": "); ok && !strings.Contains(name, " ") {
		return words
	}
	return last
}

// queuesOf asks for the sizes of the virtio devices' queues, which a QEMU before 7.2
// does not report.
func queuesOf(ctx context.Context, vm *launcher.VM) (all []preflight.Queue, err error) {
	var devices []struct{ Path, Name string }
	if err := vm.QMP().Execute(ctx, "x-query-virtio", nil, &devices); err != nil {
		return nil, unlessRefused(err)
	}
	for _, device := range devices {
		for number := 0; ; number++ {
			var queue struct {
				Size int `json:"vring-num"`
			}
			asked := map[string]any{"path": device.Path, "queue": number}
			if err := vm.QMP().Execute(ctx, "x-query-virtio-queue-status", asked, &queue); err != nil {
				if err := unlessRefused(err); err != nil {
					return nil, err
				}
				break // there is no such queue
			}
			all = append(all, preflight.Queue{Device: device.Path, Name: device.Name, Number: number, Size: queue.Size})
		}
	}
	return all, nil
}

// unlessRefused is the error, unless it is QEMU's own answer to a command that it refuses.
func unlessRefused(err error) error {
	if _, refused := errors.AsType[*qmp.Error](err); refused {
		return nil
	}
	return err
}
