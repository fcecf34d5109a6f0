package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/migration/bench"
	"github.com/drover-vm/drover/migration/report"
)

const adviseText = `Names the settings that kept a downtime, from what "drover bench --report DIR" has
measured: FILE is DIR/bench.json. Taken are measurements under conditions as hard as
those that are asked for, or harder: as much or more is dirtied, over as much bandwidth
or less.

Exit status: 0 when a setting kept the downtime in every round, 1 when none did, 2 when
nothing was measured that is as hard.`

func adviseCommand() *command {
	var dirty, bandwidth, downtime, memory string
	var asJSON bool
	var wish bench.Wish
	c := &command{
		Command: &cobra.Command{
			Use:   "advise --dirty-rate AMOUNT --bandwidth RATE --downtime TIME FILE",
			Short: "name the settings that kept a downtime, with the evidence",
			Long:  adviseText,
		},
	}
	c.check = func(words []string) (err error) {
		if len(words) != 1 {
			return usageError("advise wants one FILE: the bench.json that \"drover bench --report DIR\" wrote")
		}
		if wish.Dirty, err = bench.ParseDirty(dirty); err != nil {
			return usageError("--dirty-rate: " + err.Error())
		}
		if wish.Bandwidth, err = bench.ParseBandwidth(bandwidth); err != nil {
			return usageError("--bandwidth: " + err.Error())
		}
		limit, err := parseLimit(downtime)
		if err != nil {
			return usageError("--downtime: " + err.Error())
		}
		wish.DowntimeMS = float64(limit)
		if memory != "" {
			if wish.MemoryMiB, err = bench.ParseMemory(memory); err != nil {
				return usageError("--memory: " + err.Error())
			}
		}
		return nil
	}
	c.run = func(_ context.Context, words []string, _ *os.File, stdout, stderr io.Writer) int {
		r, err := bench.Read(words[0])
		if err != nil {
			return complain(stderr, err)
		}
		all, err := r.Advise(wish)
		if err != nil {
			return complain(stderr, err)
		}
		if asJSON {
			report.JSONLine(stdout, all)
		} else {
			fmt.Fprintf(stdout, "measured on QEMU %s\n", plain.Text(r.QEMU))
			report.AdviceText(stdout, all)
		}
		if !all[0].Kept {
			return exitFailed
		}
		return exitOK
	}
	set := c.Flags()
	set.StringVar(&dirty, "dirty-rate", "all", "`amount` of memory that the guest dirties: 0, 16MB, all")
	set.StringVar(&bandwidth, "bandwidth", benchBandwidth, "`rate` that there is")
	set.StringVar(&downtime, "downtime", benchDowntime, "`time` that the guest can bear to be paused")
	set.StringVar(&memory, "memory", "", "`size` of the guest's RAM (default: any)")
	set.BoolVar(&asJSON, "json", false, "write one JSON array")
	return c
}
