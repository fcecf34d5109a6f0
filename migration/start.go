package migration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/record"
)

// A StartError says that a scenario could not begin, for its QEMUs did not come up.
type StartError struct{ Cause error }

func (e *StartError) Error() string { return e.Cause.Error() }
func (e *StartError) Unwrap() error { return e.Cause }

// waits is QEMU's option for a side that does not run the guest before cont.
const waits = "-S"

// config is how one side is started.
func (r *run) config(side string) launcher.Config {
	o, guest := r.options, r.scenario.Guest
	c := launcher.Config{
		Binary: o.Source, Arch: o.Arch, Name: side, Machine: o.Machine, Accel: o.Accel,
		Dir: r.dir, Args: slices.Concat(guest.SourceArgs, o.Args, o.SourceArgs), Reservation: r.reserved, Known: o.Known,
	}
	if o.Hold != nil {
		c.Attach = filepath.Join(r.private.Path(), side+".qmp")
	}
	owner := r.owner(side)
	if owner == DestinationName {
		c.Binary = o.Destination
	}
	if side == DestinationName {
		c.Args = slices.Concat(guest.DestinationArgs, o.Args, o.DestinationArgs)
		if guest.RAM != HandedOverRAM {
			c.Args = append(c.Args, "-incoming", "defer")
		}
	}
	if r.scenario.Ends != record.NoGuest {
		c.Program = &r.program
		if slices.ContainsFunc(r.scenario.Steps, func(s Step) bool { return s.Plugs }) {
			c.Args = slices.Concat(r.program.PCIPortArgs(), c.Args)
		}
	} else {
		c.Args = append(c.Args, waits) // a firmware that finds nothing to boot may end the machine
	}
	c.Args = slices.Concat(r.linux.args(owner), r.linux.portArgs(r.program), c.Args, r.ramArgs, r.placed[owner], r.globals[c.Binary], r.linux.pluggedArgs(owner))
	c.Port, c.Backends = r.linux.port(), r.linux.backends(owner)
	return c
}

// owner is as which side the QEMU began that is that side now.
func (r *run) owner(side string) string {
	if r.swapped != (side == DestinationName) {
		return DestinationName
	}
	return SourceName
}

// startTimeout is how long the start of both VMs may take, with what their QEMUs are asked
// before and after. The launcher bounds each by itself, and says what hangs.
const startTimeout = 3 * launcher.DefaultStartTimeout

// start brings up the VMs that the scenario works on: the source with the
// guest program, the destination waiting for the address to listen on.
func start(s Scenario) Step {
	return Step{Name: "start", Timeout: startTimeout, Do: func(ctx context.Context, p *Pair) error {
		r := p.run
		if s.Guest.RAM.comesLater() || s.Guest.Accel != "" {
			if err := r.needBare(ctx, p, s); err != nil {
				return err
			}
		}
		if err := r.settleGlobals(ctx, p); err != nil {
			return err
		}
		if err := r.placeRAM(p); err != nil {
			return err
		}
		r.placed = map[string][]string{}
		if err := r.placeFlash(ctx, p); err != nil {
			return err
		}
		if err := r.placeTPM(p); err != nil {
			return err
		}
		if err := r.linux.prepare(ctx, p); err != nil {
			return err
		}
		source, destination := r.config(SourceName), r.config(DestinationName)
		if s.Guest.RAM == InheritedRAM {
			source.Successor = &destination
		}
		g := new(errgroup.Group)
		g.Go(func() (err error) { p.Source, err = p.launch(ctx, r.ctx, source, p.Facts.Source); return })
		switch {
		case s.Ends == record.NoGuest:
			p.Program = fixtures.Program{}
		case !s.Guest.RAM.comesLater():
			p.Facts.Destination = &record.SideFacts{}
			g.Go(func() (err error) {
				p.Destination, err = p.launch(ctx, r.ctx, destination, p.Facts.Destination)
				return
			})
		}
		if err := g.Wait(); err != nil {
			if older := r.tooOld(ctx, s); older != nil {
				return older
			}
			return &StartError{err}
		}
		if err := r.needQEMU(ctx, p, s); err != nil {
			return err
		}
		return p.checkMemory(ctx)
	}}
}

// tooOld is what a QEMU that does not start is too old to have, nil where there is nothing: that
// the scenario's command line names what came with it is why it did not start.
func (r *run) tooOld(ctx context.Context, s Scenario) error {
	for _, name := range []string{SourceName, DestinationName} {
		info, err := launcher.Identify(ctx, r.config(name))
		if err != nil {
			return nil
		}
		for _, n := range s.Needs {
			what, since := "", Release("")
			switch n := n.(type) {
			case SchemaPath:
				what, since = strconv.Quote(n.Path)+" in QMP's schema", n.Since
			case Device:
				what, since = "the device "+n.Name, n.Since
			}
			if what != "" && !since.In(info.Version) {
				return &UnsupportedError{fmt.Sprintf("QEMU %s did not start, and %s came with %s", info.Version, what, since)}
			}
		}
	}
	return nil
}

// StartDestination starts a destination in place of one that has ended, whose logs are
// kept under the name first.
func (p *Pair) StartDestination(ctx context.Context) (err error) {
	_ = p.Destination.Close()
	if err := p.run.keepLogs(DestinationName, "first"); err != nil {
		return err
	}
	p.Facts.Destination = &record.SideFacts{}
	p.Destination, err = p.launch(ctx, p.run.ctx, p.run.config(DestinationName), p.Facts.Destination)
	return err
}

// LaunchDestination starts a destination whose monitor is not to be waited for by the
// step: args are added to its command line. It returns when the VM has a monitor; it ends
// when life does. It may be called beside the steps, which it leaves it to to make the
// side and its facts those of the pair.
func (p *Pair) LaunchDestination(life context.Context, args ...string) (*Side, error) {
	c := p.run.config(DestinationName)
	c.Args = append(c.Args, args...)
	c.StartTimeout = p.Stretch(StepTimeout) - StepTimeout/5 // so that it is the launcher that reports what came of it
	return p.launch(life, life, c, &record.SideFacts{})
}

// Life is the context of the run's VMs, which outlasts that of a step.
func (p *Pair) Life() context.Context { return p.run.ctx }

// launch starts one side, which lives as long as life.
func (p *Pair) launch(ctx, life context.Context, c launcher.Config, facts *record.SideFacts) (*Side, error) {
	vm, err := launcher.Launch(life, c)
	if err != nil {
		return nil, err
	}
	l := p.run.linux
	if c.Machine == bareMachine { // it has none of the guest's devices
		l = nil
	}
	return p.side(ctx, vm, l, c.Name, facts)
}

// Succeed waits until the QEMU answers that the source has executed in its place, which
// is the destination then; the source can be asked nothing more.
func (p *Pair) Succeed(ctx context.Context) error {
	vm, err := p.Source.Succeed(ctx)
	if err != nil {
		return err
	}
	p.Facts.Replaced, p.Facts.Destination = true, &record.SideFacts{}
	p.Destination, err = p.side(ctx, vm, p.run.linux, DestinationName, p.Facts.Destination)
	return err
}

// side is that of a VM which has just been started, with that Linux guest's devices.
func (p *Pair) side(ctx context.Context, vm *launcher.VM, l *linuxRun, role string, facts *record.SideFacts) (*Side, error) {
	v := vm.QMP().Greeting().Version
	*facts = record.SideFacts{
		Binary: vm.Binary(), Version: fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Micro), Package: v.Package,
		CommandLine: vm.ShellCommand(),
	}
	p.run.clock.usage.watch(vm.PID())
	side := &Side{VM: vm, Facts: facts, role: role, run: p.run}
	if err := vm.SaveCommand(p.run.dir); err != nil {
		return side, err
	}
	if err := qapi.SetMigrateCapabilities(ctx, vm.QMP(), map[string]bool{string(qapi.CapEvents): true}); err != nil {
		return side, err
	}
	if err := l.connected(ctx, vm); err != nil {
		return side, err
	}
	var err error
	side.began, err = side.Resources()
	return side, err
}

// placeRAM makes the file that is the guest's RAM, where the scenario wants one. One that
// both sides map lives in memory, and is opened through our descriptor.
func (r *run) placeRAM(p *Pair) error {
	size := r.program.MemoryMiB
	switch r.scenario.Guest.RAM {
	case HandedOverRAM, InheritedRAM:
		p.Facts.SharedRAM = true
		r.ramArgs = []string{
			"-object", fmt.Sprintf("memory-backend-memfd,id=ram,size=%dM,share=on", size),
			"-machine", "memory-backend=ram,aux-ram-share=on",
		}
	case SharedRAM:
		fd, err := unix.MemfdCreate("drover-ram", unix.MFD_CLOEXEC)
		if err != nil {
			return fmt.Errorf("memfd_create: %w", err)
		}
		r.ram = os.NewFile(uintptr(fd), "drover-ram")
		if err := r.ram.Truncate(int64(size) << 20); err != nil {
			return err
		}
		p.Facts.SharedRAM = true
		r.ramArgs = []string{
			"-object", fmt.Sprintf("memory-backend-file,id=ram,size=%dM,mem-path=/proc/%d/fd/%d,share=on", size, os.Getpid(), fd),
			"-machine", "memory-backend=ram",
		}
	}
	return nil
}

// SwapRoles makes the destination, whose guest has been stopped, the source of what
// comes next, and starts another destination: the QEMU that the source was. What was
// seen so far is a leg of its own.
func (p *Pair) SwapRoles(ctx context.Context) (err error) {
	p.gatherLogs(ctx)
	p.Facts.Samples = p.run.sampler.take()
	p.Facts.Teardown = &record.TeardownFacts{Exits: []record.ExitFacts{p.Quit(ctx, p.Source)}}
	p.Facts.NextLeg()
	for _, side := range []string{SourceName, DestinationName} {
		if err := p.run.keepLogs(side, fmt.Sprintf("leg%d", len(p.Facts.Legs))); err != nil {
			return err
		}
	}
	p.run.swapped = !p.run.swapped
	p.URI, p.LinkSent = "", nil
	p.Source, p.Destination = p.Destination, nil
	p.Source.role, p.Source.Facts = SourceName, p.Facts.Source
	p.run.linux.swapped()
	if p.Destination, err = p.launch(ctx, p.run.ctx, p.run.config(DestinationName), p.Facts.Destination); err != nil {
		return err
	}
	return qapi.Cont(ctx, p.Source.QMP())
}
