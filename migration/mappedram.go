package migration

import (
	"context"
	"slices"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/record"
)

func mappedRAM() []Scenario {
	return []Scenario{
		precopyMappedRAM, precopyMappedRAMLive,
		multifdMappedRAM, multifdMappedRAMLive, multifdMappedRAMDIO, multifdMappedRAMFDSet, multifdMappedRAMFDSetDIO,
	}
}

const (
	// MappedRAM gives each page a place in the file that the migration goes into.
	MappedRAM Capability = "mapped-ram"
	// DirectIO makes channels write past the page cache, and read so.
	DirectIO Parameter = "direct-io"
)

// channelsIntoFile is what it takes to see channels write a file, and read it.
func channelsIntoFile() []Need {
	return []Need{{Capability: Multifd}, {Capability: MappedRAM}, CountedIO, Dnotify}
}

// DirectIOParameter is the choice of how channels open the file.
var DirectIOParameter = Need{Schema: "migrate-set-parameters direct-io", What: "parameter direct-io"}

var precopyMappedRAM = Scenario{
	Name:  "precopy/file/mapped-ram",
	Doc:   "a guest that was stopped goes into a file that has a place for each page",
	Needs: []Need{{Capability: MappedRAM}, CountedIO},
	Story: slices.Concat(Steps{Enable(MappedRAM)}, throughMappedFile(oneWriter), Steps{SeeFileClosed()}),
}

var precopyMappedRAMLive = Scenario{
	Name:  "precopy/file/mapped-ram/live",
	Doc:   "the same with a guest that goes on writing: pages are written again, over what they were",
	Needs: []Need{{Capability: MappedRAM}, CountedIO},
	Story: slices.Concat(Steps{Enable(MappedRAM)}, liveThroughMappedFile(oneWriter), Steps{SeeFileClosed()}),
}

var multifdMappedRAM = Scenario{
	Name:  "multifd/file/mapped-ram",
	Doc:   "four channels write a stopped guest's pages, each to its place",
	Needs: channelsIntoFile(),
	Story: slices.Concat(WithMultifd(Enable(MappedRAM)), throughMappedFile(fourWriters), Steps{SeeFileClosed()}),
}

var multifdMappedRAMLive = Scenario{
	Name:  "multifd/file/mapped-ram/live",
	Doc:   "four channels write the pages of a guest that goes on writing",
	Needs: channelsIntoFile(),
	Story: slices.Concat(WithMultifd(Enable(MappedRAM)), liveThroughMappedFile(fourWriters), Steps{SeeFileClosed()}),
}

var multifdMappedRAMDIO = Scenario{
	Name:  "multifd/file/mapped-ram/dio",
	Doc:   "four channels write past the host's page cache, and read so",
	Needs: append(channelsIntoFile(), DirectIOParameter),
	Story: slices.Concat(Steps{NeedDirectIO()}, WithMultifd(Enable(MappedRAM), SetOnBoth(DirectIO, true)), throughMappedFile(fourDirectWriters), Steps{SeeFileClosed()}),
}

var multifdMappedRAMFDSet = Scenario{
	Name:  "multifd/file/mapped-ram/fdset",
	Doc:   "four channels, and the file is one that each side is given in a set",
	Needs: channelsIntoFile(),
	Story: slices.Concat(WithMultifd(Enable(MappedRAM), MakeFile(), LendFileSets()),
		throughMappedFile(fourWriters.lent(1)), Steps{TakeFileSetsBack()}),
}

var multifdMappedRAMFDSetDIO = Scenario{
	Name:  "multifd/file/mapped-ram/fdset/dio",
	Doc:   "the same past the host's page cache: the set has a descriptor for each way",
	Needs: append(channelsIntoFile(), DirectIOParameter),
	Story: slices.Concat(
		Steps{NeedDirectIO()},
		WithMultifd(Enable(MappedRAM), SetOnBoth(DirectIO, true), MakeFile(), LendFileSets(), LendDirectDescriptors()),
		throughMappedFile(fourDirectWriters.lent(2)), Steps{TakeFileSetsBack()},
	),
}

// throughMappedFile stops the guest, saves it, and loads it from the file, where it
// arrives stopped. The source waits when all but the last pages are written, and its
// channels are still there to look at.
func throughMappedFile(use fileUse) Steps {
	return slices.Concat(Steps{
		Enable(PauseBefore), unhurried(), Set(MaxBandwidth, 1*GB),
		Boot(), StopAndMigrateIntoFile(), AwaitStatus(qapi.MigrationPreSwitchover), SeeWriters(use, onePass), ContinueSwitchover(),
		AwaitSaved(), SeeMappedFile(), use.load(),
	}, heldAgainstSource())
}

// liveThroughMappedFile is the same with a guest that runs until it is told to move.
func liveThroughMappedFile(use fileUse) Steps {
	return Steps{
		Enable(PauseBefore), unhurried(), Set(MaxBandwidth, 500*MB),
		Boot(), MigrateIntoFile(0), AwaitPass(2),
		atAnyDowntime(), AwaitStatus(qapi.MigrationPreSwitchover), SeeWriters(use, twoPasses), ContinueSwitchover(),
		AwaitSaved(), SeeMappedFile(),
		use.load(), AwaitSwitchover(),
	}
}

// StopAndMigrateIntoFile stops the guest when its pages hold data, and begins to
// send it into the file.
func StopAndMigrateIntoFile() Step {
	return Step{Name: "stop the guest and migrate into a file", Do: func(ctx context.Context, p *Pair) error {
		for {
			since, stopped := p.Source.QMP().Mark(), time.Now()
			if err := p.Source.tell(ctx, "stop", nil); err != nil {
				return err
			}
			data, err := p.holdsData(ctx)
			if err != nil {
				return err
			}
			if data {
				err := MigrateIntoFile(0).Do(ctx, p)
				p.Source.since, p.Source.Facts.Stopped = since, stopped
				return err
			}
			if err := p.Source.tell(ctx, "cont", nil); err != nil {
				return err
			}
		}
	}}
}

// holdsData says whether the workload's pages, which it counts up modulo 256, are
// other than zero.
func (p *Pair) holdsData(ctx context.Context) (bool, error) {
	for _, address := range []uint64{p.Program.Start, p.Program.End - p.Program.Stride} {
		if value, err := p.Source.QTest().Readb(ctx, address); value == 0 || err != nil {
			return false, err
		}
	}
	return true, nil
}

// onePass and twoPasses are what is written in so many passes over RAM, in pages that
// the workload has: nearly all that aren't zero.
var (
	onePass   = record.Between(0.9, 1.2)
	twoPasses = record.AtLeast(1.5)
)
