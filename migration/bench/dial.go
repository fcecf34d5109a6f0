package bench

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/drover-vm/drover/fixtures"

	"github.com/drover-vm/drover/migration/bench/stats"
)

// leastRate is the least that a guest is told to dirty, in bytes a second. One that is to dirty
// nothing is told that: it shows that it runs by what it writes.
const leastRate = 64 << 10

// dial are the lines of a scenario file that make the guest of a cell: its RAM, and a
// program that dirties as much of it a second as the cell wants. Where the target has none
// with a rate, it is nothing or all.
func dial(c stats.Cell, arch string) ([]string, error) {
	arch = cmp.Or(arch, "x86_64")
	memory := fmt.Sprintf("memory %s", stats.MemoryText(c.MemoryMiB))
	if slices.Contains(fixtures.Archs(fixtures.Tide), arch) {
		switch {
		case c.DirtyRate == stats.All:
			return []string{"guest " + fixtures.Tide, memory}, nil
		case c.DirtyRate > 0 && c.DirtyRate < leastRate:
			return nil, fmt.Errorf("no guest program can dirty as little as %s: it is at least %s, or 0 for next to nothing", c.DirtyRate, stats.BandwidthText(leastRate))
		}
		return []string{fmt.Sprintf("guest %s %d", fixtures.Tide, max(c.DirtyRate, leastRate)), memory}, nil
	}
	switch c.DirtyRate {
	case stats.All:
		return []string{memory}, nil
	case 0:
		return []string{memory, "workload 1"}, nil
	}
	return nil, fmt.Errorf("no guest program for %s can dirty %s: 0 is nothing, and all as much as it can", arch, c.DirtyRate)
}
