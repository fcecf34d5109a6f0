package steps

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

func calcDirtyRateVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "expect calc-dirty-rate", Args: "MODE [for TIME]",
			Doc:     "What calc-dirty-rate measures in that mode (page-sampling or dirty-bitmap), for a second or for some milliseconds, is what the guest's workload dirties in that time: each of its pages.",
			Example: "expect calc-dirty-rate dirty-bitmap for 500ms",
			Step: func(a *migration.Args) migration.Step {
				mode, period := a.OneOf("how it is measured", pageSampling, "dirty-bitmap"), time.Second
				if a.Option("for") {
					period = a.Duration("how long it is measured")
				}
				return ExpectCalcDirtyRate(mode, period)
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
	Time   int64  `json:"calc-time"`  // for how long, in the unit that was asked for
}

// The rate is of pages that were written, each counted once, so a guest that writes all of its
// workload many times a second has just that many. A few hundred sampled pages tell it less
// sharply, and the firmware's and QEMU's own pages are in neither workload.
const (
	leastOfWorkload, mostOfWorkload = 0.8, 1.15
	leastSampled, mostSampled       = 0.6, 1.4
)

// ExpectCalcDirtyRate gathers how much QEMU says that the guest dirties, measured for whole seconds
// or for milliseconds.
func ExpectCalcDirtyRate(mode string, period time.Duration) migration.Step {
	name := "expect calc-dirty-rate " + mode
	if period != time.Second {
		name += fmt.Sprintf(" for %v", period)
	}
	return migration.Step{Name: name, Wants: []string{"boot"}, Do: func(ctx context.Context, p *migration.Pair) error {
		if p.Program.Stride == 0 || p.Program.FillsPages() {
			return fmt.Errorf("the guest program %s does not write one page after the other, which is what is measured", p.Program.Name)
		}
		asked, arguments, query := int64(period.Seconds()), map[string]any{}, any(nil)
		if period%time.Second != 0 {
			const unit = "calc-time-unit"
			asked, arguments[unit], query = period.Milliseconds(), "millisecond", map[string]string{unit: "millisecond"}
		}
		arguments["calc-time"] = asked
		if mode != pageSampling { // which is the default, and all that 5.2 has
			arguments["mode"] = mode
		}
		if err := p.Source.Execute(ctx, "calc-dirty-rate", arguments); err != nil {
			return err
		}
		var info dirtyRateInfo
		err := migration.Poll(ctx, "query-dirty-rate to have measured", func() (bool, error) {
			err := p.Source.QMP().Execute(ctx, "query-dirty-rate", query, &info)
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
		const oversleeps = 1.8
		p.Measure("time for which calc-dirty-rate measured, to what was asked for", float64(info.Time)/float64(asked), "times", record.Between(1, oversleeps).IfOnTime())
		least, most := leastOfWorkload, mostOfWorkload
		if mode == pageSampling {
			least, most = leastSampled, mostSampled
		}
		const mib = 1 << 20
		written := float64(p.Program.Workload().Len()) / mib / period.Seconds()
		bounds := record.Between(least*written, most*written)
		if rate := float64(*info.Rate); rate > 0 && rate < written { // a guest that gets little CPU writes less
			bounds = bounds.IfOnTime()
		}
		p.Measure("dirty rate by calc-dirty-rate in mode "+mode, float64(*info.Rate), "MiB a second", bounds)
		return nil
	}}
}
