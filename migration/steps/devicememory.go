package steps

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/drover-vm/drover/fixtures"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/ram"
	"github.com/drover-vm/drover/migration/record"
)

// Memory of devices, such as a display's, is RAM to QEMU, each device's a block of its own.
func deviceMemoryVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "write device-memory", Args: "NUMBER",
			Doc:     "Writes contents to the memory of the source's devices that the guest sees below 4 GiB, such as video memory, where its guest may run; another number is other contents, and zeros in other pages.",
			Example: "write device-memory 1",
			Step:    func(a *migration.Args) migration.Step { return WriteDeviceMemory(a.Int("the number of the contents")) },
		},
		{
			Name:    "expect device-memory",
			Doc:     "The memory of the destination's devices holds what was written last on the source, in every page.",
			Example: "expect device-memory", Step: do(ExpectDeviceMemory),
		},
	}
}

// deviceMemory is where devices' memory is, and which contents it was given last.
type deviceMemory struct {
	pages  []fixtures.Range
	number int
}

var devicesWritten migration.Slot[*deviceMemory]

// devicePage is what a page at an address holds, by the number of the contents: each eighth
// holds zeros.
func devicePage(at uint64, number int) []byte {
	page := make([]byte, ram.PageSize)
	if (at/ram.PageSize+uint64(number))%8 == 0 {
		return page
	}
	for i := 0; i < len(page); i += 8 {
		binary.LittleEndian.PutUint64(page[i:], at+uint64(i)+uint64(number)<<56)
	}
	return page
}

// everyDevicePage is how far pages are apart of which one is written, but for the first and the
// last pages of a block.
const everyDevicePage = 16

// writtenOf are the pages of a block that are written.
func writtenOf(r fixtures.Range) (all []fixtures.Range) {
	for at := r.Start; at+ram.PageSize <= r.End; at += ram.PageSize {
		n, last := (at-r.Start)/ram.PageSize, (r.End-at)/ram.PageSize
		if n < everyDevicePage || last <= everyDevicePage || n%everyDevicePage == 0 {
			all = append(all, fixtures.Range{Start: at, End: at + ram.PageSize})
		}
	}
	return all
}

// WriteDeviceMemory writes contents with a number to the memory of the source's devices.
func WriteDeviceMemory(number int) migration.Step {
	s := step(fmt.Sprintf("write device-memory %d", number), func(ctx context.Context, p *migration.Pair) error {
		memory, err := p.Source.Memory(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = memory.Close() }()
		found := &deviceMemory{number: number}
		for _, r := range memory.RAM() {
			if r.Start >= uint64(p.Program.MemoryMiB)<<20 && r.End <= 4<<30 {
				found.pages = append(found.pages, writtenOf(r)...)
			}
		}
		if len(found.pages) == 0 {
			return errors.New("no device of the source has memory that the guest sees below 4 GiB: add one, such as -device VGA")
		}
		for _, page := range found.pages {
			if err := p.Source.QTest().WriteMemory(ctx, page.Start, devicePage(page.Start, number)); err != nil {
				return err
			}
		}
		*devicesWritten.Of(p) = found
		return nil
	})
	s.Wants, s.Gives = []string{"boot"}, []string{"write device-memory"}
	return s
}

// ExpectDeviceMemory gathers how many of those pages hold on the destination what they were
// given last on the source.
func ExpectDeviceMemory() migration.Step {
	s := onDestination("expect device-memory", func(ctx context.Context, p *migration.Pair) error {
		written := *devicesWritten.Of(p)
		if written == nil {
			return errors.New("no device's memory was written before")
		}
		memory, err := p.Destination.Memory(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = memory.Close() }()
		right, wrong, have := 0, "", make([]byte, ram.PageSize)
		for _, page := range written.pages {
			if _, err := memory.ReadAt(have, int64(page.Start)); err != nil {
				return err
			}
			want := devicePage(page.Start, written.number)
			switch i := ram.FirstDifference(want, have); {
			case bytes.Equal(want, have):
				right++
			case wrong == "":
				wrong = fmt.Sprintf("; not so at %#x, where %#02x is expected and %#02x found", page.Start+uint64(i), want[i], have[i])
			}
		}
		p.Measure("pages of devices' memory that hold what was written last"+wrong, float64(right), "pages", record.Exactly(float64(len(written.pages))))
		return nil
	})
	s.Wants = []string{"write device-memory", "migrate"}
	return s
}
