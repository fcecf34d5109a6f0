package migration

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/record"
)

// pageSize is the unit in which memory is compared before it is looked at byte
// by byte; it has nothing to do with the guest's own.
const pageSize = 4096

// pieceSize is how much is read at once: little enough to stay in a processor's cache.
const pieceSize = 256 << 10

// CompareMemory reads the memory of both sides, both stopped, and gathers what
// the workload's range holds on the destination and what differs elsewhere.
func CompareMemory() Step {
	return Step{Name: "compare the memory", Do: func(ctx context.Context, p *Pair) error {
		began := time.Now()
		both, err := p.memories(ctx)
		defer both.close()
		if err != nil {
			return err
		}
		workload := newWorkloadReader(p.Program)
		facts := &record.MemoryFacts{Left: p.Program.Scratch}
		left := append([]fixtures.Range{p.Program.Workload()}, p.Program.Scratch...)
		p.sums = sums{seed: maphash.MakeSeed(), scope: both.scope}
		err = both.walk(func(at uint64, pages [][]byte) {
			source, destination := pages[0], pages[1]
			p.sums.add(destination)
			facts.Size += pageSize
			workload.page(at, destination)
			if !slices.ContainsFunc(left, func(r fixtures.Range) bool { return r.Contains(at) }) {
				comparePage(facts, at, source, destination)
			}
		})
		p.Facts.Workload, p.Facts.Memory = workload.done(), facts
		facts.Seconds = time.Since(began).Seconds()
		return err
	}}
}

// SeeWorkload gathers what the workload's range holds on the destination, which is
// stopped, where the memory of the two sides is not the same any more.
func SeeWorkload() Step {
	return Step{Name: "see the workload", Do: func(ctx context.Context, p *Pair) (err error) {
		p.Facts.Workload, err = p.workloadOn(ctx, p.Destination)
		return err
	}}
}

// CompareExactly gathers what differs anywhere in the memory of both sides, where the
// guest has stopped on the source and has not run yet on the destination.
func CompareExactly() Step {
	return Step{Name: "compare all memory", Do: func(ctx context.Context, p *Pair) error {
		began := time.Now()
		both, err := p.memories(ctx)
		defer both.close()
		if err != nil {
			return err
		}
		facts := &record.MemoryFacts{}
		p.Facts.Exact = facts
		err = both.walk(func(at uint64, pages [][]byte) {
			facts.Size += pageSize
			comparePage(facts, at, pages[0], pages[1])
		})
		facts.Seconds = time.Since(began).Seconds()
		return err
	}}
}

// memories are those of several VMs with the same memory map.
type memories struct {
	of    []*launcher.Memory
	scope []fixtures.Range
}

// memories are those of both sides: the source's first.
func (p *Pair) memories(ctx context.Context) (both memories, err error) {
	for _, s := range p.Sides() {
		memory, err := s.Memory(ctx)
		if err != nil {
			return both, err
		}
		both.of = append(both.of, memory)
		scope := scopeOf(memory, p.Program)
		if both.scope != nil && !slices.Equal(scope, both.scope) {
			return both, fmt.Errorf("the source has memory at %v, and the destination at %v", both.scope, scope)
		}
		both.scope = scope
	}
	return both, nil
}

func (m memories) close() {
	for _, memory := range m.of {
		_ = memory.Close()
	}
}

// lowMemory is a PC's first MiB: RAM, ROMs, and RAM that shadows them.
const lowMemory = 1 << 20

// scopeOf is what is compared of a VM's memory: all RAM, all ROM, and all that is
// below the first MiB.
func scopeOf(m *launcher.Memory, program fixtures.Program) []fixtures.Range {
	ram := m.RAM()
	if len(ram) == 0 {
		return []fixtures.Range{{Start: 0, End: uint64(program.MemoryMiB) << 20}}
	}
	both := append(ram, m.ROM()...)
	slices.SortFunc(both, func(a, b fixtures.Range) int { return cmp.Compare(a.Start, b.Start) })
	scope := []fixtures.Range{{Start: 0, End: lowMemory}}
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

// walk hands over page after page of all of them, going up. What it hands over is
// good until visit returns.
func (m memories) walk(visit func(at uint64, pages [][]byte)) error {
	pieces := make([][]byte, len(m.of))
	for i := range pieces {
		pieces[i] = make([]byte, pieceSize)
	}
	pages := make([][]byte, len(m.of))
	for _, r := range m.scope {
		for at := r.Start; at < r.End; at += pieceSize {
			size := min(pieceSize, r.End-at)
			for i, memory := range m.of {
				if _, err := memory.ReadAt(pieces[i][:size], int64(at)); err != nil {
					return err
				}
			}
			for offset := uint64(0); offset < size; offset += pageSize {
				for i, piece := range pieces {
					pages[i] = piece[offset : offset+pageSize]
				}
				visit(at+offset, pages)
			}
		}
	}
	return nil
}

func comparePage(f *record.MemoryFacts, at uint64, source, destination []byte) {
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

// sums are one for each page of a VM's memory, so that it can be seen later which
// have changed.
type sums struct {
	seed  maphash.Seed
	scope []fixtures.Range
	of    []uint64
}

func (s *sums) add(page []byte) { s.of = append(s.of, maphash.Bytes(s.seed, page)) }

// NothingMoves gathers whether anything has changed on the destination since its
// memory was compared, and whether the source still stands.
func NothingMoves() Step {
	return Step{Name: "see that nothing moves", Do: func(ctx context.Context, p *Pair) error {
		status, err := qapi.QueryStatus(ctx, p.Destination.QMP())
		if err != nil {
			return err
		}
		facts := &record.StillnessFacts{Status: status.Status, Running: status.Running}
		p.Facts.Stillness = facts
		now, err := p.Destination.Memory(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = now.Close() }()
		err = memories{[]*launcher.Memory{now}, p.sums.scope}.walk(func(at uint64, pages [][]byte) {
			if maphash.Bytes(p.sums.seed, pages[0]) != p.sums.of[facts.Pages] {
				if facts.Changed++; facts.Changed == 1 {
					facts.First = at
				}
			}
			facts.Pages++
		})
		facts.Seconds = time.Since(p.stopped).Seconds()
		if err != nil {
			return err
		}
		return p.sourceAtEnd(ctx)
	}}
}

// sourceAtEnd gathers what has become of the source since the completion.
func (p *Pair) sourceAtEnd(ctx context.Context) error {
	stand := p.Facts.Stand
	if stand == nil {
		return nil
	}
	status, err := qapi.QueryStatus(ctx, p.Source.QMP())
	if err != nil {
		return err
	}
	stand.StatusAtEnd, stand.RunningEnd = status.Status, status.Running
	stand.After, err = p.counter(ctx, p.Source)
	return err
}
