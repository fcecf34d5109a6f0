package steps

import (
	"context"
	"fmt"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/procfs"
	"github.com/drover-vm/drover/migration/record"
)

func fileThroughputVerbs() migration.Vocabulary {
	return migration.Vocabulary{{
		Name: "expect file-throughput", Args: "RATE within FACTOR",
		Doc:     "What the source writes while its migration into a file is active, for some tenths of a second, by the kernel's count: at most so many times the limit, and not far below it.",
		Example: "expect file-throughput 100MB/s within 1.3",
		Step: func(a *migration.Args) migration.Step {
			limit := a.Rate("the limit")
			if !a.Option("within") {
				a.Fail("how far beyond the limit it may be is missing: within 1.3")
			}
			return ExpectFileThroughput(limit, a.Float("how many times the limit it may be"))
		},
	}}
}

// fileWatched is for how long it is watched what goes into a file.
const fileWatched = window

// ExpectFileThroughput gathers how fast the source writes while its migration is active, in
// bytes a second.
func ExpectFileThroughput(limit, excess float64) migration.Step {
	return onMigration("expect file-throughput", func(ctx context.Context, p *migration.Pair) error {
		if _, err := p.Source.AwaitStatus(ctx, qapi.MigrationActive); err != nil {
			return err
		}
		began := time.Now()
		from, err := procfs.WrittenBy(p.Source.PID())
		if err != nil {
			return err
		}
		rate := 0.0
		err = migration.Poll(ctx, "the source to write", func() (bool, error) {
			now, err := procfs.WrittenBy(p.Source.PID())
			rate = float64(now-from) / (time.Since(began) + burst).Seconds() // what is sent in a burst is for all of it
			return time.Since(began) >= fileWatched, err
		})
		if err != nil {
			return err
		}
		p.Measure("written into the file", rate, "bytes a second", record.Between(limit*0.3, limit*excess))
		if rate > limit*excess {
			err = fmt.Errorf("the source writes %.1f MB a second into the file, expected at most %.0f, where the limit is %.0f", rate/MB, limit*excess/MB, limit/MB)
		}
		return err
	})
}
