package migration

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/internal/procfs"
	"github.com/drover-vm/drover/migration/preflight"
	"github.com/drover-vm/drover/migration/record"
)

// checkMemory asks QEMU how much memory the guest has, which options may have changed, and
// makes sure that a proof is possible: the guest program has room, and each side has
// memory of its own.
func (p *Pair) checkMemory(ctx context.Context) error {
	if p.Program.Name == "" {
		return nil
	}
	size, err := p.noteRAM(ctx)
	if err != nil {
		return err
	}
	least := uint64(0)
	if p.Program.End > 0 {
		least = p.Program.End - p.Program.RAMStart
	}
	if p.Program.PromEnv == "" && p.run.linux == nil { // else the firmware has its place in RAM by itself
		least += firmwareRAM
	}
	if size.Base < least {
		return &StartError{fmt.Errorf("the workload needs %d MiB of memory, and with the firmware's %d, and the guest has %d: give it more (-m)",
			(p.Program.End-p.Program.RAMStart)>>20, least>>20, size.Base>>20)}
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

// noteRAM notes how much RAM the source's guest has, and how much there is to migrate as such.
func (p *Pair) noteRAM(ctx context.Context) (qapi.MemorySizeInfo, error) {
	size, err := qapi.QueryMemorySizeSummary(ctx, p.Source.QMP())
	if err != nil {
		return size, err
	}
	p.Facts.RAMBytes = size.Base + size.Plugged
	blocks, err := p.Source.ramBlocks(ctx)
	p.Facts.BlocksBytes = 0
	for _, b := range blocks {
		p.Facts.BlocksBytes += b.Total
	}
	return size, err
}

// ramBlocks are all blocks of memory that the side's QEMU has.
func (s *Side) ramBlocks(ctx context.Context) ([]preflight.Block, error) {
	text, err := qapi.HumanMonitor(ctx, s.QMP(), "info ramblock")
	return preflight.ParseBlocks(text), err
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

// mapped is a line of "info mtree -f" about a piece of RAM or ROM, and the name of what is
// there.
var mapped = regexp.MustCompile(`(?m)^\s*[0-9a-f]{16}-[0-9a-f]{16} \(prio -?\d+, (?:ram|rom)\): (.*?)(?: @[0-9a-f]+)?(?: KVM)?\r?$`)

// leftOut names the blocks of memory that QEMU has and that the guest's vCPUs don't see
// now: they are sent, and not compared.
func (p *Pair) leftOut(ctx context.Context) (left []record.LeftOut, err error) {
	side := p.Source
	if p.Facts.Replaced {
		side = p.Destination
	}
	blocks, err := side.ramBlocks(ctx)
	if err != nil {
		return nil, err
	}
	tree, err := qapi.HumanMonitor(ctx, side.QMP(), "info mtree -f")
	if err != nil {
		return nil, err
	}
	_, tree, _ = strings.Cut(tree, "\n AS \"memory\",")
	tree, _, _ = strings.Cut(tree, "FlatView #")
	seen := map[string]bool{}
	for _, m := range mapped.FindAllStringSubmatch(tree, -1) {
		seen[m[1]] = true
	}
	for _, b := range blocks {
		name := b.Name[strings.LastIndexAny(b.Name, "/@")+1:]
		if !seen[name] && !seen[b.Name] && !seen[strings.TrimPrefix(b.Name, "/rom@")] {
			left = append(left, record.LeftOut{Name: b.Name, Bytes: b.Used, Why: "the guest's vCPUs don't see it now"})
		}
	}
	return left, nil
}

func declareMemory(a *Args, s *Scenario) {
	size := a.Size("the size")
	if size < 1<<20 || size%(1<<20) != 0 {
		a.Fail("the memory must be whole MiB, at least 1")
	}
	s.Guest.MemoryMiB = int(size >> 20)
}
