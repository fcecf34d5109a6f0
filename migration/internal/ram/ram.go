// Package ram reads, compares and sums up the memory of guests. It is given what a
// launcher's VM has, and knows nothing of migrations.
package ram

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/launcher"

	"github.com/drover-vm/drover/migration/record"
)

// PageSize is the unit in which memory is compared before it is looked at byte
// by byte, in bytes; it has nothing to do with the guest's own.
const PageSize = 4096

// pieceSize is how much is read at once: little enough to stay in a CPU's cache.
const pieceSize = 256 << 10

// zeroPage is never written.
var zeroPage [PageSize]byte

// IsZero reports whether all bytes of a page, or of a part of one, are zero.
func IsZero(page []byte) bool { return bytes.Equal(page, zeroPage[:len(page)]) }

// A Set is the memory of one VM, or of several with the same memory map.
type Set struct {
	Scope []fixtures.Range // what is read of it, ascending
	of    []*launcher.Memory
}

// Open looks at the memory of VMs whose guests run the program. Where they have memory
// at different addresses it is an error. The first is called the source in it, the second
// the destination.
func Open(ctx context.Context, program fixtures.Program, vms ...*launcher.VM) (*Set, error) {
	set := &Set{}
	for _, vm := range vms {
		memory, err := vm.Memory(ctx)
		if err != nil {
			set.Close()
			return nil, err
		}
		set.of = append(set.of, memory)
		scope := scopeOf(memory, program)
		if set.Scope != nil && !slices.Equal(scope, set.Scope) {
			set.Close()
			return nil, fmt.Errorf("the source has memory at %v, and the destination at %v", set.Scope, scope)
		}
		set.Scope = scope
	}
	return set, nil
}

// Close ends the look. Nil has nothing to end.
func (s *Set) Close() {
	if s == nil {
		return
	}
	for _, memory := range s.of {
		_ = memory.Close()
	}
}

// RAM is where the first VM has RAM, ascending; where that could not be asked for, it is
// the range that the program works on.
func (s *Set) RAM(program fixtures.Program) []fixtures.Range {
	if ranges := s.of[0].RAM(); len(ranges) > 0 {
		return ranges
	}
	return []fixtures.Range{program.Workload()}
}

// Regions are the pieces that the first VM's RAM consists of, ascending; none where that
// could not be asked for.
func (s *Set) Regions() []launcher.Region { return s.of[0].Regions() }

// Over is the same memory, of which other ranges are read.
func (s *Set) Over(ranges []fixtures.Range) *Set { return &Set{Scope: ranges, of: s.of} }

// ReadAt reads the first VM's memory at a guest-physical address.
func (s *Set) ReadAt(p []byte, at int64) (int, error) { return s.of[0].ReadAt(p, at) }

// lowMemory is a PC's first MiB: RAM, ROMs, and RAM that shadows them.
const lowMemory = 1 << 20

// scopeOf is what is compared of a VM's memory: all RAM, all ROM, and, where RAM begins at
// 0, all that is below the first MiB.
func scopeOf(m *launcher.Memory, program fixtures.Program) []fixtures.Range {
	ram := m.RAM()
	if len(ram) == 0 {
		return []fixtures.Range{{Start: program.RAMStart, End: program.RAMEnd()}}
	}
	both := append(ram, m.ROM()...)
	slices.SortFunc(both, func(a, b fixtures.Range) int { return cmp.Compare(a.Start, b.Start) })
	scope := []fixtures.Range{both[0]}
	if program.RAMStart == 0 {
		scope[0] = fixtures.Range{Start: 0, End: lowMemory}
	}
	for _, r := range both {
		last := &scope[len(scope)-1]
		switch {
		case r.End <= last.End:
		case r.Start <= last.End:
			last.End = r.End
		default:
			scope = append(scope, r)
		}
	}
	return scope
}

// Walk hands over page after page of all VMs, going up. What it hands over is good until
// visit returns.
func (s *Set) Walk(visit func(at uint64, pages [][]byte)) error {
	pieces := make([][]byte, len(s.of))
	for i := range pieces {
		pieces[i] = make([]byte, pieceSize)
	}
	pages := make([][]byte, len(s.of))
	for _, r := range s.Scope {
		for at := r.Start; at < r.End; at += pieceSize {
			size := min(pieceSize, r.End-at)
			for i, memory := range s.of {
				if _, err := memory.ReadAt(pieces[i][:size], int64(at)); err != nil {
					return err
				}
			}
			for offset := uint64(0); offset < size; offset += PageSize {
				for i, piece := range pieces {
					pages[i] = piece[offset : offset+PageSize]
				}
				visit(at+offset, pages)
			}
		}
	}
	return nil
}

// A Copy is the memory of a VM as it was, but for what was left out.
type Copy struct{ pages map[uint64][]byte }

// Copy reads the memory of the first VM, without the ranges given. Pages of zeros cost
// nothing.
func (s *Set) Copy(without []fixtures.Range) (*Copy, error) {
	c := &Copy{pages: map[uint64][]byte{}}
	err := s.Walk(func(at uint64, pages [][]byte) {
		if !IsZero(pages[0]) && !slices.ContainsFunc(without, func(r fixtures.Range) bool { return r.Contains(at) }) {
			c.pages[at] = bytes.Clone(pages[0])
		}
	})
	return c, err
}

// Page is what the page at an address held.
func (c *Copy) Page(at uint64) []byte {
	if page := c.pages[at]; page != nil {
		return page
	}
	return zeroPage[:]
}

// Compare takes a page of both sides into account.
func Compare(f *record.MemoryFacts, at uint64, source, destination []byte) {
	f.Compared += uint64(len(source))
	if bytes.Equal(source, destination) {
		return
	}
	for i := range source {
		if source[i] != destination[i] {
			if f.DifferentTotal++; len(f.Different) < record.MaxListed {
				f.Different = append(f.Different, record.Difference{Address: at + uint64(i), Source: source[i], Destination: destination[i]})
			}
		}
	}
}

// FirstDifference is where two pages differ first; -1 is nowhere.
func FirstDifference(a, b []byte) int {
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

// Sums are one for each page of a VM's memory, so that it can be seen later which
// have changed.
type Sums struct {
	Scope []fixtures.Range
	seed  maphash.Seed
	of    []uint64
}

// NewSums are none yet, of the pages of a set.
func NewSums(of *Set) *Sums { return &Sums{Scope: of.Scope, seed: maphash.MakeSeed()} }

// Like are none yet, which can be held against these.
func (s *Sums) Like(of *Set) *Sums { return &Sums{Scope: of.Scope, seed: s.seed} }

// Add takes the next page into account.
func (s *Sums) Add(page []byte) {
	if IsZero(page) { // most pages of a large guest are, and to see that is quicker than to sum one up
		page = nil
	}
	s.of = append(s.of, maphash.Bytes(s.seed, page))
}

// Pages is of how many pages there is a sum.
func (s *Sums) Pages() int { return len(s.of) }

// Changed counts the pages that have another sum in later, and returns the address of
// the first. Both must be of the same scope.
func (s *Sums) Changed(later *Sums) (changed int, first uint64) {
	n := 0
	for _, r := range s.Scope {
		for at := r.Start; at < r.End && n < min(len(s.of), len(later.of)); at += PageSize {
			if s.of[n] != later.of[n] {
				if changed++; changed == 1 {
					first = at
				}
			}
			n++
		}
	}
	return changed, first
}
