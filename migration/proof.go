package migration

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/internal/ram"
	"github.com/drover-vm/drover/migration/record"
)

// errNoDestination says that a step is about a destination that was never started.
var errNoDestination = errors.New("there is no destination yet")

// expectRunningOnDestination gathers whether the guest runs on the destination.
func expectRunningOnDestination() Step {
	return Step{Name: "check that the destination runs", Do: func(ctx context.Context, p *Pair) error {
		if p.Destination == nil {
			return errNoDestination
		}
		ctx, cancel := p.AtMost(ctx, LifeTimeout)
		defer cancel()
		if err := p.WatchLife(ctx, p.Destination, 0); err != nil {
			return err
		}
		p.NoteDowntime()
		return nil
	}}
}

// NoteDowntime gathers how long the guest's console was silent: from its last output
// on the source to its first on the destination.
func (p *Pair) NoteDowntime() {
	if p.run.linux != nil {
		p.noteBeats()
		return
	}
	p.noteSpeed()
	source, destination := p.Source.Console().Chunks(0), p.Destination.Console().Chunks(0)
	if len(source) == 0 || len(destination) == 0 {
		return
	}
	longest := time.Duration(0)
	for i, c := range source[1:] {
		longest = max(longest, c.Time.Sub(source[i].Time))
	}
	p.Facts.Standstill = &record.StandstillFacts{
		LastOnSource: source[len(source)-1].Time, FirstOnDestination: destination[0].Time, LongestSeconds: longest.Seconds(),
	}
}

// expectRunningOnSource gathers whether the guest still runs on the source after a
// migration that failed.
func expectRunningOnSource() Step {
	return Step{Name: "check that the source runs", Do: func(ctx context.Context, p *Pair) error {
		if err := p.ExpectRunning(ctx); err != nil {
			return err
		}
		return p.hearReport(ctx, p.Source)
	}}
}

// reasonTimeout is how long QEMU may take from reporting a failed migration to reporting why.
const reasonTimeout = time.Second

// noteFailure gathers what the source reports of the migration that brought the guest
// nowhere.
func noteFailure() Step {
	return Step{Name: "note the source's error", Do: func(ctx context.Context, p *Pair) error {
		// 5.2 may announce the failure a moment before it reports why.
		wait, cancel := p.AtMost(ctx, reasonTimeout)
		defer cancel()
		var info qapi.MigrationInfo
		err := Poll(wait, "the reason of the failure", func() (bool, error) {
			now, err := qapi.QueryMigrate(wait, p.Source.QMP())
			if err == nil { // a reply that the end of the wait cut off has no reason in it
				info = now
			}
			return info.ErrorDesc != "" || info.Status != qapi.MigrationFailed, err
		})
		p.Facts.Failure = &record.FailureFacts{Status: string(info.Status), Desc: info.ErrorDesc}
		if wait.Err() != nil && cutShort(wait) == nil {
			return context.Cause(ctx) // that there is none is a fact for the check
		}
		return err
	}}
}

// settled waits until the source has left the run state of a migration's last
// moments, and returns the one that it came to. QEMU goes to postmigrate, and
// only then knows the times of the migration, shortly after the migration's
// status says completed; no event reports it. That it doesn't settle is a fact
// for the check.
func (p *Pair) settled(ctx context.Context, s *Side) (status qapi.StatusInfo, _ error) {
	wait, cancel := p.AtMost(ctx, LifeTimeout)
	defer cancel()
	waited := Poll(wait, "the source's run state to settle", func() (bool, error) {
		now, err := qapi.QueryStatus(wait, s.QMP())
		if err == nil { // else the wait is over, and what it was last stands
			status = now
		}
		return status.Status != "finish-migrate", err
	})
	if waited != nil && cutShort(wait) != nil {
		return status, waited
	}
	if waited = ExitErrorOnly(waited); waited == nil {
		waited = context.Cause(ctx)
	}
	return status, waited
}

// sourceAtCompletion gathers what the source is when the migration is completed.
func sourceAtCompletion() Step {
	return Step{Name: "check that the source is paused", Do: func(ctx context.Context, p *Pair) error { return p.SourceAtCompletion(ctx) }}
}

// StopDestination stops the guest where it is now.
func (p *Pair) StopDestination(ctx context.Context) error {
	err := qapi.Stop(ctx, p.Destination.QMP())
	p.StoppedNow()
	return err
}

// StoppedNow notes that the destination's guest has just been stopped, or does not run.
func (p *Pair) StoppedNow() {
	p.stopped = time.Now()
	p.watchCPU()
}

func stopDestination() Step {
	return Step{Name: "stop the destination", Do: func(ctx context.Context, p *Pair) error {
		if err := p.hearReport(ctx, p.Destination); err != nil {
			return err
		}
		return p.StopDestination(ctx)
	}}
}

// KeepMemory keeps a copy of the source's memory but for what its guest program writes: it
// is compared with the destination's in place of the source's.
func (p *Pair) KeepMemory(ctx context.Context) (err error) {
	memory, err := ram.Open(ctx, p.Program, p.Source.VM)
	if err != nil {
		return err
	}
	defer memory.Close()
	p.kept, err = memory.Copy(append([]fixtures.Range{p.Program.Workload()}, p.Program.Scratch...))
	return err
}

// CompareMemory reads the memory of both sides, both stopped, and gathers what
// the workload's range holds on the destination and what differs elsewhere.
func CompareMemory() Step {
	return Step{Name: "compare memory", Do: func(ctx context.Context, p *Pair) error {
		if p.Destination == nil {
			return errNoDestination
		}
		if p.run.linux != nil {
			return p.sumMemory(ctx)
		}
		began := time.Now()
		vms := []*launcher.VM{p.Source.VM, p.Destination.VM}
		if p.kept != nil {
			vms = vms[1:]
		}
		both, err := ram.Open(ctx, p.Program, vms...)
		if err != nil {
			return err
		}
		defer both.Close()
		workload := ram.NewWorkload(p.Program)
		facts := &record.MemoryFacts{Left: p.Program.Scratch}
		if facts.LeftOut, err = p.leftOut(ctx); err != nil {
			return err
		}
		left := append([]fixtures.Range{p.Program.Workload()}, p.Program.Scratch...)
		p.sums = ram.NewSums(both)
		err = both.Walk(func(at uint64, pages [][]byte) {
			source, destination := pages[0], pages[len(pages)-1]
			if p.kept != nil {
				source = p.kept.Page(at)
			}
			p.sums.Add(destination)
			facts.Size += ram.PageSize
			workload.Page(at, destination)
			if !slices.ContainsFunc(left, func(r fixtures.Range) bool { return r.Contains(at) }) {
				ram.Compare(facts, at, source, destination)
			}
		})
		p.Facts.Workload, p.Facts.Memory = workload.Done(), facts
		facts.Seconds = time.Since(began).Seconds()
		return err
	}}
}

// ReadCanaries gathers what has become on the destination of the values that were
// written to devices' registers when the guest had booted.
func ReadCanaries() Step {
	return Step{Name: "read canaries", Do: func(ctx context.Context, p *Pair) error { return p.readCanaries(ctx, p.Destination) }}
}

// readSourceCanaries is the same for a guest that has stayed on the source.
func readSourceCanaries() Step {
	return Step{Name: "read canaries on the source", Do: func(ctx context.Context, p *Pair) error { return p.readCanaries(ctx, p.Source) }}
}

func (p *Pair) readCanaries(ctx context.Context, s *Side) error {
	if s == nil {
		return errNoDestination
	}
	p.Facts.Devices = nil
	for _, c := range slices.Backward(p.canaries) { // to look at one may write to another that came before
		found, err := c.Read(ctx, s)
		if err != nil {
			return err
		}
		p.Facts.Devices = append(p.Facts.Devices, record.DeviceFacts{Register: c.Device, Planted: c.Value, Found: found})
	}
	return nil
}

// CompareAgain gathers whether anything has changed on the destination since its
// memory was compared, and what has become of the source.
func CompareAgain() Step {
	return Step{Name: "check that nothing changes", Do: func(ctx context.Context, p *Pair) error {
		if p.sums == nil {
			return errors.New("the destination's memory was not compared before")
		}
		status, err := qapi.QueryStatus(ctx, p.Destination.QMP())
		if err != nil {
			return err
		}
		facts := &record.StillnessFacts{Status: status.Status, Running: status.Running}
		p.Facts.Stillness = facts
		now, err := ram.Open(ctx, p.Program, p.Destination.VM)
		if err != nil {
			return err
		}
		defer now.Close()
		now = now.Over(p.sums.Scope)
		sums := p.sums.Like(now)
		err = now.Walk(func(_ uint64, pages [][]byte) { sums.Add(pages[0]) })
		facts.Pages = sums.Pages()
		facts.Changed, facts.First = p.sums.Changed(sums)
		facts.Seconds = time.Since(p.stopped).Seconds()
		if err != nil {
			return err
		}
		return p.SourceAtEnd(ctx)
	}}
}
