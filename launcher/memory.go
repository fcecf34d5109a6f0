package launcher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"
)

// Memory reads the guest-physical memory of a VM where QEMU has it: RAM is copied
// out of QEMU's process, at the speed of memory, as ROMs are, and the rest is asked for
// through qtest. It knows where RAM lay when it was made: a guest that goes on
// may move it, so stop the guest first. Several goroutines may read at once. Close it
// after use.
type Memory struct {
	vm   *VM
	ctx  context.Context
	all  []window // RAM and ROM
	dump *Dump    // of what lies below, where QEMU's process can't be read; nil for none
}

// A window is guest-physical memory that lies in one piece in QEMU's process.
type window struct {
	start, end uint64 // guest-physical
	host       uint64 // address of start in QEMU's process; 0 where it can't be read there
	rom        bool   // the guest can't write it
	block      string // what is there
	offset     uint64 // of start in that, in bytes
}

// Memory finds out where the guest's RAM lies now. Where this process may not read
// another's memory, it takes a dump instead, as Dump does, which takes fifteen times as
// long. Reads end with the context.
func (v *VM) Memory(ctx context.Context) (*Memory, error) {
	m := &Memory{vm: v, ctx: ctx}
	tree, err := qapi.HumanMonitor(ctx, v.qmp, "info mtree -f")
	if _, refused := errors.AsType[*qmp.Error](err); refused {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("launcher: where the RAM of %s lies: %w", v.config.Name, err)
	}
	for _, r := range flatRanges(tree) {
		host, err := v.hostAddress(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("launcher: where the RAM of %s lies: %w", v.config.Name, err)
		}
		if host != 0 && v.copyOut(host, make([]byte, 1)) != nil {
			host = 0
		}
		r.host = host
		m.all = append(m.all, r)
	}
	if end := m.unreachable(); end > 0 {
		if m.dump, err = v.Dump(ctx, 0, end); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// dumped bounds what is dumped in place of what can't be read: a file in memory that
// large.
const dumped = 1 << 30

// unreachable is up to where a dump is needed.
func (m *Memory) unreachable() (end uint64) {
	if len(m.RAM()) == 0 {
		end = uint64(m.vm.config.MemoryMiB) << 20
	}
	for _, w := range m.all {
		if w.host == 0 && !w.rom {
			end = w.end
		}
	}
	return min(end, dumped)
}

// Close gives back what reading took.
func (m *Memory) Close() error {
	if m.dump == nil {
		return nil
	}
	return m.dump.Close()
}

// RAM is where the guest has memory that it can write, going up; empty where QEMU
// can't say.
func (m *Memory) RAM() []fixtures.Range { return m.ranges(false) }

// ROM is where the guest has memory that it can't write, going up, such as a PC's
// firmware: QEMU has it as it has RAM, and migrates it.
func (m *Memory) ROM() []fixtures.Range { return m.ranges(true) }

// A Region is guest-physical memory that is one piece of a block of RAM.
type Region struct {
	fixtures.Range
	// Block is what "info mtree -f" calls it: the name of the block that QEMU migrates, or
	// what is behind the last / or @ of it.
	Block  string
	Offset uint64 // of the range's start in the block, in bytes
}

// At is where in the block an address of the region is.
func (r Region) At(address uint64) uint64 { return r.Offset + address - r.Start }

// Regions are the pieces that RAM consists of, going up.
func (m *Memory) Regions() (regions []Region) {
	for _, w := range m.all {
		if !w.rom {
			regions = append(regions, Region{fixtures.Range{Start: w.start, End: w.end}, w.block, w.offset})
		}
	}
	return regions
}

func (m *Memory) ranges(rom bool) (ranges []fixtures.Range) {
	for _, w := range m.all {
		if w.rom == rom {
			ranges = append(ranges, fixtures.Range{Start: w.start, End: w.end})
		}
	}
	return ranges
}

// ReadAt fills p from the guest-physical address (io.ReaderAt).
func (m *Memory) ReadAt(p []byte, address int64) (read int, err error) {
	if address < 0 {
		return 0, fmt.Errorf("launcher: there is no address %d", address)
	}
	for read < len(p) {
		at := uint64(address) + uint64(read)
		piece, host := m.piece(at, p[read:])
		switch {
		case host != 0:
			err = m.vm.copyOut(host, piece)
		case m.dump != nil && at < uint64(len(m.dump.Bytes)):
			piece = piece[:copy(piece, m.dump.Bytes[at:])]
		default:
			err = m.vm.qtest.ReadMemory(m.ctx, at, piece)
		}
		if err != nil {
			return read, fmt.Errorf("launcher: memory of %s at %#x: %w", m.vm.config.Name, at, m.vm.explain(err))
		}
		read += len(piece)
	}
	return read, nil
}

// piece is the beginning of p that can be read at once, and where it lies in QEMU's
// process; 0 says that it doesn't.
func (m *Memory) piece(address uint64, p []byte) (piece []byte, host uint64) {
	until := address + uint64(len(p))
	for _, w := range m.all {
		switch {
		case w.host == 0:
		case address >= w.start && address < w.end:
			return p[:min(until, w.end)-address], w.host + address - w.start
		case w.start > address:
			until = min(until, w.start)
		}
	}
	return p[:until-address], 0
}

// flatRange is a line of "info mtree -f" (softmmu/memory.c, mtree_print_flatview).
var flatRange = regexp.MustCompile(`(?m)^\s*([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?\d+, (?:nv-)?(ram|rom)\): (.*?)(?: @([0-9a-f]{1,16}))?(?: KVM)?$`)

// flatRanges finds in "info mtree -f" the ranges that are RAM or ROM in what vCPUs
// see as memory. Their windows have no host yet.
func flatRanges(tree string) (ranges []window) {
	for view := range strings.SplitSeq(strings.ReplaceAll(tree, "\r", ""), "FlatView #") {
		if !strings.Contains(view, "\n AS \"memory\",") {
			continue
		}
		for _, found := range flatRange.FindAllStringSubmatch(view, -1) {
			start, errStart := strconv.ParseUint(found[1], 16, 64)
			last, errLast := strconv.ParseUint(found[2], 16, 64)
			if errStart == nil && errLast == nil && last >= start && last+1 > last {
				offset, _ := strconv.ParseUint(cmp.Or(found[5], "0"), 16, 64) // the pattern lets only digits in
				ranges = append(ranges, window{start: start, end: last + 1, rom: found[3] == "rom", block: found[4], offset: offset})
			}
		}
	}
	return ranges
}

// hostAnswer is what "gpa2hva" prints of an address that is RAM.
var hostAnswer = regexp.MustCompile(`^Host virtual address for 0x[0-9a-f]+ \(.*\) is 0x([0-9a-f]+)\s*$`)

// hostAddress is where the range lies in QEMU's process; 0 says that it doesn't lie
// there in one piece.
func (v *VM) hostAddress(ctx context.Context, r window) (uint64, error) {
	var ends [2]uint64
	for i, address := range []uint64{r.start, r.end - 1} {
		output, err := qapi.HumanMonitor(ctx, v.qmp, fmt.Sprintf("gpa2hva %#x", address))
		if err != nil {
			return 0, err
		}
		found := hostAnswer.FindStringSubmatch(output)
		if found == nil {
			return 0, nil
		}
		if ends[i], err = strconv.ParseUint(found[1], 16, 64); err != nil {
			return 0, err
		}
	}
	if ends[1]-ends[0] != r.end-1-r.start {
		return 0, nil
	}
	return ends[0], nil
}

// copyOut copies from QEMU's process (process_vm_readv(2)). To be allowed to, one has
// to be allowed to trace it, which a parent is unless its surroundings forbid it.
func (v *VM) copyOut(host uint64, p []byte) error {
	for len(p) > 0 {
		local := unix.Iovec{Base: &p[0]}
		local.SetLen(len(p))
		n, err := unix.ProcessVMReadv(v.PID(), []unix.Iovec{local}, []unix.RemoteIovec{{Base: uintptr(host), Len: len(p)}}, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("process_vm_readv: %w", err)
		}
		if n == 0 {
			return errors.New("process_vm_readv: nothing came")
		}
		host, p = host+uint64(n), p[n:]
	}
	return nil
}
