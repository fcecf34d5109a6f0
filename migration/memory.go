package migration

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/internal/procfs"
)

// checkMemory asks QEMU how much memory the guest has, which options may have changed, and
// makes sure that a proof is possible: the guest program has room, and each side has
// memory of its own.
func (p *Pair) checkMemory(ctx context.Context) error {
	if p.Program.End == 0 {
		return nil
	}
	size, err := qapi.QueryMemorySizeSummary(ctx, p.Source.QMP())
	if err != nil {
		return err
	}
	p.Facts.RAMBytes = size.Base + size.Plugged
	least := p.Program.End
	if isPC(p.Facts.Arch) {
		least += firmwareRAM
	}
	if size.Base < least {
		return &StartError{fmt.Errorf("the workload needs %d MiB of memory, and with the firmware's %d, and the guest has %d: give it more (-m)",
			p.Program.End>>20, least>>20, size.Base>>20)}
	}
	// What is called by its size from here on is the memory that the machine begins with.
	p.Program.MemoryMiB = int(size.Base >> 20)
	if p.Destination == nil {
		return nil
	}
	other, err := qapi.QueryMemorySizeSummary(ctx, p.Destination.QMP())
	if err != nil {
		return err
	}
	if other.Base+other.Plugged != p.Facts.RAMBytes {
		return &StartError{fmt.Errorf("the source's guest has %d MiB of memory, and the destination's %d: both need the same",
			p.Facts.RAMBytes>>20, (other.Base+other.Plugged)>>20)}
	}
	if p.Facts.SharedRAM {
		return nil
	}
	return p.checkSharing()
}

// firmwareRAM is what SeaBIOS uses of a PC's RAM while it boots: it leaves data as far as 17
// MiB below the end.
const firmwareRAM = 20 << 20

// leastShared is the size from which on a mapping may be a guest's memory, in bytes.
const leastShared = 1 << 20

// checkSharing makes sure that the QEMUs don't map the same file as memory: what one writes
// the other would see, and a comparison of the two would prove nothing.
func (p *Pair) checkSharing() error {
	source, err := procfs.SharedFiles(p.Source.PID(), leastShared)
	if err != nil {
		return err
	}
	destination, err := procfs.SharedFiles(p.Destination.PID(), leastShared)
	if err != nil {
		return err
	}
	var both []string
	for id, path := range source {
		if _, same := destination[id]; same {
			both = append(both, path)
		}
	}
	if len(both) == 0 {
		return nil
	}
	slices.Sort(both)
	return &StartError{fmt.Errorf("both QEMUs map %s as memory, so what the guest writes on one side is there on the other: "+
		"leave share=on out, use memory-backend-memfd, or run ignore-shared", strings.Join(both, ", "))}
}
