package steps

import (
	"context"
	"fmt"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// AwaitPasses waits until the source has sent n full passes over the guest's
// RAM. A guest that has moved by then is an error: the passes were to be seen
// because it can't converge.
//
// QEMU announces each synchronisation of its dirty bitmap with MIGRATION_PASS;
// the first comes before the first pass. Up to 10.0 the next comes when a pass
// is done, but 11.1 has one every 100 ms when postcopy is enabled, so what has
// been sent is looked at as well.
func AwaitPasses(n int64) migration.Step {
	return onMigration(fmt.Sprintf("await passes %d", n), func(ctx context.Context, p *migration.Pair) error { return awaitPasses(ctx, p, n) })
}

func awaitPasses(ctx context.Context, p *migration.Pair, n int64) error {
	from := p.Source.Since()
	for {
		event, err := p.Source.AwaitFrom(ctx, from, fmt.Sprintf("pass %d", n), func(e qmp.Event) bool { return e.Name == "STOP" || passOf(e) > n })
		if err != nil {
			return err
		}
		if event.Name == "STOP" {
			// A guest that gets no CPU writes nothing, and then there is nothing left to send.
			return &migration.HostError{Cause: fmt.Errorf("the source switched over before pass %d was done, under limits that should not let it, %s", n, p.Source.State(ctx))}
		}
		done, err := passesDone(ctx, p.Source)
		if err != nil {
			return err
		}
		if done >= n {
			noteThroughput(p)
			return nil
		}
		from = event.Next()
	}
}

// AwaitMorePasses waits until the source has sent as many pages again as n full passes
// over the guest's RAM have: what was written before has then been sent.
func AwaitMorePasses(n int64) migration.Step {
	return onMigration(fmt.Sprintf("await more-passes %d", n), func(ctx context.Context, p *migration.Pair) error {
		done, err := passesDone(ctx, p.Source)
		if err != nil {
			return err
		}
		return awaitPasses(ctx, p, done+n)
	})
}

// onMigration is a step that wants a migration to have begun.
func onMigration(name string, do func(ctx context.Context, p *migration.Pair) error) migration.Step {
	return migration.Step{Name: name, Wants: []string{"migrate"}, Do: do}
}

// passOf returns the number that a MIGRATION_PASS event carries, 0 for any other.
func passOf(e qmp.Event) int64 {
	var data qapi.MigrationPassEvent
	if e.Name != "MIGRATION_PASS" || e.Decode(&data) != nil {
		return 0
	}
	return int64(data.Pass)
}

// passesDone is how often as many pages as the guest has were sent. What fits
// into the downtime limit may be left of a pass when it ends, so one that is
// nine tenths done counts.
func passesDone(ctx context.Context, s *migration.Side) (int64, error) {
	info, err := qapi.QueryMigrate(ctx, s.QMP())
	if err != nil || info.RAM == nil || info.RAM.Total == 0 {
		return 0, err
	}
	pages := info.RAM.Normal + info.RAM.Duplicate
	if info.XBZRLE != nil {
		pages += uint64(info.XBZRLE.Pages)
	}
	return int64(float64(pages*info.RAM.PageSize)/float64(info.RAM.Total) + 0.1), nil
}

// AwaitSyncs waits until the source has synchronised its dirty bitmap so often, and gathers
// whether it has: one that believes that all has been sent switches over before.
func AwaitSyncs(n int64) migration.Step {
	return onMigration(fmt.Sprintf("await syncs %d", n), func(ctx context.Context, p *migration.Pair) error {
		event, err := p.Source.Await(ctx, "a dirty bitmap sync", func(e qmp.Event) bool { return e.Name == "STOP" || passOf(e) >= n })
		if err != nil {
			return err
		}
		if !record.MissesHotWrites(p.Facts, p.Program.Hot) { // and so believes it
			p.Measure("dirty bitmap syncs before the guest was stopped", float64(passOf(event)), "syncs", record.AtLeast(float64(n)))
		}
		return nil
	})
}
