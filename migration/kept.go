package migration

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/launcher"
)

// RememberMemory keeps a sum of each page of the source's memory that nobody writes.
func RememberMemory() Step {
	return Step{Name: "remember the memory", Do: func(ctx context.Context, p *Pair) (err error) {
		p.kept, err = p.sumsOf(ctx, p.Source, maphash.MakeSeed())
		return err
	}}
}

// SeeMemoryKept demands that those pages are on the destination as they were. Where
// both sides have the same RAM, it is no use to compare it with itself.
func SeeMemoryKept() Step {
	return Step{Name: "see the memory as it was", Do: func(ctx context.Context, p *Pair) error {
		now, err := p.sumsOf(ctx, p.Destination, p.kept.seed)
		if err != nil {
			return err
		}
		if !slices.Equal(now.scope, p.kept.scope) {
			return fmt.Errorf("the source had memory at %v, and the destination has it at %v", p.kept.scope, now.scope)
		}
		changed, first := 0, uint64(0)
		for i, at := range now.addresses() {
			if now.of[i] != p.kept.of[i] {
				if changed++; changed == 1 {
					first = at
				}
			}
		}
		if changed > 0 {
			return fmt.Errorf("%d pages that nobody writes have changed since before the migration; the first: that at %#x", changed, first)
		}
		return nil
	}}
}

// sumsOf reads the memory of a side, which may go on. Pages that its program writes
// have all the same sum.
func (p *Pair) sumsOf(ctx context.Context, s *Side, seed maphash.Seed) (sums, error) {
	memory, err := s.Memory(ctx)
	if err != nil {
		return sums{}, err
	}
	defer func() { _ = memory.Close() }()
	busy := append([]fixtures.Range{p.Program.Workload()}, p.Program.Scratch...)
	found := sums{seed: seed, scope: scopeOf(memory, p.Program)}
	err = memories{[]*launcher.Memory{memory}, found.scope}.walk(func(at uint64, pages [][]byte) {
		if slices.ContainsFunc(busy, func(r fixtures.Range) bool { return r.Contains(at) }) {
			found.add(nil)
			return
		}
		found.add(pages[0])
	})
	return found, err
}

// addresses yields the number and the address of each page that there is a sum of.
func (s sums) addresses() func(yield func(int, uint64) bool) {
	return func(yield func(int, uint64) bool) {
		n := 0
		for _, r := range s.scope {
			for at := r.Start; at < r.End; at += pageSize {
				if !yield(n, at) {
					return
				}
				n++
			}
		}
	}
}
