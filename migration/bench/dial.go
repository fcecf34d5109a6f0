package bench

import (
	"fmt"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/migration/bench/stats"
)

// dial are the lines of a scenario file that make the guest of a cell: its RAM, and a
// workload that dirties as much of it a second as the cell wants: whole pages, for a rate.
func dial(c stats.Cell) ([]string, error) {
	lines := []string{fmt.Sprintf("memory %s", stats.MemoryText(c.MemoryMiB))}
	switch c.DirtyRate {
	case stats.All:
		return lines, nil
	case 0:
		return append(lines, "workload 1"), nil
	}
	if c.DirtyRate < 0 {
		return nil, fmt.Errorf("no guest program can dirty %d bytes a second: 0 is nothing, and all as much as it can", c.DirtyRate)
	}
	return append(lines, fmt.Sprintf("guest %s %s", fixtures.Tide, c.DirtyRate)), nil
}
