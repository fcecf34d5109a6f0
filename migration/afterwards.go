package migration

import (
	"context"
	"strconv"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration/internal/procfs"
	"github.com/drover-vm/drover/migration/record"
)

// before is what the source was like when it was told to migrate first.
type before struct {
	side      *Side
	resources procfs.Resources
	untouched uint64  // bytes that the guest program had still to write for the first time, at most
	rounds    float64 // of the guest's over its memory a second; 0 where nobody looked
}

// noteBefore keeps what the source is like before its first migration.
func (p *Pair) noteBefore(ctx context.Context) (err error) {
	if p.before.side == p.Source || p.Program.End == 0 {
		return nil
	}
	p.before = before{side: p.Source}
	last, err := p.Source.QTest().Readb(ctx, p.Program.End-p.Program.Stride)
	if err != nil {
		return err
	}
	if last == 0 { // it is in its first round, or counts it up to 256 just now
		p.before.untouched = p.Program.Workload().Len()
	}
	if p.before.resources, err = p.Source.Resources(); err != nil || p.run.scenario.Ends != record.OnSource {
		return err
	}
	p.before.rounds, err = p.rounds(ctx, p.Source)
	return err
}

// A guest's rounds are counted until so many have begun, which takes some 5 ms each, or for so
// long.
const (
	roundsCounted = 5
	roundsWatched = 60 * time.Millisecond
)

// rounds is how many rounds over its memory a side's guest makes a second; 0 where it does
// not run.
func (p *Pair) rounds(ctx context.Context, s *Side) (float64, error) {
	status, err := qapi.QueryStatus(ctx, s.QMP())
	if err != nil || !status.Running {
		return 0, err
	}
	last, err := p.Counter(ctx, s)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	var first, latest time.Time // at which a round began
	n := 0                      // from the first on
	for n < roundsCounted && time.Since(began) < roundsWatched {
		now, err := p.Counter(ctx, s)
		if err != nil {
			return 0, err
		}
		if more := int(now.Value - last.Value); more > 0 {
			if latest = time.Now(); first.IsZero() {
				first = latest
			} else {
				n += more
			}
		}
		last = now
	}
	if n == 0 {
		return 0, nil
	}
	return float64(n) / latest.Sub(first).Seconds(), nil
}

const (
	// leastSpeed is how fast a guest has to be when a migration is over, to before.
	leastSpeed = 0.5
	// moreMemory is how much more anonymous memory a source may have then, in bytes: what its C
	// library keeps of what it was given back, and what the kernel adds where it joins a page
	// that was written and those around it to a huge one.
	moreMemory = 48 << 20
	// mostBusy is the share of a CPU that a QEMU may use then, beside its vCPUs, and
	// busyWindow for how long it is looked at.
	mostBusy   = 0.25
	busyWindow = 40 * time.Millisecond
)

// afterwards gathers what is left of a migration when it is over, however it ended: on the
// source threads, open files and memory, how fast its guest is where it stayed, and on both
// sides how busy QEMU is.
func afterwards() Step {
	return Step{Name: "check what is left", Do: func(ctx context.Context, p *Pair) error {
		if p.stopped.IsZero() { // else they have been watched since then
			p.watchCPU()
		}
		if p.before.side == p.Source && p.Source.ExitState() == nil && !p.Facts.Replaced {
			if err := p.leftOnSource(ctx); err != nil {
				return err
			}
		}
		for _, s := range p.Sides() { // both have been watched since the same moment
			if s.ExitState() != nil || s == p.Source && p.Facts.Replaced {
				continue
			}
			share, err := p.busy(ctx, s)
			if err != nil {
				return ExitErrorOnly(err)
			}
			if err := p.threadsListed(ctx, s); err != nil {
				return ExitErrorOnly(err)
			}
			p.Measure("of a CPU that the "+s.Name()+" uses beside its vCPUs when all is over", share, "times", record.AtMost(mostBusy))
		}
		return nil
	}}
}

// threadsListed gathers how many threads of a migration a side lists (query-migrationthreads,
// since 7.2) when they have had time to end.
func (p *Pair) threadsListed(ctx context.Context, s *Side) error {
	var threads []struct{ Name string }
	wait, cancel := p.AtMost(ctx, releaseTimeout)
	defer cancel()
	err := Poll(wait, "the list of migration threads to be empty", func() (bool, error) {
		err := s.QMP().Execute(wait, "query-migrationthreads", nil, &threads)
		return len(threads) == 0, err
	})
	if qmp.NoSuchCommand(err) {
		return nil
	}
	if err != nil && wait.Err() == nil {
		return err
	}
	p.Measure("threads that the "+s.Name()+" lists of the migration that is over", float64(len(threads)), "threads", record.AtMost(0))
	return nil
}

func (p *Pair) leftOnSource(ctx context.Context) error {
	was, now, most := p.before.resources, procfs.Resources{}, int64(moreMemory)
	most += int64(p.before.untouched)
	most += p.xbzrleCache()
	wait, cancel := p.AtMost(ctx, releaseTimeout)
	defer cancel()
	err := Poll(wait, "the source to release what it used", func() (bool, error) {
		var err error
		now, err = p.Source.Resources()
		return len(now.Threads) <= len(was.Threads) && len(now.Files) <= len(was.Files) && now.Resident <= was.Resident+most, err
	})
	if err != nil && wait.Err() == nil {
		return ExitErrorOnly(err)
	}
	p.MeasureMore("threads", "threads of the source, beyond those before it migrated", was.Threads, now.Threads)
	p.MeasureMore("files", "open files of the source, beyond those before it migrated", was.Files, now.Files)
	p.Measure("memory of the source, beyond that before it migrated", float64(now.Resident-was.Resident), "bytes", record.AtMost(float64(most)))
	if p.before.rounds == 0 {
		return nil
	}
	watch, cancelWatch := p.AtMost(ctx, LifeTimeout)
	defer cancelWatch()
	speed := 0.0
	err = Poll(watch, "the guest to be as fast as before", func() (bool, error) {
		rounds, err := p.rounds(watch, p.Source)
		speed = max(speed, rounds/p.before.rounds)
		return speed >= leastSpeed, err
	})
	if err != nil && watch.Err() == nil {
		return ExitErrorOnly(err)
	}
	p.Measure("speed of the guest that has stayed, to that before", speed, "times", record.AtLeast(leastSpeed))
	return nil
}

// xbzrleCache is how many bytes the cache of XBZRLE has, which is made of pages that the C
// library keeps.
func (p *Pair) xbzrleCache() int64 {
	cache, _ := strconv.ParseInt(string(p.Facts.Parameters["xbzrle-cache-size"]), 10, 64)
	return cache
}

// cpuUse is how much CPU time a QEMU had used at a moment, beside its vCPUs.
type cpuUse struct {
	used procfs.ThreadCPU
	at   time.Time // zero before it is watched
}

// watchCPU begins to watch, from now on, how busy the QEMUs are.
func (p *Pair) watchCPU() {
	for _, s := range p.Sides() {
		s.cpu, _ = s.cpuUse() // that of one that has ended is not asked for
	}
}

func (s *Side) cpuUse() (cpuUse, error) {
	used, err := procfs.CPUBesideVCPUs(s.PID())
	if err != nil {
		return cpuUse{}, err
	}
	return cpuUse{used, time.Now()}, nil
}

// busy is which share of a CPU a side's QEMU uses beside its vCPUs, in a window in which that
// is little, if there is any.
func (p *Pair) busy(ctx context.Context, s *Side) (share float64, err error) {
	watch, cancel := p.AtMost(ctx, releaseTimeout)
	defer cancel()
	waited := Poll(watch, "the "+s.Name()+" to idle", func() (bool, error) {
		was := s.cpu
		if time.Since(was.at) < busyWindow {
			return false, nil
		}
		now, err := s.cpuUse()
		if s.cpu = now; err != nil || was.at.IsZero() {
			return false, err
		}
		share = now.used.Since(was.used).Seconds() / now.at.Sub(was.at).Seconds()
		return share <= mostBusy, nil
	})
	if waited != nil && watch.Err() == nil {
		err = waited
	}
	return share, err
}
