package migration

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/launcher"

	"github.com/drover-vm/drover/migration/record"
)

// A mappedBlock is a piece of the guest's RAM in a file of capability mapped-ram:
// page N has its place at Pages+N*4096, and is there where bit N of the bitmap is set;
// else it is zero (docs/devel/migration/mapped-ram.rst in QEMU).
type mappedBlock struct {
	name string
	size uint64
	mappedHeader
}

// A mappedHeader stands behind a block's name and size (MappedRamHeader in
// migration/ram.c). All numbers of a stream are big-endian.
type mappedHeader struct {
	Version       uint32
	PageSize      uint64
	Bitmap, Pages uint64 // offsets in the file
}

const (
	// ramSection is how a stream begins to tell of RAM: the section's name with its
	// length before it, instance 0, version 4 (migration/savevm.c).
	ramSection = "\x03ram\x00\x00\x00\x00\x00\x00\x00\x04"
	// ramSectionWithin is how far from the stream's beginning that is.
	ramSectionWithin = 64 << 10
	// memSize marks the list of blocks, in the bits of an address below a page.
	memSize = 0x04

	mappedVersion = 1
	mappedAlign   = 1 << 20 // of where a block's pages begin
)

// mappedBlocks reads from the file where it has the guest's RAM.
func mappedBlocks(file io.ReaderAt) ([]mappedBlock, error) {
	head := make([]byte, ramSectionWithin)
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if head = head[:n]; !bytes.HasPrefix(head, []byte(streamMagic)) {
		return nil, fmt.Errorf("the file does not begin as a stream does: %.16q", head)
	}
	at := bytes.Index(head, []byte(ramSection))
	if at < 0 {
		return nil, fmt.Errorf("the stream says nothing of RAM in its first %d bytes", len(head))
	}
	r := &mappedReader{file: file, at: int64(at + len(ramSection))}
	total := r.uint64()
	if total%pageSize != memSize {
		return nil, fmt.Errorf("the stream's RAM begins with %#x, expected the list of its blocks (flag %#x)", total, memSize)
	}
	var blocks []mappedBlock
	for left := total - memSize; left > 0 && r.err == nil; {
		b := r.block()
		if r.err == nil && b.size > left {
			r.err = fmt.Errorf("the blocks of RAM have more than the %d bytes that they should have together", total-memSize)
		}
		left -= b.size
		blocks = append(blocks, b)
		r.at = int64(b.Pages + b.size)
	}
	return blocks, r.err
}

// A mappedReader reads what comes next, until something goes wrong.
type mappedReader struct {
	file io.ReaderAt
	at   int64
	err  error
}

func (r *mappedReader) read(size int) []byte {
	b := make([]byte, size)
	if r.err == nil {
		if _, err := r.file.ReadAt(b, r.at); err != nil {
			r.err = fmt.Errorf("at %#x of the file: %w", r.at, err)
		}
	}
	r.at += int64(size)
	return b
}

func (r *mappedReader) uint64() uint64 { return binary.BigEndian.Uint64(r.read(8)) }

func (r *mappedReader) block() (b mappedBlock) {
	b.name = string(r.read(int(r.read(1)[0])))
	b.size = r.uint64()
	at := r.at
	_, err := binary.Decode(r.read(binary.Size(b.mappedHeader)), binary.BigEndian, &b.mappedHeader)
	if r.err = errors.Join(r.err, err); r.err != nil {
		return b
	}
	if b.Version != mappedVersion || b.PageSize != pageSize || b.Bitmap != uint64(r.at) || b.Pages < b.Bitmap || b.Pages%mappedAlign != 0 {
		r.err = fmt.Errorf("at %#x of the file should be where block %q has its pages, and is %+v: is it a file of capability mapped-ram?", at, b.name, b.mappedHeader)
	}
	return b
}

// A bitmap has a bit for each page, in words of the host.
type bitmap []byte

func (b bitmap) has(page uint64) bool {
	const word = 64
	return binary.NativeEndian.Uint64(b[page/word*8:])>>(page%word)&1 != 0
}

// bitmapOf reads which pages of a block are in the file.
func (b mappedBlock) bitmapOf(file io.ReaderAt) (bitmap, error) {
	const bits = 64
	bytes := make([]byte, (b.size/pageSize+bits-1)/bits*8)
	_, err := file.ReadAt(bytes, int64(b.Bitmap))
	return bytes, err
}

// SeeMappedFile demands that the file has a place for each page of RAM and no more,
// and that its pages are those of the source, which has stopped.
func SeeMappedFile() Step {
	return Step{Name: "see the source's RAM in the file", Do: func(ctx context.Context, p *Pair) error {
		file, err := os.Open(p.path(streamFile))
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		blocks, err := mappedBlocks(file)
		if err != nil {
			return err
		}
		if err := p.measureFile(file, blocks); err != nil {
			return err
		}
		memory, err := p.Source.Memory(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = memory.Close() }()
		ram := slices.MaxFunc(blocks, func(a, b mappedBlock) int { return cmp.Compare(a.size, b.size) })
		if want := uint64(p.Program.MemoryMiB) << 20; ram.size != want {
			return fmt.Errorf("the largest block of RAM in the file is %s, of %d bytes, and the guest has %d", ram.name, ram.size, want)
		}
		ranges := memory.RAM()
		if len(ranges) == 0 {
			ranges = []fixtures.Range{p.Program.Workload()}
		}
		absent, err := ram.compare(file, memory, ranges)
		untouched := float64(ram.size-p.Program.Workload().Len()) / pageSize
		p.measure("pages that the file leaves out", float64(absent), "pages", record.AtLeast(untouched*mostlyZero))
		return err
	}}
}

// measureFile gathers how large the file is. A block's pages begin at a multiple of
// mappedAlign, and what devices say comes behind the last.
func (p *Pair) measureFile(file *os.File, blocks []mappedBlock) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	sum := uint64(0)
	for _, b := range blocks {
		sum += b.size
	}
	slack := uint64(len(blocks)+1) * mappedAlign
	p.measure("size of the file", float64(info.Size()), "bytes", record.Between(float64(sum), float64(sum+slack)))
	return nil
}

// mostlyZero is how much at least of the RAM beside the workload's is zero. What isn't
// is the firmware's.
const mostlyZero = 0.75

// compare holds the block's pages against the guest's memory, and counts those that
// are not in the file. RAM that processors don't see, as that under a PC's ROMs, is
// left out.
func (b mappedBlock) compare(file io.ReaderAt, memory *launcher.Memory, ranges []fixtures.Range) (absent int, err error) {
	there, err := b.bitmapOf(file)
	if err != nil {
		return 0, err
	}
	have, wrong, first := make([]byte, pageSize), 0, ""
	unread := memories{[]*launcher.Memory{memory}, ranges}.walk(func(at uint64, pages [][]byte) {
		if at >= b.size || err != nil {
			return
		}
		clear(have)
		in := there.has(at / pageSize)
		if in {
			_, err = file.ReadAt(have, int64(b.Pages+at))
		} else {
			absent++
		}
		if i := firstDifference(have, pages[0]); i >= 0 {
			if wrong++; wrong == 1 {
				first = fmt.Sprintf("at %#x the source has %#02x and the file %#02x", at+uint64(i), pages[0][i], have[i])
				if !in {
					first += ", for it has no such page"
				}
			}
		}
	})
	if err = errors.Join(unread, err); err == nil && wrong > 0 {
		err = fmt.Errorf("%d pages of the file are not the stopped source's; the first: %s", wrong, first)
	}
	return absent, err
}

// firstDifference is where two pages differ first; -1 is nowhere.
func firstDifference(a, b []byte) int {
	if bytes.Equal(a, b) {
		return -1
	}
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}
