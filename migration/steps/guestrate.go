package steps

import (
	"context"
	"errors"
	"time"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/ram"
	"github.com/drover-vm/drover/migration/record"
)

func guestRateVerbs() migration.Vocabulary {
	return migration.Vocabulary{{
		Name:    "expect guest-rate",
		Doc:     "The guest fills pages on the source no faster than \"guest tide RATE\" says; slower where the host is busy.",
		Example: "expect guest-rate", Step: do(ExpectGuestRate),
	}}
}

// rateWatched is for how long a guest's rate is measured: some dozens of its pages at the least
// rate that makes sense.
const rateWatched = 500 * time.Millisecond

// ExpectGuestRate gathers how fast the source's guest fills pages, by what it counts itself.
func ExpectGuestRate() migration.Step {
	s := step("expect guest-rate", func(ctx context.Context, p *migration.Pair) error {
		if p.Program.Rate == 0 {
			return errors.New("the guest program has no rate: declare \"guest tide RATE\"")
		}
		counter := p.Program.Table[0].Address // the pages that it has filled
		before, err := p.Source.QTest().Readl(ctx, counter)
		if err != nil {
			return err
		}
		began := time.Now()
		watch, cancel := context.WithTimeout(ctx, rateWatched)
		defer cancel()
		<-watch.Done()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		now, err := p.Source.QTest().Readl(ctx, counter)
		if err != nil {
			return err
		}
		rate := float64(p.Program.Rate)
		// A guest that had got no CPU makes up for it, as fast as it can.
		p.Measure("what the guest fills", float64(now-before)*ram.PageSize/time.Since(began).Seconds(), "bytes a second", record.Between(ram.PageSize, rate*1.15))
		return nil
	})
	s.Wants = []string{"boot"}
	return s
}
