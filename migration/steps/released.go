package steps

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/ram"
	"github.com/drover-vm/drover/migration/record"
)

// RAM that a source gives back when it has been sent, and a guest of which a snapshot is
// written while it runs.
func releasedVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name:    "keep memory",
			Doc:     "Keeps a copy of the source's memory but for what its guest program writes, which is compared with the destination's in place of the source's: for a source that gives its RAM back.",
			Example: "keep memory", Step: do(KeepMemory),
		},
		{
			Name: "expect released-ram", Args: "SIZE",
			Doc:     "The source's process has at least so much less memory than when its resources were noted, and what was kept of it reads as zero.",
			Example: "expect released-ram 50MB",
			Step:    func(a *migration.Args) migration.Step { return ExpectReleasedRAM(a.Size("how much")) },
		},
		{
			Name:    "await snapshot",
			Doc:     "Waits until the source has written a snapshot of its guest into {dir}/stream, and demands that the guest has run meanwhile.",
			Example: "await snapshot", Step: do(AwaitSnapshot),
		},
		{
			Name:    "expect snapshot",
			Doc:     "The destination has loaded the guest as it was at one moment after the memory was remembered, and runs it on from there.",
			Example: "expect snapshot", Step: do(ExpectSnapshot),
		},
	}
}

// KeepMemory keeps a copy of the source's memory, for the comparison with the destination's.
func KeepMemory() migration.Step {
	return migration.Step{Name: "keep memory", Wants: []string{"boot"}, Do: func(ctx context.Context, p *migration.Pair) error { return p.KeepMemory(ctx) }}
}

// ExpectReleasedRAM gathers how much less memory the source's process has than was noted.
func ExpectReleasedRAM(least int64) migration.Step {
	return migration.Step{Name: fmt.Sprintf("expect released-ram %d", least), Wants: []string{"note resources", "keep memory", awaitSwitchover}, Do: func(ctx context.Context, p *migration.Pair) error {
		before := *notedResources.Of(p)
		if before == nil {
			return errors.New("the source's resources were not noted before")
		}
		now, err := p.Source.Resources()
		if err != nil {
			return err
		}
		p.Measure("memory that the source has given back", float64(before.Resident-now.Resident), "bytes", record.AtLeast(float64(least)))
		memory, err := p.Source.Memory(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = memory.Close() }()
		page, left := make([]byte, ram.PageSize), 0
		for at := p.Program.Start; at < p.Program.End; at += ram.PageSize {
			if _, err := memory.ReadAt(page, int64(at)); err != nil {
				return err
			}
			if !ram.IsZero(page) {
				left++
			}
		}
		// What went before the guest did is kept.
		p.Measure("pages of the workload that the source still has", float64(left), "pages", record.AtMost(float64(p.Program.Workload().Len()/ram.PageSize)-float64(least/ram.PageSize)))
		return nil
	}}
}

// runsOn waits until the source's guest has written to its memory, which it has to while a snapshot
// is written. It writes a page when that has been saved, and tells that it lives, on its console,
// only when it has written all.
func runsOn(ctx context.Context, p *migration.Pair) error {
	before, err := pageCounters(ctx, p, p.Source)
	if err != nil {
		return err
	}
	return migration.Poll(ctx, "the guest to write to its memory", func() (bool, error) {
		now, err := pageCounters(ctx, p, p.Source)
		if err != nil {
			return false, err
		}
		info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
		if err == nil && info.Status != qapi.MigrationActive && info.Status != qapi.MigrationSetup {
			// Or one that gets no CPU.
			err = &migration.HostError{Cause: fmt.Errorf("the source's guest wrote nothing while a snapshot was written of it, which is %s: it was to run on", info.Status)}
		}
		return !slices.Equal(now, before), err
	})
}

// AwaitSnapshot waits until the source has written a snapshot, for which it may stop the
// guest for a moment only.
func AwaitSnapshot() migration.Step {
	return migration.Step{Name: "await snapshot", Wants: []string{"enable background-snapshot"}, Gives: []string{"await saved"}, Do: func(ctx context.Context, p *migration.Pair) error {
		if err := runsOn(ctx, p); err != nil {
			return err
		}
		if _, err := p.Source.AwaitStatus(ctx, qapi.MigrationCompleted); err != nil {
			return err
		}
		if err := p.Source.ExpectRunState(ctx, qapi.StateRunning, "was to run while a snapshot of it was written"); err != nil {
			return err
		}
		events, _ := p.Source.Events(ctx)
		for i, e := range events {
			if e.Name == "STOP" && i+1 < len(events) && !e.Time.Before(p.Source.Facts.Began) {
				for _, later := range events[i+1:] {
					if later.Name == "RESUME" {
						p.Measure("time for which the guest was paused for the snapshot", float64(later.Time.Sub(e.Time).Milliseconds()), "ms", record.AtMost(snapshotPause))
						return nil
					}
				}
			}
		}
		return errors.New("the source did not stop its guest for a moment to write a snapshot of it: nothing in it would be of one moment")
	}}
}

// snapshotPause is how long a guest may be paused for its devices to be written, in ms.
const snapshotPause = 500

// ExpectSnapshot gathers whether the destination has the guest of one moment: the workload
// is what its program promises, all else is as it was remembered, and it runs on.
func ExpectSnapshot() migration.Step {
	return migration.Step{Name: "expect snapshot", Wants: []string{"load", "remember memory"}, Do: func(ctx context.Context, p *migration.Pair) error {
		d := p.Destination
		if d == nil {
			return errNoDestination
		}
		if _, err := d.AwaitStatus(ctx, qapi.MigrationCompleted); err != nil {
			return err
		}
		if err := ExpectMemoryUnchanged().Do(ctx, p); err != nil {
			return err
		}
		if err := expectWorkload(ctx, p, d, "of the snapshot"); err != nil {
			return err
		}
		then, err := p.Counter(ctx, d)
		if err != nil {
			return err
		}
		if err := qapi.Cont(ctx, d.QMP()); err != nil {
			return err
		}
		err = migration.Poll(ctx, "the guest of the snapshot to run", func() (bool, error) {
			now, err := p.Counter(ctx, d)
			return now != then, err
		})
		if err != nil {
			return err
		}
		if err := qapi.Stop(ctx, d.QMP()); err != nil {
			return err
		}
		return expectWorkload(ctx, p, d, "of the snapshot, when it had run on")
	}}
}

// expectWorkload demands that a side's workload is what the guest program promises.
func expectWorkload(ctx context.Context, p *migration.Pair, s *migration.Side, of string) error {
	found, err := p.Workload(ctx, s)
	if err != nil {
		return err
	}
	if outcome, witness := found.Judge(p.Program); outcome != record.Pass {
		return fmt.Errorf("the workload %s: %s", of, witness)
	}
	return nil
}
