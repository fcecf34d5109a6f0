package migration

import (
	"context"
	"fmt"
	"slices"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration/record"
)

// What arrives is held against what left, before the guest can change any of it.
func exact() []Scenario {
	return []Scenario{
		exactPrecopy, exactMultifd, exactXBZRLE, exactPostcopy, exactFile, exactHot, exactDevices, singleLife, eventsSequence,
	}
}

// waiting is a destination that does not run the guest until it is told to.
var waiting = Guest{Args: []string{waits}}

// waits is QEMU's option for that.
const waits = "-S"

// heldAgainstSource is how each of these ends.
func heldAgainstSource() Steps {
	return Steps{AwaitArrival(), CompareExactly(), CompareRegisters(), SeeCanaries(), Continue()}
}

var exactPrecopy = Scenario{
	Name:        "exact/ram/precopy",
	Doc:         "every byte of RAM, every register of the processor: the same on both sides",
	Destination: waiting,
	Story: slices.Concat(Steps{
		unhurried(), Set(MaxBandwidth, 1*GB),
		Boot(), Listen(Unix), Migrate(), AwaitPass(1), atAnyDowntime(),
	}, heldAgainstSource()),
}

var exactMultifd = Scenario{
	Name:        "exact/ram/multifd",
	Doc:         "the same over four channels",
	Needs:       []Need{{Capability: Multifd}},
	Destination: waiting,
	Story: slices.Concat(WithMultifd(unhurried(), Set(MaxBandwidth, 1*GB)), Steps{
		Boot(), Listen(Unix), Migrate(), AwaitPass(1), atAnyDowntime(),
	}, heldAgainstSource()),
}

var exactXBZRLE = Scenario{
	Name:        "exact/ram/xbzrle",
	Doc:         "the same with pages sent as differences",
	Needs:       []Need{{Capability: XBZRLE}},
	Destination: waiting,
	Story: slices.Concat(Steps{
		Enable(XBZRLE), Set(XBZRLECacheSize, 256<<20),
		unhurried(), Set(MaxBandwidth, 1*GB),
		Boot(), Listen(Unix), Migrate(), AwaitPass(2), AwaitDifferences(1000), atAnyDowntime(),
	}, heldAgainstSource()),
}

var exactPostcopy = Scenario{
	Name:        "exact/ram/postcopy",
	Doc:         "the same where RAM comes after the guest, which is kept from running",
	Needs:       []Need{Userfaultfd, {Capability: PostcopyRAM}},
	Destination: waiting,
	Story: slices.Concat(Steps{
		Enable(PostcopyRAM), unhurried(), Set(MaxBandwidth, 200*MB),
		Boot(), Listen(Unix), Migrate(), AwaitPass(1), StartPostcopy(),
	}, heldAgainstSource()),
}

var exactFile = Scenario{
	Name:        "exact/ram/file",
	Doc:         "the same through a file",
	Needs:       []Need{FileTransport},
	Destination: waiting,
	Story: slices.Concat(Steps{
		unhurried(), Set(MaxBandwidth, 1*GB),
		Boot(), MigrateIntoFile(0), AwaitPass(1), atAnyDowntime(), AwaitSaved(), LoadFile(),
	}, heldAgainstSource()),
}

// hotPages is how many pages TCG has in its TLB all the time, which has room for 256.
const hotPages = 64

// At this limit a pass over those pages takes more than one of the tenths of a second in
// which QEMU sends at once what it may: the guest has run, and dirtied them, when it ends.
var exactHot = Scenario{
	Name:        "exact/ram/hot",
	Doc:         "a guest that writes the same 64 pages all the time: none of it is lost, though the processor remembers where they are",
	Pages:       hotPages,
	Destination: waiting,
	Story: slices.Concat(Steps{
		unhurried(), Set(MaxBandwidth, 2*MB),
		Boot(), Listen(Unix), Migrate(), AwaitSyncs(4), atAnyDowntime(),
	}, heldAgainstSource()),
}

var exactDevices = Scenario{
	Name:        "exact/devices",
	Doc:         "values in registers of devices that the guest does not touch arrive as they were, also if it never runs",
	Needs:       []Need{PC},
	Destination: waiting,
	Story: Steps{
		Boot(), atAnyDowntime(), Set(MaxBandwidth, 1*GB), Save(), AwaitSaved(), LoadSaved(),
		AwaitArrival(), CompareExactly(), CompareRegisters(), CompareDevices(), SeeCanaries(), Continue(),
	},
}

// AwaitArrival waits until the guest has stopped on the source and has arrived on a
// destination that was started to wait, and demands that it waits.
func AwaitArrival() Step {
	return Step{Name: "await arrival", Phase: record.PhaseSwitchover, Do: func(ctx context.Context, p *Pair) error {
		if err := p.completed(ctx, p.destinationCompletes); err != nil {
			return err
		}
		status, err := qapi.QueryStatus(ctx, p.Destination.QMP())
		if err != nil {
			return err
		}
		if status.Running || status.Status != "paused" {
			return fmt.Errorf("the destination was to wait until it is told to run the guest, and its run state is %s", status.Status)
		}
		return p.noteMigration(ctx)
	}}
}

// AwaitSyncs waits until the source has synchronised its dirty bitmap so often, and gathers
// whether it has: one that believes that all has been sent switches over before.
func AwaitSyncs(n int64) Step {
	return Step{Name: fmt.Sprintf("await %d dirty bitmap syncs", n), Do: func(ctx context.Context, p *Pair) error {
		event, err := p.Source.Await(ctx, "a sync", func(e qmp.Event) bool { return e.Name == "STOP" || passOf(e) >= n })
		if err != nil {
			return err
		}
		if p.Facts.KnownBug == "" { // which is that it believes so
			p.measure("dirty bitmap syncs before the guest was stopped", float64(passOf(event)), "syncs", record.AtLeast(float64(n)))
		}
		return nil
	}}
}

func (p *Pair) destinationCompletes(ctx context.Context) error {
	return p.Destination.AwaitStatus(ctx, qapi.MigrationCompleted)
}

// Continue tells a destination that waits to run the guest.
func Continue() Step {
	return Step{Name: "continue on the destination", Do: func(ctx context.Context, p *Pair) error {
		events, _ := p.Destination.events(ctx)
		if slices.ContainsFunc(events, func(e record.EventFacts) bool { return e.Name == "RESUME" }) {
			return fmt.Errorf("the destination ran the guest before it was told to")
		}
		if err := qapi.Cont(ctx, p.Destination.QMP()); err != nil {
			return err
		}
		_, err := p.Destination.Await(ctx, "RESUME", named("RESUME"))
		return err
	}}
}

// CompareRegisters gathers which of the processors' registers differ, where the guest
// has not run yet on the destination. It takes them as the human monitor prints them.
func CompareRegisters() Step {
	return Step{Name: "compare the processors' registers", Do: func(ctx context.Context, p *Pair) error {
		var printed [2]string
		for i, s := range []*Side{p.Source, p.Destination} {
			text, err := qapi.HumanMonitor(ctx, s.QMP(), "info registers -a")
			if err != nil {
				return err
			}
			printed[i] = text
		}
		p.Facts.Registers = record.CompareRegisters(printed[0], printed[1])
		return nil
	}}
}
