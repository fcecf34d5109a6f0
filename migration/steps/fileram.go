package steps

import (
	"context"
	"errors"
	"fmt"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/ram"
	"github.com/drover-vm/drover/migration/record"
)

// mappedAlign is what the place of a block's pages in a file of mapped-ram is a multiple
// of, in bytes (MAPPED_RAM_FILE_OFFSET_ALIGNMENT in QEMU).
const mappedAlign = 1 << 20

// mostlyZero is how much at least of the RAM beside the workload's is zero. What isn't
// is the firmware's.
const mostlyZero = 0.75

// ExpectFileRAM demands that the file has a place for each page of RAM and no more,
// and that its pages are those of the source, which is paused.
func ExpectFileRAM() migration.Step {
	expect := onFile("expect file-ram", "await saved", func(ctx context.Context, p *migration.Pair) error {
		saved, err := openSaved(p.Path(streamFile))
		if err != nil {
			return err
		}
		defer saved.close()
		if err := measureMappedFile(p, saved); err != nil {
			return err
		}
		compared, absent, err := compareWithSource(ctx, p, saved, "file")
		measureCompared(p, compared, "file")
		untouched := float64(p.RAMBytes()-p.Program.Workload().Len()) / ram.PageSize
		p.Measure("pages that the file leaves out", float64(absent), "pages", record.AtLeast(untouched*mostlyZero))
		return err
	})
	expect.Wants = append(expect.Wants, "enable mapped-ram")
	return expect
}

// What is before a block's bitmap: its name and size, and the header of mapped-ram
// (MappedRamHeader in migration/ram.c: version, page size, and where bitmap and pages are).
const (
	blockSize    = 8 // bytes, as of all RAM together before the list of blocks
	headerOfRAM  = 8
	mappedHeader = 4 + 8 + 8 + 8
)

// perPage is how much a device's section can have beside what all have: a pseries machine
// keeps its guest's hash page table, one 128th of its RAM rounded up to a power of two, and
// s390x a storage key, a byte, for each page.
func perPage(p *migration.Pair) uint64 {
	switch p.Facts.Arch {
	case "ppc64":
		return p.RAMBytes() / 64
	case "s390x":
		return p.RAMBytes() / ram.PageSize
	}
	return 0
}

// measureMappedFile looks at where the file has its blocks of RAM, and gathers how large
// it is. A block's bitmap comes right behind its header, its pages begin at a multiple of
// mappedAlign, and the devices' sections come behind the last.
func measureMappedFile(p *migration.Pair, saved *savedStream) error {
	info, err := saved.file.Stat()
	if err != nil {
		return err
	}
	section := saved.Device("ram", 0)
	if section == nil {
		return errors.New("the stream has no section of RAM")
	}
	sum, at := uint64(0), section.Offset+headerOfRAM
	for _, b := range saved.RAM.Blocks {
		m := b.Mapped
		if m == nil {
			return fmt.Errorf("the file has no place for the pages of block %q: is it a file of capability mapped-ram?", b.Name)
		}
		at += int64(1+len(b.Name)) + blockSize + mappedHeader
		if m.Bitmap != at || m.Pages%mappedAlign != 0 {
			return fmt.Errorf("the file has the bitmap of block %q at %#x and its pages at %#x, where the bitmap was expected at %#x, and the pages at a multiple of %#x", b.Name, m.Bitmap, m.Pages, at, mappedAlign)
		}
		at = m.Pages + int64(b.Length)
		sum += b.Length
	}
	slack := uint64(len(saved.RAM.Blocks)+1)*mappedAlign + perPage(p)
	p.Measure("size of the file", float64(info.Size()), "bytes", record.Between(float64(sum), float64(sum+slack)))
	return nil
}
