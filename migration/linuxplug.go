package migration

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/guest"
	"github.com/drover-vm/drover/guest/wire"
	"github.com/drover-vm/drover/protocol/qapi"
)

// perVCPU are the workers that have a part for each vCPU that there is when they start.
var perVCPU = []string{"cpu", "vcpus", "flags"}

// plugs are the names of what the scenario's steps plug into a Linux guest, in that order.
func (s Scenario) plugs() (names []string) {
	for _, step := range s.Steps {
		if step.PlugsGuest != "" {
			names = append(names, step.PlugsGuest)
		}
	}
	return names
}

// Plug plugs a device of package guest's, or a vCPU, into a Linux guest that runs on the source,
// and returns when the guest uses it and its worker has looked at it once. A destination that is
// started from now on has it on its command line.
func (p *Pair) Plug(ctx context.Context, name string) error {
	l := p.run.linux
	if l == nil {
		return errNotLinux
	}
	if name == guest.VCPU {
		return p.plugVCPU(ctx)
	}
	i := slices.IndexFunc(l.image.Plugged, func(d guest.Device) bool { return d.Name == name })
	if i < 0 {
		return fmt.Errorf("the guest was not made for %s: it is not what the scenario plugs", name)
	}
	d := l.image.Plugged[i]
	port := l.portOf(p.Program, i)
	if err := p.plug(ctx, func(owner string) []string { return l.argsOf(d, owner, port) }); err != nil {
		return err
	}
	if d.Netdev != "" {
		if err := connectedNetdev(ctx, p.Source.VM, d); err != nil {
			return err
		}
	}
	if _, err := p.noteRAM(ctx); err != nil { // which may be more now
		return err
	}
	l.plugged = append(l.plugged, d)
	p.Facts.Linux.Devices = append(p.Facts.Linux.Devices, name)
	return p.startWorkers(ctx, d.Workers)
}

// argsOf are the options that make a device on that port, where it needs one.
func (l *linuxRun) argsOf(d guest.Device, owner, port string) []string {
	args := slices.Clone(d.Args(l.resourcesOf(owner)))
	for i, arg := range args {
		onPCI := strings.HasPrefix(arg, "virtio-") || strings.HasPrefix(arg, "nvme,")
		if port != "" && onPCI && !strings.Contains(arg, ",bus=") {
			args[i] += ",bus=" + port
		}
	}
	return args
}

// plug carries out on the source what would stand on its command line, and keeps it for QEMUs that
// are started later.
func (p *Pair) plug(ctx context.Context, args func(owner string) []string) error {
	// The human monitor takes what the command line does, but for what came with QAPI.
	commands := map[string]string{"-device": "device_add", "-object": "object_add", "-drive": "drive_add 0", "-chardev": "chardev-add"}
	modern := map[string][2]string{"-netdev": {"netdev_add", "type"}, "-blockdev": {"blockdev-add", "driver"}}
	for pair := range slices.Chunk(args(p.run.owner(SourceName)), 2) {
		if command, ok := modern[pair[0]]; ok {
			if err := p.Source.Execute(ctx, command[0], fromOption(command[1], pair[1])); err != nil {
				return err
			}
			continue
		}
		command := commands[pair[0]]
		if command == "" || strings.ContainsAny(pair[1], " \t\"\\") {
			return fmt.Errorf("the option %s can't be given to a machine that runs", pair)
		}
		reply, err := qapi.HumanMonitor(ctx, p.Source.QMP(), command+" "+pair[1])
		if err != nil {
			return err
		}
		if reply = strings.TrimSpace(reply); reply != "" && reply != "OK" {
			return fmt.Errorf("%s %s: %s", command, pair[1], reply)
		}
	}
	p.run.linux.plugArgs = append(p.run.linux.plugArgs, args)
	return nil
}

// fromOption is what an option says, as a command's arguments: the first word may be the value of
// the one that is implied, a dot leads into an object, and on and off are booleans.
func fromOption(implied, option string) map[string]any {
	all := map[string]any{}
	for i, word := range strings.Split(strings.ReplaceAll(option, ",,", "\x00"), ",") {
		name, value, named := strings.Cut(strings.ReplaceAll(word, "\x00", ","), "=")
		if i == 0 && !named {
			name, value = implied, name
		}
		into := all
		for outer, rest, more := strings.Cut(name, "."); more; outer, rest, more = strings.Cut(name, ".") {
			inner, _ := into[outer].(map[string]any)
			if inner == nil {
				inner = map[string]any{}
				into[outer] = inner
			}
			into, name = inner, rest
		}
		switch value {
		case "on", "off":
			into[name] = value == "on"
		default:
			into[name] = value
		}
	}
	return all
}

// startWorkers starts workers of the source's guest, and waits until they have looked at all that
// they have once.
func (p *Pair) startWorkers(ctx context.Context, names []string) error {
	for _, name := range names {
		if _, err := p.Tell(ctx, p.Source, wire.Start, name); err != nil {
			return err
		}
		p.run.linux.begun = append(p.run.linux.begun, name)
	}
	return p.HearUntil(ctx, p.Source, "the guest's workers "+strings.Join(names, ", ")+" to begin", func(g *guest.Session) bool { return g.Began(names) })
}

// A hotpluggable is a place for a vCPU, which is there already where it has a path.
type hotpluggable struct {
	Type  string
	Props map[string]json.RawMessage
	Path  string `json:"qom-path"`
}

// device is the vCPU at that place, as -device takes it.
func (h hotpluggable) device(id string) string {
	text := h.Type + ",id=" + id
	for _, name := range slices.Sorted(maps.Keys(h.Props)) {
		text += fmt.Sprintf(",%s=%s", name, strings.Trim(string(h.Props[name]), `"`))
	}
	return text
}

// plugVCPU plugs a vCPU into the first place that is free, and has the guest use it.
func (p *Pair) plugVCPU(ctx context.Context) error {
	var places []hotpluggable
	if err := p.Source.QMP().Execute(ctx, "query-hotpluggable-cpus", nil, &places); err != nil {
		return err
	}
	place := ""
	f, l := p.Facts.Linux, p.run.linux
	for _, h := range places { // the last of them come first
		if h.Path == "" {
			place = h.device(fmt.Sprintf("guest-vcpu-%d", f.CPUs))
		}
	}
	if place == "" {
		return fmt.Errorf("no place is free for a vCPU: all %d are taken", len(places))
	}
	for _, name := range perVCPU {
		if _, err := p.Tell(ctx, p.Source, wire.Stop, name); err != nil {
			return err
		}
	}
	if err := p.plug(ctx, func(string) []string { return []string{"-device", place} }); err != nil {
		return err
	}
	number, err := p.Tell(ctx, p.Source, wire.Online, "")
	if err != nil {
		return err
	}
	if err := p.HearUntil(ctx, p.Source, "the guest to use the vCPU", func(g *guest.Session) bool { return g.Done(number) }); err != nil {
		return err
	}
	if problems := l.heard.Problems(); len(problems) > 0 {
		return fmt.Errorf("the guest says: %s", strings.Join(problems, "; "))
	}
	if err := p.startWorkers(ctx, perVCPU); err != nil {
		return err
	}
	f.CPUs++
	counts, err := p.hearCounts(ctx, p.Source, wire.Report)
	if err == nil && !p.noteOnline(counts) {
		err = fmt.Errorf("no thread of the guest's runs on the vCPU that was plugged: %d do on others, expected %d", f.Online, f.CPUs)
	}
	return err
}

// noteOnline takes from the guest's counts how many vCPUs a thread of its own runs on, and says
// whether that is each.
func (p *Pair) noteOnline(counts map[string]guest.WorkerState) bool {
	f := p.Facts.Linux
	if n, counted := counts["vcpus"].Counts.Counts["vcpus"]; counted {
		f.Online = int(n)
	}
	return f.Online == f.CPUs
}

// portOf is the port for the device that is the plugged one of that number, where the machine has
// no slot of its own that takes one while it runs.
func (l *linuxRun) portOf(program fixtures.Program, number int) string {
	if program.PCIPort == "" {
		return ""
	}
	return fmt.Sprintf("guest-port-%d", number)
}

// portArgs make the ports for all that will be plugged.
func (l *linuxRun) portArgs(program fixtures.Program) (args []string) {
	if l == nil {
		return nil
	}
	for i := range l.image.Plugged {
		if port := l.portOf(program, i); port != "" {
			args = append(args, "-device", fmt.Sprintf("pcie-root-port,id=%s,chassis=%d", port, 16+i))
		}
	}
	return args
}

// pluggedArgs are what has been plugged, on the command line of the QEMU that began as that side.
func (l *linuxRun) pluggedArgs(owner string) (args []string) {
	if l == nil {
		return nil
	}
	for _, of := range l.plugArgs {
		args = append(args, of(owner)...)
	}
	return args
}

// running are the workers that have something to watch by now.
func (l *linuxRun) running() []string {
	return slices.DeleteFunc(slices.Clone(l.image.Workers), func(name string) bool {
		return slices.Contains(l.image.Later, name) && !slices.Contains(l.begun, name)
	})
}
