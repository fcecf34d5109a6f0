package steps

import (
	"context"
	"errors"
	"strings"

	"github.com/drover-vm/drover/guest"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
)

// What only a Linux guest can be asked.
func linuxVerbs() migration.Vocabulary {
	pluggable := guest.PluggableNames()
	return migration.Vocabulary{
		{
			Name: "plug", Args: "DEVICE",
			Doc: "Plugs a device into a Linux guest that runs on the source, and waits until the guest uses it and its worker watches it: " +
				strings.Join(pluggable, ", ") + "; a destination that is started after that has it from the beginning.",
			Example: "plug virtio-net",
			Step:    func(a *migration.Args) migration.Step { return Plug(a.OneOf("a device", pluggable...)) },
		},
		{
			Name: "await boot", Args: "[within TIME]", Sides: []string{migration.DestinationName, migration.SourceName},
			Doc: "Waits until a Linux guest that was reset has booted, and is on that side or was when it did.", Example: "await boot within 1m",
			Step: func(a *migration.Args) migration.Step { return timed(a, AwaitBoot(a.Side())) },
		},
		{
			Name: "expect picture", Sides: []string{migration.SourceName, migration.DestinationName, migration.BothName},
			Doc:     "Asks QEMU what it shows of a Linux guest's virtio-gpu (screendump): it has to be what the guest drew, the same on both sides while the guest is paused, and a later picture where it runs.",
			Example: "both: expect picture",
			Step:    func(a *migration.Args) migration.Step { return ExpectPicture(a.Side()) },
		},
		{
			Name: "expect pointer", Sides: []string{migration.SourceName, migration.DestinationName, migration.BothName},
			Doc:     "The pointer that a Linux guest has defined for its virtio-gpu (options gpu-pointer=on) is what VNC shows (with vnc).",
			Example: "both: expect pointer",
			Step:    func(a *migration.Args) migration.Step { return ExpectPointer(a.Side()) },
		},
		{
			Name: "expect input", Sides: []string{migration.DestinationName, migration.SourceName},
			Doc:     "Types at the keyboard of a Linux guest that runs on that side, clicks with its tablet and moves it (input-send-event): the guest has to hear each once.",
			Example: "destination: expect input",
			Step:    func(a *migration.Args) migration.Step { return ExpectInput(a.Side()) },
		},
	}
}

// ExpectPicture gathers what is shown of a Linux guest's virtio-gpu, on a side or both.
func ExpectPicture(on string) migration.Step {
	return migration.Step{Name: "expect picture", Wants: []string{"boot"}, Do: func(ctx context.Context, p *migration.Pair) error {
		return each(p, on, func(s *migration.Side) error { return p.ExpectPicture(ctx, s) })
	}}
}

// ExpectPointer demands that VNC shows the pointer of a Linux guest, on a side or both.
func ExpectPointer(on string) migration.Step {
	return migration.Step{Name: "expect pointer", Wants: []string{"boot"}, Do: func(ctx context.Context, p *migration.Pair) error {
		return each(p, on, func(s *migration.Side) error { return p.ExpectPointer(ctx, s) })
	}}
}

// ExpectInput uses the keyboard and the tablet of a Linux guest that runs on a side, and gathers what
// it hears.
func ExpectInput(on string) migration.Step {
	return migration.Step{Name: "expect input", Wants: []string{"boot"}, Timeout: 2 * migration.StepTimeout, Do: func(ctx context.Context, p *migration.Pair) error {
		return each(p, on, func(s *migration.Side) error { return p.ExpectInput(ctx, s) })
	}}
}

// Plug plugs a device of package guest's, or a vCPU (guest.VCPU), into a Linux guest that runs on
// the source. The destination has to be started again.
func Plug(device string) migration.Step {
	return migration.Step{
		Name: "plug " + device, Wants: []string{"boot"}, Gives: []string{"plug"}, PlugsGuest: device, Timeout: 3 * migration.StepTimeout,
		Do: func(ctx context.Context, p *migration.Pair) error { return p.Plug(ctx, device) },
	}
}

// ResetAtOnce resets the machine of a Linux guest, and waits for nothing.
func ResetAtOnce() migration.Step {
	return migration.Step{Name: "system_reset at-once", Wants: []string{"boot"}, Do: func(ctx context.Context, p *migration.Pair) error {
		l := p.Linux()
		if l == nil {
			return errors.New("the guest program has to be waited for: write system_reset without at-once")
		}
		l.ExpectRestart()
		return qapi.SystemReset(ctx, p.Source.QMP())
	}}
}

// AwaitBoot waits until a Linux guest that was reset has booted, on that side or before it came
// there.
func AwaitBoot(on string) migration.Step {
	return migration.Step{Name: "await boot", Wants: []string{"boot"}, Do: func(ctx context.Context, p *migration.Pair) error {
		return each(p, on, func(s *migration.Side) error { return p.AwaitBootOn(ctx, s) })
	}}
}
