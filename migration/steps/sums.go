package steps

import (
	"context"
	"fmt"
	"slices"

	"github.com/drover-vm/drover/fixtures"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/ram"
)

// sumsOf reads the memory of a side, which may run. Pages that its program writes
// have all the same sum. They can be held against those of before, where there are such.
func sumsOf(ctx context.Context, p *migration.Pair, s *migration.Side, before *ram.Sums) (*ram.Sums, error) {
	memory, err := ram.Open(ctx, p.Program, s.VM)
	if err != nil {
		return nil, err
	}
	defer memory.Close()
	sums := ram.NewSums(memory)
	if before != nil {
		sums = before.Like(memory)
		if !slices.Equal(sums.Scope, before.Scope) {
			return nil, fmt.Errorf("the source had memory at %v, and the destination has it at %v", before.Scope, sums.Scope)
		}
	}
	busy := append([]fixtures.Range{p.Program.Workload()}, p.Program.Scratch...)
	err = memory.Walk(func(at uint64, pages [][]byte) {
		if slices.ContainsFunc(busy, func(r fixtures.Range) bool { return r.Contains(at) }) {
			sums.Add(nil)
			return
		}
		sums.Add(pages[0])
	})
	return sums, err
}
