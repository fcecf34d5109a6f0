package steps

import (
	"context"
	"errors"
	"fmt"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

func calcDirtyRateVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "expect calc-dirty-rate", Args: "MODE",
			Doc:     "What calc-dirty-rate measures for a second in that mode (page-sampling or dirty-bitmap) is what the guest's workload dirties in that time: each of its pages.",
			Example: "expect calc-dirty-rate dirty-bitmap",
			Step: func(a *migration.Args) migration.Step {
				return ExpectCalcDirtyRate(a.OneOf("how it is measured", pageSampling, "dirty-bitmap"))
			},
		},
	}
}

const pageSampling = "page-sampling"

// A dirtyRateInfo is what query-dirty-rate reports.
type dirtyRateInfo struct {
	Status string `json:"status"`
	Rate   *int64 `json:"dirty-rate"` // in MiB a second, once it was measured
	Mode   string `json:"mode"`       // "" before 6.2, which only samples
}

// The rate is of pages that were written, each counted once, so a guest that writes all of its
// workload many times a second has just that many. A few hundred sampled pages tell it less
// sharply, and the firmware's and QEMU's own pages are in neither workload.
const (
	leastOfWorkload, mostOfWorkload = 0.8, 1.15
	leastSampled, mostSampled       = 0.6, 1.4
)

// ExpectCalcDirtyRate gathers how much QEMU says that the guest dirties in a second.
func ExpectCalcDirtyRate(mode string) migration.Step {
	return migration.Step{Name: "expect calc-dirty-rate " + mode, Wants: []string{"boot"}, Do: func(ctx context.Context, p *migration.Pair) error {
		if p.Program.Stride == 0 || p.Program.FillsPages() {
			return fmt.Errorf("the guest program %s does not write one page after the other, which is what is measured", p.Program.Name)
		}
		const seconds = 1
		arguments := map[string]any{"calc-time": seconds}
		if mode != pageSampling { // which is the default, and all that 5.2 has
			arguments["mode"] = mode
		}
		if err := p.Source.Execute(ctx, "calc-dirty-rate", arguments); err != nil {
			return err
		}
		var info dirtyRateInfo
		err := migration.Poll(ctx, "query-dirty-rate to have measured", func() (bool, error) {
			err := p.Source.QMP().Execute(ctx, "query-dirty-rate", nil, &info)
			return info.Status == "measured", err
		})
		switch {
		case err != nil:
			return err
		case info.Rate == nil:
			return errors.New("query-dirty-rate says that it has measured, and has no dirty-rate")
		case info.Mode != "" && info.Mode != mode:
			return fmt.Errorf("calc-dirty-rate was asked for the mode %s, and query-dirty-rate says %s", mode, info.Mode)
		}
		least, most := leastOfWorkload, mostOfWorkload
		if mode == pageSampling {
			least, most = leastSampled, mostSampled
		}
		const mib = 1 << 20
		written := float64(p.Program.Workload().Len()) / mib / seconds
		bounds := record.Between(least*written, most*written)
		if rate := float64(*info.Rate); rate > 0 && rate < written { // a guest that gets little CPU writes less
			bounds = bounds.IfOnTime()
		}
		p.Measure("dirty rate by calc-dirty-rate in mode "+mode, float64(*info.Rate), "MiB a second", bounds)
		return nil
	}}
}
