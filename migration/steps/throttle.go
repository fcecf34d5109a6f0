package steps

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/procfs"
	"github.com/drover-vm/drover/migration/record"
)

func throttleVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name:    "note guest-speed",
			Doc:     "Measures how fast each of the guest's vCPUs writes its memory, to hold a throttled one against it.",
			Example: "note guest-speed", Step: do(NoteGuestSpeed),
		},
		{
			Name: "await throttle", Args: "PERCENT [after PERCENT]",
			Doc:     "Waits until auto-converge throttles the guest's vCPUs so far, as its next step after the one before (0 without one); any other throttle fails the step.",
			Example: "await throttle 90% after 5%",
			Step: func(a *migration.Args) migration.Step {
				percent, after := a.Percent("how far"), int64(0)
				if a.Option("after") {
					after = a.Percent("the throttle before it")
				}
				return AwaitThrottle(percent, after)
			},
		},
		{
			Name: "expect no-throttle", Args: "syncs NUMBER",
			Doc:     "Auto-converge does not throttle the guest before the source has synchronised its dirty bitmap so often; each sync decides, but for the first, which comes before the first pass.",
			Example: "expect no-throttle syncs 4",
			Step: func(a *migration.Args) migration.Step {
				if !a.Option("syncs") {
					a.Fail("up to which dirty bitmap sync is missing: syncs 4")
				}
				return ExpectNoThrottle(int64(a.Int("the number")))
			},
		},
		{
			Name: "expect throttled", Args: "PERCENT",
			Doc:     "Each of the guest's vCPUs, throttled so far, runs for no more of the time than that leaves it: a tenth of it at 90%.",
			Example: "expect throttled 95%",
			Step:    func(a *migration.Args) migration.Step { return ExpectThrottled(a.Percent("how far")) },
		},
		{
			Name: "expect full-speed", Sides: []string{migration.SourceName, migration.DestinationName},
			Doc:     "The guest is no longer throttled: it is at least half as fast as when its speed was noted, and that side reports no throttle.",
			Example: "expect full-speed",
			Step:    func(a *migration.Args) migration.Step { return ExpectFullSpeed(a.Side()) },
		},
	}
}

// throttleTimeout is how long a step of auto-converge may take to come. QEMU throttles when
// two dirty bitmap syncs in a row, a second apart at least, find that the guest is ahead.
const throttleTimeout = 15 * time.Second

// AwaitThrottle waits until the source reports that it throttles the guest so far, in
// percent, as its next step after the one before.
func AwaitThrottle(percent, after int64) migration.Step {
	return onThrottle(fmt.Sprintf("await throttle %d%% after %d%%", percent, after), func(ctx context.Context, p *migration.Pair) error {
		return eachSync(ctx, p.Source, fmt.Sprintf("a throttle of %d %%", percent), func(_ int64, info qapi.MigrationInfo) (bool, error) {
			now := throttle(info)
			if now != after && now != percent {
				return false, fmt.Errorf("the source throttles the guest to %d %%, expected %d and then %d", now, after, percent)
			}
			return now == percent, nil
		})
	})
}

// ExpectNoThrottle demands that the source does not throttle the guest before it has
// synchronised its dirty bitmap so often.
func ExpectNoThrottle(syncs int64) migration.Step {
	return onThrottle(fmt.Sprintf("expect no-throttle syncs %d", syncs), func(ctx context.Context, p *migration.Pair) error {
		return eachSync(ctx, p.Source, fmt.Sprintf("dirty bitmap sync %d", syncs), func(n int64, info qapi.MigrationInfo) (bool, error) {
			if now := throttle(info); now > 0 {
				err := fmt.Errorf("the source throttles the guest to %d %%, which under this throttle-trigger-threshold it dirties too little for", now)
				if !passesWereFull(p, info) { // a guest that lacked CPU time for a pass, and then had it, dirtied more than was sent
					err = &migration.HostError{Cause: err}
				}
				return false, err
			}
			return n >= syncs, nil
		})
	})
}

// onThrottle is a step that looks at what auto-converge does.
func onThrottle(name string, do func(ctx context.Context, p *migration.Pair) error) migration.Step {
	s := onMigration(name, do).WithTimeout(throttleTimeout)
	s.Wants = append(s.Wants, "enable auto-converge")
	return s
}

// eachSync calls look with the number of each dirty bitmap sync, and what the source then
// says of its migration, until what is waited for is there. QEMU decides over the throttle in a
// sync.
func eachSync(ctx context.Context, s *migration.Side, until string, look func(n int64, info qapi.MigrationInfo) (done bool, err error)) error {
	from := s.Since()
	for {
		event, err := s.AwaitFrom(ctx, from, until, func(e qmp.Event) bool { return e.Name == "STOP" || passOf(e) > 0 })
		if err != nil {
			return err
		}
		if event.Name == "STOP" {
			// A guest that gets no CPU writes nothing.
			return &migration.HostError{Cause: fmt.Errorf("the source switched over before %s", until)}
		}
		info, err := qapi.QueryMigrate(ctx, s.QMP())
		if err != nil {
			return err
		}
		if done, err := look(passOf(event), info); done || err != nil {
			return err
		}
		from = event.Next()
	}
}

// throttle is how far the source says that it throttles the guest, in percent.
func throttle(info qapi.MigrationInfo) int64 {
	if info.CPUThrottle == nil {
		return 0
	}
	return *info.CPUThrottle
}

// passesWereFull says whether each pass so far has sent all that the guest works on, or nearly:
// it had time to dirty all of it.
func passesWereFull(p *migration.Pair, info qapi.MigrationInfo) bool {
	const nearly = 0.95
	passes := float64(info.RAM.DirtySyncCount - 1)
	return float64(info.RAM.Transferred) >= nearly*passes*float64(p.Program.Workload().Len())
}

// speedWatched is for how long a guest's speed is measured.
const speedWatched = 200 * time.Millisecond

// guestSpeed is how many rounds over its part of the workload each vCPU makes a second that
// works on one, as its counter shows, which counts modulo 256.
func guestSpeed(ctx context.Context, p *migration.Pair, s *migration.Side) ([]float64, error) {
	parts := p.Program.PartRanges()
	counters := make([]uint64, len(parts))
	for i, part := range parts {
		counters[i] = part.Start
	}
	counters[0] = p.Program.Counter()
	last, err := s.QTest().ReadEach(ctx, counters)
	if err != nil {
		return nil, err
	}
	began, rounds := time.Now(), make([]float64, len(parts))
	watch, cancel := p.AtMost(ctx, speedWatched)
	defer cancel()
	for watch.Err() == nil {
		now, err := s.QTest().ReadEach(ctx, counters)
		if err != nil {
			return nil, err
		}
		for i := range now {
			rounds[i] += float64(now[i] - last[i])
		}
		last = now
	}
	for i := range rounds {
		rounds[i] /= time.Since(began).Seconds()
	}
	return rounds, nil
}

// notedSpeed is how fast the guest's vCPUs were when that was noted, nil where it was not.
var notedSpeed migration.Slot[[]float64]

// NoteGuestSpeed measures how fast the guest is, to hold what comes against it.
func NoteGuestSpeed() migration.Step {
	return migration.Step{Name: "note guest-speed", Wants: []string{"boot"}, Do: func(ctx context.Context, p *migration.Pair) error {
		now, err := guestSpeed(ctx, p, p.Source)
		*notedSpeed.Of(p) = now
		return err
	}}
}

// A throttled vCPU runs for a timeslice of 10 ms (CPU_THROTTLE_TIMESLICE_NS), and sleeps as long
// as leaves it that share. What else wants the host's CPUs makes it run less, and not more, so
// its CPU time tells on a busy host as well; its speed does not, to one noted on a host that was
// as busy. One whose QEMU does not throttle it has more than this where a few share its CPU.
const (
	throttleSlice = 10 * time.Millisecond
	slicesWatched = 5

	sleepsLess, runsAnyway = 1.5, 0.05 // of the share that it is left; and beyond that
)

// ExpectThrottled gathers how much of the time the vCPU runs that runs most.
func ExpectThrottled(percent int64) migration.Step {
	return onThrottle(fmt.Sprintf("expect throttled %d%%", percent), func(ctx context.Context, p *migration.Pair) error {
		left := 1 - float64(percent)/100
		most := sleepsLess*left + runsAnyway
		least := time.Duration(slicesWatched * float64(throttleSlice) / left)
		before, err := procfs.CPUOfVCPUs(p.Source.PID())
		if err != nil {
			return err
		}
		began, share := time.Now(), 0.0
		err = p.PollAtMost(ctx, least+migration.LifeTimeout, "the vCPUs to sleep", func() (bool, error) {
			now, err := procfs.CPUOfVCPUs(p.Source.PID())
			watched := time.Since(began)
			share = now.MostSince(before).Seconds() / watched.Seconds()
			return watched >= least && share <= most, err
		})
		if err != nil {
			return err
		}
		p.Measure(fmt.Sprintf("CPU time of the busiest vCPU under a throttle of %d %%, to that which has passed", percent), share, "times", record.AtMost(most))
		return nil
	})
}

// ExpectFullSpeed gathers whether the guest is as fast again as it was before it was
// throttled, on that side, and whether the side reports so.
func ExpectFullSpeed(on string) migration.Step {
	return afterSpeed("expect full-speed", func(ctx context.Context, p *migration.Pair) error {
		const least = 1.0 / 2
		ratios, err := awaitSpeed(ctx, p, side(p, on), func(ratio float64) bool { return ratio >= least })
		for i, ratio := range ratios {
			p.Measure(fmt.Sprintf("speed of %s that is no longer throttled, to that before", ofVCPU(i, ratios)), ratio, "times", record.AtLeast(least))
		}
		if err != nil {
			return err
		}
		info, err := qapi.QueryMigrate(ctx, side(p, on).QMP())
		if err == nil && info.CPUThrottle != nil {
			err = fmt.Errorf("the "+on+" reports that it throttles the guest to %d %%, when the migration is over", *info.CPUThrottle)
		}
		return err
	})
}

// ofVCPU names the n-th of the vCPUs that share the workload; where there is only one it is the
// guest.
func ofVCPU(n int, all []float64) string {
	if len(all) == 1 {
		return "the guest"
	}
	return fmt.Sprintf("vCPU %d", n)
}

// afterSpeed is a step that wants the guest's speed to have been noted.
func afterSpeed(name string, do func(ctx context.Context, p *migration.Pair) error) migration.Step {
	return migration.Step{Name: name, Wants: []string{"note guest-speed"}, Do: do}
}

// awaitSpeed returns how fast each vCPU is on average, to what was noted. It looks again where
// a speed is not as it should be: the machine may have had something else to do.
func awaitSpeed(ctx context.Context, p *migration.Pair, s *migration.Side, right func(ratio float64) bool) ([]float64, error) {
	before := *notedSpeed.Of(p)
	if before == nil {
		return nil, errors.New("the guest's speed was not noted before")
	}
	watch, cancel := p.AtMost(ctx, migration.LifeTimeout)
	defer cancel()
	sums, ratios := make([]float64, len(before)), make([]float64, len(before))
	wrong := func(ratio float64) bool { return !right(ratio) }
	for looks := 1.0; looks == 1 || slices.ContainsFunc(ratios, wrong) && watch.Err() == nil; looks++ {
		now, err := guestSpeed(ctx, p, s)
		if err != nil {
			return nil, err
		}
		for i := range now {
			sums[i] += now[i]
			ratios[i] = sums[i] / looks / math.Max(before[i], 1)
		}
	}
	return ratios, nil
}
