package migration

import (
	"bytes"
	"context"
	"fmt"
	"slices"

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
			Story: slices.Concat(Steps{unhurried(), Set(MaxBandwidth, 1*GB), Boot(), FillPages(1), Listen(Unix), Migrate()}, turning(), Steps{AwaitSwitchover(), SeeTurned()}),
		},
		{
			Name:  "pages/turn/xbzrle",
			Doc:   "the same where pages are sent as differences",
			Needs: []Need{{Capability: XBZRLE}},
			Story: slices.Concat(
				Steps{Enable(XBZRLE), Set(XBZRLECacheSize, 256<<20), unhurried(), Set(MaxBandwidth, 1*GB), Boot(), FillPages(0), Listen(Unix), Migrate()},
				// A page is kept for differences from the second pass on.
				Steps{AwaitPass(1), TurnPages(1), AwaitMorePasses(1), TurnPages(2), AwaitMorePasses(1), TurnPages(3), AwaitMorePasses(1)},
				Steps{atAnyDowntime(), AwaitSwitchover(), SeeTurned()}),
		},
		{
			Name:  "pages/turn/multifd",
			Doc:   "the same over four channels",
			Needs: []Need{{Capability: Multifd}},
			Story: slices.Concat(
				WithMultifd(unhurried(), Set(MaxBandwidth, 1*GB), Boot(), FillPages(1), Listen(TCP), Migrate()),
				turning(), Steps{AwaitSwitchover(), SeeTurned()}),
		},
		{
			Name:  "pages/turn/multifd/legacy",
			Doc:   "the same where zero pages are named on the main channel",
			Needs: []Need{{Capability: Multifd}, ZeroPageDetection},
			Story: slices.Concat(
				WithMultifd(SetOnBoth(ZeroPages, "legacy"), unhurried(), Set(MaxBandwidth, 1*GB), Boot(), FillPages(1), Listen(TCP), Migrate()),
				turning(), Steps{AwaitSwitchover(), SeeTurned()}),
		},
		{
			Name:  "pages/turn/mapped-ram",
			Doc:   "the same into a file that has a place for each page",
			Needs: []Need{{Capability: MappedRAM}},
			Story: slices.Concat(
				Steps{Enable(MappedRAM), unhurried(), Set(MaxBandwidth, 500*MB), Boot(), FillPages(1), MigrateIntoFile(0)},
				turning(), Steps{AwaitSaved(), LoadFile(), AwaitSwitchover(), SeeTurned()}),
		},
		{
			Name:  "pages/turn/multifd/mapped-ram",
			Doc:   "the same, written by four channels",
			Needs: []Need{{Capability: Multifd}, {Capability: MappedRAM}},
			Story: slices.Concat(
				WithMultifd(Enable(MappedRAM), unhurried(), Set(MaxBandwidth, 500*MB), Boot(), FillPages(1), MigrateIntoFile(0)),
				turning(), Steps{AwaitSaved(), LoadFile(), AwaitSwitchover(), SeeTurned()}),
		},
		{
			Name:  "pages/turn/postcopy",
			Doc:   "the same where the last of them are sent after the guest",
			Needs: []Need{Userfaultfd, {Capability: PostcopyRAM}},
			Story: slices.Concat(
				Steps{Enable(PostcopyRAM), unhurried(), Set(MaxBandwidth, 400*MB), Boot(), FillPages(1), Listen(Unix), Migrate(), AwaitPass(1), TurnPages(2)},
				Steps{AwaitMorePasses(1), TurnPages(3), StartPostcopy(), AwaitSwitchover(), SeeTurned()}),
		},
	}
}

// turning changes the pages after each of two passes, and lets the migration converge
// once they have been sent again.
func turning() Steps {
	return Steps{AwaitPass(1), TurnPages(2), AwaitMorePasses(1), TurnPages(3), AwaitMorePasses(1), atAnyDowntime()}
}

// A turn is a stretch of pages above the workload, and what they hold before the
// migration and after each change: 0 for a page of zeros, else what its bytes are.
type turn struct {
	at   uint64
	kind turnKind
	hold [4]byte
}

// A turnKind is how a page holds its value.
type turnKind int

const (
	fullPages   turnKind = iota // in all its bytes
	singleBytes                 // in one byte, each page in another; the rest is zero
	nearlySame                  // in a few bytes; the rest isn't zero, and always the same
)

// turnPages is how many pages lie in a stretch: enough for several packets of a channel.
const turnPages = 512

func turns() []turn {
	const first, apart = 110 << 20, turnPages * pageSize
	all := []turn{
		{hold: [4]byte{0, 0x11, 0, 0}},
		{hold: [4]byte{0x12, 0, 0x22, 0x22}},
		{hold: [4]byte{0, 0x33, 0, 0x34}},
		{hold: [4]byte{0x12, 0, 0x44, 0}},
		{hold: [4]byte{0x55, 0x55, 0x56, 0}},
		{hold: [4]byte{0x66, 0x66, 0x66, 0}},
		{hold: [4]byte{0, 0, 0, 0x77}},
		{kind: singleBytes, hold: [4]byte{0x81, 0x81, 0x81, 0x81}},
		{kind: singleBytes, hold: [4]byte{0, 0, 0x82, 0x82}},
		{kind: singleBytes, hold: [4]byte{0x83, 0x83, 0, 0x84}},
		{kind: nearlySame, hold: [4]byte{0, 0x91, 0, 0x92}},
		{kind: nearlySame, hold: [4]byte{0xa1, 0xa2, 0xa3, 0xa2}}, // back to what was sent before the last
	}
	for i := range all {
		all[i].at = uint64(first + i*apart)
	}
	return all
}

// singleAt is where the n-th page has its only byte: first where a search for it may
// begin, end, or change its way, then everywhere.
func singleAt(n int) int {
	edges := []int{0, 1, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 2047, 2048, 4032, 4094, 4095}
	if n < len(edges) {
		return edges[n]
	}
	return n * 37 % pageSize
}

// page is the n-th of the stretch's pages, at a time.
func (t turn) page(n, time int) []byte {
	page := make([]byte, pageSize)
	value := t.hold[time]
	switch {
	case value == 0:
		return page
	case t.kind == singleBytes:
		page[singleAt(n)] = value
		return page
	case t.kind == nearlySame:
		for i := range page {
			page[i] = byte(i)
		}
		copy(page[1024:1040], bytes.Repeat([]byte{value}, 16))
	default:
		for i := range page {
			page[i] = value
		}
	}
	page[0], page[1] = byte(n), byte(n>>8) // no two pages are the same
	return page
}

func (t turn) pages(time int) []byte {
	var all bytes.Buffer
	for n := range turnPages {
		all.Write(t.page(n, time))
	}
	return all.Bytes()
}

// FillPages writes to pages that the guest doesn't touch what they hold at a time.
func FillPages(time int) Step {
	return setPages("fill pages", time, func(turn) bool { return true })
}

// TurnPages changes those pages that hold something else by then, on a guest that runs.
func TurnPages(time int) Step {
	return setPages(fmt.Sprintf("turn pages, %d", time), time, func(t turn) bool { return t.hold[time] != t.hold[time-1] })
}

func setPages(name string, time int, which func(turn) bool) Step {
	return Step{Name: name, Within: 3 * StepPatience, Do: func(ctx context.Context, p *Pair) error {
		for _, t := range turns() {
			if !which(t) {
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
			right, wrong := 0, ""
			for n := range turnPages {
				want := t.page(n, 3)
				i := firstDifference(want, found[n*pageSize:(n+1)*pageSize])
				switch {
				case i < 0:
					right++
				case wrong == "":
					wrong = fmt.Sprintf("; not so at %#x, where %#02x is expected and %#02x found", t.at+uint64(n*pageSize+i), want[i], found[n*pageSize+i])
				}
			}
			p.measure(fmt.Sprintf("pages from %#x on that hold %#x, which held %#x and %#x before%s", t.at, t.hold[3], t.hold[1], t.hold[2], wrong),
				float64(right), "pages", record.Exactly(turnPages))
		}
		return nil
	}}
}
