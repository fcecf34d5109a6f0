package migration

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/drover-vm/drover/migration/record"
)

// Pages that were sent as data and are zero by then, and the other way round, have to
// be so on the destination. What is sent, and what is left out, is decided page by
// page, by another piece of code in each of these.
func turningPages() []Scenario {
	return []Scenario{
		{
			Name:  "pages/turn/precopy",
			Doc:   "pages go from data to zero and back while they are sent",
			Story: slices.Concat(Steps{unhurried(), Set(MaxBandwidth, 1*GB), Boot(), FillPages(), Listen(Unix), Migrate()}, turning(), Steps{AwaitSwitchover(), SeeTurned()}),
		},
		{
			Name:  "pages/turn/xbzrle",
			Doc:   "the same where pages are sent as differences",
			Needs: []Need{{Capability: XBZRLE}},
			Story: slices.Concat(
				Steps{Enable(XBZRLE), Set(XBZRLECacheSize, 256<<20), unhurried(), Set(MaxBandwidth, 1*GB), Boot(), FillPages(), Listen(Unix), Migrate()},
				turning(), Steps{Set(DowntimeLimit, time.Minute), AwaitSwitchover(), SeeTurned()}),
		},
		{
			Name:  "pages/turn/multifd",
			Doc:   "the same over four channels",
			Needs: []Need{{Capability: Multifd}},
			Story: slices.Concat(
				WithMultifd(unhurried(), Set(MaxBandwidth, 1*GB), Boot(), FillPages(), Listen(TCP), Migrate()),
				turning(), Steps{AwaitSwitchover(), SeeTurned()}),
		},
		{
			Name:  "pages/turn/multifd/legacy",
			Doc:   "the same where zero pages are named on the main channel",
			Needs: []Need{{Capability: Multifd}, ZeroPageDetection},
			Story: slices.Concat(
				WithMultifd(SetOnBoth(ZeroPages, "legacy"), unhurried(), Set(MaxBandwidth, 1*GB), Boot(), FillPages(), Listen(TCP), Migrate()),
				turning(), Steps{AwaitSwitchover(), SeeTurned()}),
		},
		{
			Name:  "pages/turn/mapped-ram",
			Doc:   "the same into a file that has a place for each page",
			Needs: []Need{{Capability: MappedRAM}},
			Story: slices.Concat(
				Steps{Enable(MappedRAM), unhurried(), Set(MaxBandwidth, 1*GB), Boot(), FillPages(), MigrateIntoFile(0)},
				turning(), Steps{AwaitSaved(), LoadFile(), AwaitSwitchover(), SeeTurned()}),
		},
		{
			Name:  "pages/turn/multifd/mapped-ram",
			Doc:   "the same, written by four channels",
			Needs: []Need{{Capability: Multifd}, {Capability: MappedRAM}},
			Story: slices.Concat(
				WithMultifd(Enable(MappedRAM), unhurried(), Set(MaxBandwidth, 1*GB), Boot(), FillPages(), MigrateIntoFile(0)),
				turning(), Steps{AwaitSaved(), LoadFile(), AwaitSwitchover(), SeeTurned()}),
		},
		{
			Name:  "pages/turn/postcopy",
			Doc:   "the same where the last of them are sent after the guest",
			Needs: []Need{Userfaultfd, {Capability: PostcopyRAM}},
			Story: slices.Concat(
				Steps{Enable(PostcopyRAM), unhurried(), Set(MaxBandwidth, 400*MB), Boot(), FillPages(), Listen(Unix), Migrate(), AwaitPass(1), TurnPages(1)},
				Steps{AwaitMorePasses(1), TurnPages(2), StartPostcopy(), AwaitSwitchover(), SeeTurned()}),
		},
	}
}

// turning changes the pages after each of two passes, and lets the migration converge
// once they have been sent again.
func turning() Steps {
	return Steps{AwaitPass(1), TurnPages(1), AwaitMorePasses(1), TurnPages(2), AwaitMorePasses(1), letConverge()}
}

// A turn is a stretch of pages above the workload, and what they hold before the
// migration and after each change: 0 for a page of zeros, else what its bytes are.
type turn struct {
	at   uint64
	hold [3]byte
}

// turnPages is how many pages lie in a stretch: enough for several packets of a channel.
const turnPages = 512

func turns() []turn {
	const first, apart = 110 << 20, turnPages * pageSize
	var all []turn
	for i, hold := range [][3]byte{
		{0x11, 0, 0}, {0, 0x22, 0x22}, {0x33, 0, 0x34}, {0, 0x44, 0}, {0x55, 0x56, 0}, {0x66, 0x66, 0}, {0, 0, 0x77},
	} {
		all = append(all, turn{uint64(first + i*apart), hold})
	}
	return all
}

// page is the n-th of the stretch's pages, at a time.
func (t turn) page(n, time int) []byte {
	page := make([]byte, pageSize)
	if value := t.hold[time]; value != 0 {
		for i := range page {
			page[i] = value
		}
		page[0], page[1] = byte(n), byte(n>>8) // no two pages are the same
	}
	return page
}

func (t turn) pages(time int) []byte {
	var all bytes.Buffer
	for n := range turnPages {
		all.Write(t.page(n, time))
	}
	return all.Bytes()
}

// FillPages writes to pages that the guest doesn't touch what they hold before the
// migration.
func FillPages() Step { return setPages("fill pages", 0) }

// TurnPages changes those pages, on a guest that runs.
func TurnPages(time int) Step { return setPages(fmt.Sprintf("turn pages, %d", time), time) }

func setPages(name string, time int) Step {
	return Step{Name: name, Do: func(ctx context.Context, p *Pair) error {
		for _, t := range turns() {
			if time > 0 && t.hold[time] == t.hold[time-1] {
				continue
			}
			if err := p.Source.QTest().WriteMemory(ctx, t.at, t.pages(time)); err != nil {
				return err
			}
		}
		return nil
	}}
}

// SeeTurned gathers how many of the pages hold on the destination what they were last
// given on the source.
func SeeTurned() Step {
	return Step{Name: "see the turned pages", Do: func(ctx context.Context, p *Pair) error {
		memory, err := p.Destination.Memory(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = memory.Close() }()
		found := make([]byte, turnPages*pageSize)
		for _, t := range turns() {
			if _, err := memory.ReadAt(found, int64(t.at)); err != nil {
				return err
			}
			right := 0
			for n := range turnPages {
				if bytes.Equal(found[n*pageSize:(n+1)*pageSize], t.page(n, 2)) {
					right++
				}
			}
			p.measure(fmt.Sprintf("pages from %#x on that hold %#x, which held %#x and %#x before", t.at, t.hold[2], t.hold[0], t.hold[1]),
				float64(right), "pages", record.Exactly(turnPages))
		}
		return nil
	}}
}
