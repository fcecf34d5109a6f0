package steps

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/ram"
	"github.com/drover-vm/drover/migration/record"
)

// Pages that were sent as data and are zero by then, and the other way round, have to
// be so on the destination. What is sent, and what is left out, is decided page by
// page, by another piece of code in each way to send them.
func patternVerbs() migration.Vocabulary {
	const which = "the number of the pattern"
	return migration.Vocabulary{
		{
			Name: "write page-pattern", Args: "0..3",
			Doc:     "Writes a pattern of data and zeros to 8192 pages that the guest doesn't touch.",
			Example: "write page-pattern 1",
			Step:    func(a *migration.Args) migration.Step { return WritePagePattern(patternNumber(a, which)) },
		},
		{
			Name: "change page-pattern", Args: "0..3",
			Doc:     "Writes those pages of another pattern that differ from the last, while the guest runs: some go from data to zero, some back, and some to other data.",
			Example: "change page-pattern 2",
			Step:    func(a *migration.Args) migration.Step { return ChangePagePattern(patternNumber(a, which)) },
		},
		{
			Name:    "expect page-pattern",
			Doc:     "The destination has the pattern that was written last on the source, in every page.",
			Example: "expect page-pattern", Step: do(ExpectPagePattern),
		},
		{
			Name:    "fill memory",
			Doc:     "Writes data to every 16th stretch of 2 MiB above the memory that the guest program works on.",
			Example: "fill memory", Step: do(FillMemory),
		},
		{
			Name:    "expect data-sent",
			Doc:     "What went over the link is no less than the data that the memory was filled with, and not much more than that, the workload's pages in each pass, and 9 bytes for each zero page.",
			Example: "expect data-sent", Step: do(ExpectDataSent),
		},
	}
}

func patternNumber(a *migration.Args, what string) int {
	n := a.Int(what)
	if n >= patterns {
		a.Fail("there is no page pattern %d: the patterns are 0 to %d", n, patterns-1)
		return 0
	}
	return n
}

// patterns is how many there are.
const patterns = 4

// A stretch is a number of pages in a row, above the workload's, and what they hold in each
// pattern: 0 for a page of zeros, else what its bytes are.
type stretch struct {
	at   uint64
	kind stretchKind
	hold [patterns]byte
}

// A stretchKind is how a page holds its value.
type stretchKind int

const (
	fullPages   stretchKind = iota // in all its bytes
	singleBytes                    // in one byte, each page in another; the rest is zero
	nearlySame                     // in a few bytes; the rest isn't zero, and always the same
	longRun                        // in 128 to 4027 of its bytes, in a row; the rest is as in nearlySame
	eachEighth                     // in every eighth byte; the rest is as in nearlySame
	random                         // in what random numbers begin with
	words                          // in the text that it is a part of, which is long to compress well
)

// stretchPages is how many pages are in a stretch: enough for several packets of a multifd
// channel.
const stretchPages = 512

// stretches are all, in RAM that begins at an address.
func stretches(ramStart uint64) []stretch {
	const first, apart = 110 << 20, stretchPages * ram.PageSize
	all := []stretch{
		{hold: [patterns]byte{0, 0x11, 0, 0}},
		{hold: [patterns]byte{0x12, 0, 0x22, 0x22}},
		{hold: [patterns]byte{0, 0x33, 0, 0x34}},
		{hold: [patterns]byte{0x12, 0, 0x44, 0}},
		{hold: [patterns]byte{0x55, 0x55, 0x56, 0}},
		{hold: [patterns]byte{0x66, 0x66, 0x66, 0}},
		{hold: [patterns]byte{0, 0, 0, 0x77}},
		{kind: singleBytes, hold: [patterns]byte{0x81, 0x81, 0x81, 0x81}},
		{kind: singleBytes, hold: [patterns]byte{0, 0, 0x82, 0x82}},
		{kind: singleBytes, hold: [patterns]byte{0x83, 0x83, 0, 0x84}},
		{kind: nearlySame, hold: [patterns]byte{0, 0x91, 0, 0x92}},
		{kind: nearlySame, hold: [patterns]byte{0xa1, 0xa2, 0xa3, 0xa2}}, // back to what was sent before the last
	}
	for i := range all {
		all[i].at = ramStart + uint64(first+i*apart)
	}
	const below = 102 << 20
	for i, s := range []stretch{
		{kind: random, hold: [patterns]byte{0xb1, 0xb2, 0xb3, 0xb2}}, // back to what is still in a cache that was not told of the last
		{kind: longRun, hold: [patterns]byte{0xc1, 0xc2, 0xc3, 0xc2}},
		{kind: eachEighth, hold: [patterns]byte{0xd1, 0xd2, 0xd3, 0}},
		{kind: words, hold: [patterns]byte{0xe1, 0xe2, 0xe2, 0}},
	} {
		s.at = ramStart + uint64(below+i*apart)
		all = slices.Insert(all, i, s)
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
	return n * 37 % ram.PageSize
}

// page is the n-th of the stretch's pages, in a pattern.
func (s stretch) page(n, pattern int) []byte {
	page := make([]byte, ram.PageSize)
	value := s.hold[pattern]
	switch {
	case value == 0:
		return page
	case s.kind == singleBytes:
		page[singleAt(n)] = value
		return page
	case s.kind == fullPages:
		copy(page, bytes.Repeat([]byte{value}, len(page)))
	case s.kind == random:
		_, _ = rand.NewChaCha8([32]byte{value, byte(n), byte(n >> 8)}).Read(page) // never fails
	case s.kind == words:
		from, many := rand.New(rand.NewPCG(uint64(value), uint64(n))), manyWords()
		for i := 0; i < len(page); i += copy(page[i:], many[from.IntN(len(many))]) {
		}
	default:
		copy(page, countedUp)
	}
	switch s.kind {
	case nearlySame:
		copy(page[1024:1040], bytes.Repeat([]byte{value}, 16))
	case longRun:
		copy(page[16:], bytes.Repeat([]byte{value}, 128+n*37%3900))
	case eachEighth:
		for i := 4; i < len(page); i += 8 {
			page[i] = value
		}
	}
	page[0], page[1] = byte(n), byte(n>>8) // no two pages are the same
	return page
}

// countedUp is a page whose bytes count up.
var countedUp = func() []byte {
	page := make([]byte, ram.PageSize)
	for i := range page {
		page[i] = byte(i)
	}
	return page
}()

// manyWords are those that pages of text are made of, six bytes each.
var manyWords = sync.OnceValue(func() [][]byte {
	words := make([][]byte, 500)
	for n := range words {
		words[n] = binary.BigEndian.AppendUint64(nil, rand.NewPCG(0, uint64(n)).Uint64())[:6]
	}
	return words
})

func (s stretch) pages(pattern int) []byte {
	var all bytes.Buffer
	for n := range stretchPages {
		all.Write(s.page(n, pattern))
	}
	return all.Bytes()
}

// heldBefore is what the stretch held in the patterns before the last, at most two.
func (s stretch) heldBefore(written []int) string {
	switch earlier := written[:len(written)-1]; len(earlier) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf(", which held %#x before", s.hold[earlier[0]])
	default:
		last := earlier[len(earlier)-2:]
		return fmt.Sprintf(", which held %#x and %#x before", s.hold[last[0]], s.hold[last[1]])
	}
}

// writtenPatterns are the numbers of those that were written, the last one last.
var writtenPatterns migration.Slot[[]int]

// errNoPattern says that a step is about a page pattern that was never written.
var errNoPattern = errors.New("no page pattern was written before")

// WritePagePattern writes a pattern, 0 to 3, to pages that the guest doesn't touch.
func WritePagePattern(pattern int) migration.Step {
	s := patternStep(fmt.Sprintf("write page-pattern %d", pattern), pattern, func(*migration.Pair) (func(stretch) bool, error) {
		return func(stretch) bool { return true }, nil
	})
	s.Wants, s.Gives = []string{"boot"}, []string{"write page-pattern"}
	return s
}

// ChangePagePattern writes those pages of a pattern, 0 to 3, that differ from the pattern
// before, on a guest that runs.
func ChangePagePattern(pattern int) migration.Step {
	s := patternStep(fmt.Sprintf("change page-pattern %d", pattern), pattern, func(p *migration.Pair) (func(stretch) bool, error) {
		written := *writtenPatterns.Of(p)
		if len(written) == 0 {
			return nil, errNoPattern
		}
		last := written[len(written)-1]
		return func(s stretch) bool { return s.hold[pattern] != s.hold[last] }, nil
	})
	s.Wants = []string{"write page-pattern"}
	return s
}

// patternStep is a step that writes a pattern to some of the stretches.
func patternStep(name string, pattern int, which func(p *migration.Pair) (func(stretch) bool, error)) migration.Step {
	return step(name, func(ctx context.Context, p *migration.Pair) error {
		if pattern < 0 || pattern >= patterns {
			return fmt.Errorf("there is no page pattern %d: the patterns are 0 to %d", pattern, patterns-1)
		}
		taken, err := which(p)
		if err != nil {
			return err
		}
		for _, s := range stretches(p.Program.RAMStart) {
			if !taken(s) {
				continue
			}
			if err := p.Source.QTest().WriteMemory(ctx, s.at, s.pages(pattern)); err != nil {
				return err
			}
		}
		written := writtenPatterns.Of(p)
		*written = append(*written, pattern)
		return nil
	}).WithTimeout(3 * migration.StepTimeout)
}

// ExpectPagePattern gathers how many of the pages hold on the destination what they were
// last given on the source.
func ExpectPagePattern() migration.Step {
	expect := onDestination("expect page-pattern", func(ctx context.Context, p *migration.Pair) error {
		written := *writtenPatterns.Of(p)
		if len(written) == 0 {
			return errNoPattern
		}
		last := written[len(written)-1]
		memory, err := p.Destination.Memory(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = memory.Close() }()
		found := make([]byte, stretchPages*ram.PageSize)
		for _, s := range stretches(p.Program.RAMStart) {
			if _, err := memory.ReadAt(found, int64(s.at)); err != nil {
				return err
			}
			right, wrong := 0, ""
			for n := range stretchPages {
				want, have := s.page(n, last), found[n*ram.PageSize:(n+1)*ram.PageSize]
				i := ram.FirstDifference(want, have)
				switch {
				case i < 0:
					right++
				case wrong == "":
					wrong = fmt.Sprintf("; not so at %#x, where %#02x is expected and %#02x found", s.at+uint64(n*ram.PageSize+i), want[i], have[i])
				}
			}
			p.Measure(fmt.Sprintf("pages from %#x on that hold %#x%s%s", s.at, s.hold[last], s.heldBefore(written), wrong),
				float64(right), "pages", record.Exactly(stretchPages))
		}
		return nil
	})
	expect.Wants = []string{"write page-pattern", "migrate"}
	return expect
}
