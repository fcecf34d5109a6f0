package migration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/guest"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/record"
)

// A Linux is how a scenario's guest is that is Linux. The zero value is one vCPU, and the port
// that it talks through.
type Linux struct {
	CPUs    int      // 0 means 1
	Devices []string // of guest.Devices, beside the port
	Console bool     // it talks through its console, and has no port
	Options []string // of its workers: NAME=VALUE
}

// linuxRun is what a run with such a guest has.
type linuxRun struct {
	declared  *Linux
	image     guest.Image
	resources *guest.Resources
	heard     *guest.Session
	places    map[*Side]int64               // as far as was heard of each side's stream
	plugged   []guest.Device                // so far, beside vCPUs
	plugArgs  []func(owner string) []string // the options for all that was plugged
	begun     []string                      // workers that were told to start since
}

func declareLinux(a *Args, s *Scenario) {
	l := &Linux{}
	for a.More() {
		switch {
		case a.Option("cpus"):
			if l.CPUs = a.Int("the number of vCPUs"); l.CPUs < 1 || l.CPUs > 255 {
				a.Fail("a guest has 1 to 255 vCPUs")
				return
			}
		case a.Option("console"):
			l.Console = true
		case a.Option("options"):
			l.Options = strings.Split(a.Word("the workers' options"), ",")
		case a.Option("with"):
			for more := true; more; more = a.More() {
				l.Devices = append(l.Devices, a.OneOf("a device", guest.DeviceNames()[1:]...))
			}
		default:
			a.OneOf("a word of guest linux", "cpus", "console", "options", "with")
			return
		}
	}
	s.Guest.Linux, s.Guest.Program = l, ""
	s.Needs = append(s.Needs, Arch(guest.Arches()))
}

// programName is what the guest runs, as a record names it.
func (g Guest) programName() string {
	if g.Linux != nil {
		return fixtures.Linux
	}
	return g.Program
}

// program is what the scenario's guest runs. For Linux it is made first, where it isn't in the
// cache; an [*UnsupportedError] says what is lacking.
func (s Scenario) program(ctx context.Context, o Options) (fixtures.Program, *linuxRun, error) {
	l := s.Guest.Linux
	if l == nil {
		p, err := s.Guest.program(o.Arch)
		return p, nil, err
	}
	var image guest.Image
	err := s.withKernel(o, func(spec guest.Spec) (err error) {
		image, err = guest.Build(ctx, spec)
		return err
	})
	_, noTool := errors.AsType[*guest.ToolchainError](err)
	_, noModule := errors.AsType[*guest.ModuleError](err)
	if noTool || noModule || errors.Is(err, fs.ErrNotExist) {
		err = &UnsupportedError{err.Error()}
	}
	p := fixtures.ForLinux(o.Arch)
	p.KernelFile, p.Initrd, p.Append, p.MemoryMiB = image.Kernel, image.Initrd, image.Append, image.MemoryMiB
	return p, &linuxRun{declared: l, image: image, heard: guest.NewSession(), places: map[*Side]int64{}}, err
}

// withKernel does something with what a Linux guest is to be made of: with each kernel, until one
// has all modules that the guest needs.
func (s Scenario) withKernel(o Options, do func(guest.Spec) error) error {
	l := s.Guest.Linux
	spec := guest.Spec{
		Arch: o.Arch, Kernel: o.Kernel, Modules: o.Modules, Devices: l.Devices, CPUs: l.CPUs, Console: l.Console, Options: l.Options,
		Plugged: s.plugs(),
	}
	if o.Kernel != "" {
		return do(spec)
	}
	if o.FindKernels == nil {
		return &UnsupportedError{"no kernel for a Linux guest is named: Options.Kernel is the file, and Options.Modules the folder of its modules"}
	}
	var lacks *guest.ModuleError // of the first kernel that is here
	var help error               // how to get the first that isn't
	for kernel, missing := range o.FindKernels(o.Arch) {
		if missing != nil {
			help = cmp.Or(help, missing)
			continue
		}
		spec.Kernel, spec.Modules = kernel.File, kernel.Modules
		err := do(spec)
		lacking, isModule := errors.AsType[*guest.ModuleError](err)
		if !isModule {
			return err
		}
		lacks = cmp.Or(lacks, lacking)
	}
	switch {
	case lacks != nil && help != nil:
		lacks.Remedy = help.Error()
		return lacks
	case lacks != nil:
		return lacks
	case help != nil:
		return &UnsupportedError{help.Error()}
	}
	return &UnsupportedError{"no kernel for a Linux guest on " + o.Arch + " is known"}
}

// CheckKernel returns why no kernel of the options' has all modules that the scenario's Linux guest
// needs; nil where one has, and where the guest is not Linux. Nothing is built.
func (s Scenario) CheckKernel(o Options) error {
	if s.Guest.Linux == nil {
		return nil
	}
	o.defaults()
	return s.withKernel(o, guest.Spec.CheckModules)
}

// ModelArgs are options for a QEMU that is asked what becomes of the scenario's guest ([Preflight]):
// the devices that a Linux guest begins with, which no option of the run's names; nil where it is
// a guest program, which has none of its own.
func (s Scenario) ModelArgs() ([]string, error) {
	l := s.Guest.Linux
	if l == nil {
		return nil, nil
	}
	args, err := guest.Spec{Devices: l.Devices, CPUs: l.CPUs, Console: l.Console}.ModelArgs()
	if err != nil {
		return nil, fmt.Errorf("migration: %w", err)
	}
	return args, nil
}

// port is the id of the chardev that the guest talks through, "" for none.
func (l *linuxRun) port() string {
	if l == nil || l.declared.Console {
		return ""
	}
	return guest.PortChardev
}

// prepare makes what the devices of both sides share. The error is an *[UnsupportedError] where
// a QEMU is too old for one of them: it would not start.
func (l *linuxRun) prepare(ctx context.Context, p *Pair) error {
	if l == nil {
		return nil
	}
	for _, side := range []string{SourceName, DestinationName} {
		info, err := launcher.Identify(ctx, p.run.config(side))
		if err != nil {
			return &StartError{err}
		}
		for _, d := range slices.Concat(l.image.Devices, l.image.Plugged) {
			if d.Since != "" && !Release(d.Since).In(info.Version) {
				return &UnsupportedError{fmt.Sprintf("QEMU %d.%d can't give a Linux guest the device %s as drover does, which needs %s",
					info.Version.Major, info.Version.Minor, d.Name, d.Since)}
			}
		}
	}
	p.Defer(func() {
		for _, do := range slices.Backward(l.resources.CleanUp) {
			do()
		}
	})
	return l.image.Prepare(l.resources)
}

// connected returns when a QEMU has connected the guest's network devices, which it does behind
// its monitor's back after it has started.
func (l *linuxRun) connected(ctx context.Context, vm *launcher.VM) error {
	if l == nil {
		return nil
	}
	for _, d := range slices.Concat(l.image.Devices, l.plugged) {
		if d.Netdev == "" {
			continue
		}
		if err := connectedNetdev(ctx, vm, d); err != nil {
			return err
		}
	}
	return nil
}

func connectedNetdev(ctx context.Context, vm *launcher.VM, d guest.Device) error {
	connected := regexp.MustCompile(`(?m)^.*\b` + regexp.QuoteMeta(d.Netdev) + `: .*\bunix:`)
	return Poll(ctx, d.Name+" to be connected", func() (bool, error) {
		text, err := qapi.HumanMonitor(ctx, vm.QMP(), "info network")
		return connected.MatchString(text), err
	})
}

// args are what QEMU needs for the guest and its devices: the QEMU that began as that side.
func (l *linuxRun) args(owner string) []string {
	if l == nil {
		return nil
	}
	return l.image.QEMUArgs(l.resourcesOf(owner))
}

// resourcesOf are the resources for the options of the QEMU that began as that side.
func (l *linuxRun) resourcesOf(owner string) *guest.Resources {
	own := *l.resources
	own.Owner = owner
	return &own
}

// backends are the programs that the QEMU that began as that side needs for the devices.
func (l *linuxRun) backends(owner string) (all []launcher.Backend) {
	if l == nil {
		return nil
	}
	for _, b := range l.resourcesOf(owner).Backends(l.image.Devices) {
		all = append(all, launcher.Backend(b))
	}
	return all
}

// lacks says what this host, or the target, lacks for the guest's devices.
func (l *Linux) lacks(plugged []string, o Options) error {
	if l == nil {
		return nil
	}
	for _, name := range slices.Concat(l.Devices, plugged) {
		d, err := guest.DeviceOf(name)
		switch {
		case err != nil: // a vCPU
			continue
		case !d.OnTarget(o.Arch):
			return &UnsupportedError{fmt.Sprintf("a Linux guest on %s has no device %s: it is for %s", o.Arch, name, strings.Join(d.Targets, " and "))}
		case d.Backend == nil:
			continue
		}
		for _, f := range hostFeatures() {
			if f.Name != d.Backend(&guest.Resources{}).Name {
				continue
			}
			if err := f.lacks(o); err != nil {
				return err
			}
		}
	}
	return nil
}

// planned are the facts that such a run begins with.
func (l *linuxRun) planned() *record.LinuxFacts {
	if l == nil {
		return nil
	}
	facts := &record.LinuxFacts{Planned: l.image.Workers, CPUs: max(1, l.declared.CPUs)}
	for _, d := range l.image.Devices {
		facts.Devices = append(facts.Devices, d.Name)
	}
	return facts
}
