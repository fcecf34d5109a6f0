package bench

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/drover-vm/drover/fixtures"

	"github.com/drover-vm/drover/migration/bench/stats"
)

// least is the rate of a guest that is to dirty nothing: its program writes some pages a
// second all the same, which show that it runs.
const least = "64KiB/s"

// tide is the guest program that has a rate.
const tide = "tide"

// dial are the lines of a scenario file that make the guest of a cell: its RAM, and a
// workload that dirties as much of it a second as the cell wants.
func dial(c stats.Cell, arch string) ([]string, error) {
	arch = cmp.Or(arch, "x86_64")
	memory := fmt.Sprintf("memory %s", stats.MemoryText(c.MemoryMiB))
	if slices.Contains(fixtures.Archs(tide), arch) {
		rates := map[stats.Rate]string{0: " " + least, stats.All: ""}
		rate, special := rates[c.DirtyRate]
		if !special {
			rate = " " + c.DirtyRate.String()
		}
		return []string{"guest " + tide + rate, memory}, nil
	}
	switch c.DirtyRate {
	case stats.All:
		return []string{memory}, nil
	case 0:
		return []string{memory, "workload 1"}, nil
	}
	return nil, fmt.Errorf("no guest program for %s can dirty %s: 0 is nothing, and all as much as it can", arch, c.DirtyRate)
}
