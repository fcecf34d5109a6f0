package steps

import (
	"context"
	"errors"
	"fmt"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// faultNoticedVerbs are about what becomes of a migration, and of its guest, after a fault.
func faultNoticedVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "await fault-noticed", Args: "STATUS",
			Doc:     "Waits until the source's migration has that status after a fault, and gathers when it noticed and what it reports of the reason.",
			Example: "await fault-noticed failed",
			Step: func(a *migration.Args) migration.Step {
				return AwaitFaultNoticed(qapi.MigrationStatus(a.OneOf("a migration status", statuses()...)))
			},
		},
		{
			Name: "await resume", Doc: "Waits until the guest runs again on the source, which had stopped it to switch over.", Example: "await resume",
			Step: do(AwaitResume),
		},
		{
			Name: "expect ram-intact", Doc: "The guest runs on the source after a fault; its RAM, gathered while it is stopped for a moment, holds what its program wrote.",
			Example: "expect ram-intact", Step: do(ExpectRAMIntact),
		},
		{
			Name: "expect source-paused", Doc: "The source does not run a guest that has run on the destination before a fault, and has kept its RAM as it was.",
			Example: "expect source-paused", Step: do(ExpectSourcePaused),
		},
	}
}

// AwaitFaultNoticed waits until the source's migration has the status after a fault, and
// gathers what it reports of the reason. One that is paused (postcopy-paused) need not
// report any: 5.2 and 7.2 do so only of a migration that failed.
func AwaitFaultNoticed(status qapi.MigrationStatus) migration.Step {
	await := onFault("await fault-noticed "+string(status), func(ctx context.Context, p *migration.Pair, f *record.FaultFacts) error {
		if status == qapi.MigrationPostcopyPaused {
			f.Unnamed = true
		}
		return awaitFaultNoticed(ctx, p, f, status)
	})
	await.Wants, await.Gathers = append(await.Wants, "migrate"), []record.Fact{record.FactFault}
	return await
}

func awaitFaultNoticed(ctx context.Context, p *migration.Pair, f *record.FaultFacts, status qapi.MigrationStatus) error {
	event, err := p.Source.Await(ctx, "status "+string(status), func(e qmp.Event) bool {
		return migration.StatusOf(e) == status || migration.StatusOf(e) == qapi.MigrationCompleted
	})
	if err != nil {
		return unnoticed(p, f, status, err)
	}
	if err := noteNoticed(ctx, p, f, event); err != nil {
		return err
	}
	if f.Status != string(status) {
		return fmt.Errorf("the source's migration went to %s after it was %s, expected %s", f.Status, f.What, status)
	}
	return nil
}

// noteNoticed gathers when the source noticed the fault, and what it reports of it.
func noteNoticed(ctx context.Context, p *migration.Pair, f *record.FaultFacts, event qmp.Event) error {
	info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
	f.Status, f.Noticed, f.Desc = string(migration.StatusOf(event)), event.Time, info.ErrorDesc
	return err
}

// unnoticed tells a migration whose status no event announced from one that goes on.
func unnoticed(p *migration.Pair, f *record.FaultFacts, status qapi.MigrationStatus, waited error) error {
	ctx, cancel := p.AtMost(p.Life(), migration.LifeTimeout)
	defer cancel()
	info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
	switch {
	case err != nil:
		return waited
	case info.Status == status:
		return fmt.Errorf("the source's migration status is %s after it was %s, and no event announced it: %w", status, f.What, waited)
	default:
		return fmt.Errorf("the source has not noticed that its migration was %s: its status is %s: %w", f.What, info.Status, waited)
	}
}

// AwaitResume waits until the guest runs on the source again, which had stopped it to
// switch over. QEMU may call the migration failed a moment before.
func AwaitResume() migration.Step {
	return onMigration("await resume", func(ctx context.Context, p *migration.Pair) error {
		if f := p.Facts.Fault; f != nil {
			f.Unnamed = true
		}
		wait, cancel := p.AtMost(ctx, migration.LifeTimeout)
		defer cancel()
		_, err := p.Source.QMP().WaitFunc(wait, p.Source.Since(), migration.Named("RESUME"))
		if err == nil {
			return nil
		}
		status, unknown := qapi.QueryStatus(ctx, p.Source.QMP())
		if unknown != nil {
			return errors.Join(err, unknown)
		}
		return fmt.Errorf("the migration failed, and the guest was not resumed on the source, whose run state is %s: %w", status.Status, err)
	})
}

// ExpectRAMIntact demands that the guest runs on the source, stops it, gathers what the
// workload's range holds there, and lets it run on.
func ExpectRAMIntact() migration.Step {
	return onFault("expect ram-intact", func(ctx context.Context, p *migration.Pair, f *record.FaultFacts) error {
		status, err := qapi.QueryStatus(ctx, p.Source.QMP())
		if err != nil {
			return err
		}
		if !status.Running {
			return fmt.Errorf("the guest does not run on the source after its migration was %s: its run state is %s", f.What, status.Status)
		}
		if err = qapi.Stop(ctx, p.Source.QMP()); err != nil {
			return err
		}
		if f.RAM, err = p.Workload(ctx, p.Source); err != nil {
			return err
		}
		return qapi.Cont(ctx, p.Source.QMP())
	})
}

// ExpectSourcePaused demands that the source does not run a guest that has run elsewhere
// since, and that its memory does not change.
func ExpectSourcePaused() migration.Step {
	return onFault("expect source-paused", func(ctx context.Context, p *migration.Pair, f *record.FaultFacts) error {
		before, err := p.Counter(ctx, p.Source)
		if err != nil {
			return err
		}
		if f.RAM, err = p.Workload(ctx, p.Source); err != nil {
			return err
		}
		after, err := p.Counter(ctx, p.Source)
		if err != nil {
			return err
		}
		status, err := qapi.QueryStatus(ctx, p.Source.QMP())
		if err == nil && (status.Running || before != after) {
			err = fmt.Errorf("the source's run state is %s, and its counter went from %d to %d: it runs a guest that has run on the destination", status.Status, before.Value, after.Value)
		}
		return err
	})
}
