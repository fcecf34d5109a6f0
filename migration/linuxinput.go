package migration

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/drover-vm/drover/guest"
	"github.com/drover-vm/drover/guest/wire"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/record"
)

// ExpectInput types at the keyboard of a Linux guest that runs on a side, and clicks with its tablet
// and moves it, as a person at that QEMU does, and gathers what the guest hears of it.
func (p *Pair) ExpectInput(ctx context.Context, s *Side) error {
	l := p.run.linux
	if l == nil {
		return errNotLinux
	}
	devices, err := l.inputs()
	if err != nil {
		return err
	}
	before, err := p.hearInput(ctx, s)
	if err != nil {
		return err
	}
	var found []record.InputFacts
	for _, d := range devices {
		sent, err := use(ctx, s, d, before)
		if err != nil {
			return err
		}
		found = append(found, record.InputFacts{Side: s.Name(), Device: d.Name, Sent: sent})
	}
	err = p.PollAtMost(ctx, reportTimeout, "the guest to hear what is done with its input devices", func() (bool, error) {
		after, err := p.hearInput(ctx, s)
		if err != nil {
			return false, err
		}
		for i, in := range found {
			found[i].Heard, found[i].Looks = heardOf(in.Device, before, after), grown(before, after, "looks")
		}
		return !slices.ContainsFunc(found, func(in record.InputFacts) bool { return in.Heard != in.Sent }), nil
	})
	p.Facts.Linux.Inputs = append(p.Facts.Linux.Inputs, found...)
	return err
}

// hearInput has the guest say what it has heard so far. Where it does not answer, that is what it
// said last.
func (p *Pair) hearInput(ctx context.Context, s *Side) (map[string]uint64, error) {
	_, err := p.hearCounts(ctx, s, wire.Tell)
	return p.run.linux.heard.Workers()["input"].Counts.Counts, err
}

// inputs are the guest's input devices, no two of a kind, of which QEMU would use one.
func (l *linuxRun) inputs() (devices []guest.Device, err error) {
	kinds := map[guest.Input]string{}
	for _, d := range slices.Concat(l.image.Devices, l.plugged) {
		switch other := kinds[d.Input]; {
		case d.Input == "":
			continue
		case other != "":
			return nil, fmt.Errorf("the guest has two devices that are a %s, %s and %s: QEMU gives what is done to one of them", d.Input, other, d.Name)
		}
		kinds[d.Input] = d.Name
		devices = append(devices, d)
	}
	if len(devices) == 0 {
		return nil, errors.New(`the guest has no input device: declare one with "guest linux with", such as virtio-keyboard`)
	}
	return devices, nil
}

// use uses an input device. It clicks before it moves the pointer: an event that only a tablet takes
// could remind QEMU of the tablet.
func use(ctx context.Context, s *Side, d guest.Device, before map[string]uint64) (sent record.Input, err error) {
	press := qapi.InputKey
	name := "a"
	if d.Input == guest.Tablet {
		press, name = qapi.InputButton, "left"
	}
	for _, down := range []bool{true, false} { // each by itself: a tablet says only how its buttons are when all has happened
		if err := qapi.InputSendEvent(ctx, s.QMP(), press(name, down)); err != nil {
			return sent, err
		}
	}
	sent = record.Input{Presses: 1, Releases: 1}
	if d.Input == guest.Tablet {
		sent.X, sent.Y = elsewhere(before[d.Name+"-x"], 1000), elsewhere(before[d.Name+"-y"], 2000)
		err = qapi.InputSendEvent(ctx, s.QMP(), qapi.InputPlace("x", sent.X), qapi.InputPlace("y", sent.Y))
	}
	return sent, err
}

// elsewhere is another place on an axis, so far on: of the same a kernel would say nothing.
func elsewhere(place, on uint64) uint64 { return place%20_000 + on }

// heardOf is what the guest has heard of a device since.
func heardOf(device string, before, after map[string]uint64) record.Input {
	return record.Input{
		Presses: grown(before, after, device+"-presses"), Releases: grown(before, after, device+"-releases"),
		X: after[device+"-x"], Y: after[device+"-y"],
	}
}

// grown is by how much a count has, if the guest did not begin anew.
func grown(before, after map[string]uint64, count string) uint64 {
	return after[count] - min(after[count], before[count])
}
