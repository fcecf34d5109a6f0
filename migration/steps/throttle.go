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
			Name: "expect no-throttle", Args: "for TIME",
			Doc:     "Auto-converge does not throttle the guest for that long, while the migration goes on.",
			Example: "expect no-throttle for 2500ms",
			Step: func(a *migration.Args) migration.Step {
				if !a.Option("for") {
					a.Fail("for how long is missing: for 2500ms")
				}
				return ExpectNoThrottle(a.Duration("for how long"))
			},
		},
		{
			Name: "expect throttled", Args: "PERCENT",
			Doc:     "Each of the guest's vCPUs, throttled so far, is at most half as fast as when its speed was noted.",
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
	await := onMigration(fmt.Sprintf("await throttle %d%% after %d%%", percent, after), func(ctx context.Context, p *migration.Pair) error {
		from, now := p.Source.Since(), int64(0)
		for {
			// It is set when the dirty bitmap has been synchronised.
			event, err := p.Source.AwaitFrom(ctx, from, fmt.Sprintf("a throttle of %d %%", percent), func(e qmp.Event) bool {
				return e.Name == "STOP" || e.Name == "MIGRATION_PASS"
			})
			if err != nil {
				return fmt.Errorf("the guest is throttled to %d %%, expected %d: %w", now, percent, err)
			}
			if event.Name == "STOP" {
				// A guest that gets no CPU writes nothing.
				return &migration.HostError{Cause: fmt.Errorf("the source switched over before it had throttled the guest to %d %%", percent)}
			}
			info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
			if err != nil {
				return err
			}
			if now = 0; info.CPUThrottle != nil {
				now = *info.CPUThrottle
			}
			if now != after && now != percent {
				return fmt.Errorf("the source throttles the guest to %d %%, expected %d and then %d", now, after, percent)
			}
			if now == percent {
				return nil
			}
			from = event.Next()
		}
	}).WithTimeout(throttleTimeout)
	await.Wants = append(await.Wants, "enable auto-converge")
	return await
}

// ExpectNoThrottle demands that the source does not throttle the guest for so long.
func ExpectNoThrottle(watched time.Duration) migration.Step {
	expect := onMigration("expect no-throttle", func(ctx context.Context, p *migration.Pair) error {
		watch, cancel := context.WithTimeout(ctx, watched)
		defer cancel()
		err := migration.Poll(watch, "a throttle", func() (bool, error) {
			info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
			if err == nil && info.RAM != nil && info.CPUThrottle != nil && *info.CPUThrottle > 0 {
				err = fmt.Errorf("the source throttles the guest to %d %%, which under this throttle-trigger-threshold it dirties too little for", *info.CPUThrottle)
				if !passesWereFull(p, info) { // a guest that lacked CPU time for a pass, and then had it, dirtied more than was sent
					err = &migration.HostError{Cause: err}
				}
			}
			if err == nil && info.Status != qapi.MigrationActive {
				err = fmt.Errorf("the source's migration is %s, and was to go on", info.Status)
			}
			return false, err
		})
		if watch.Err() != nil {
			err = nil
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return err
	})
	expect.Wants = append(expect.Wants, "enable auto-converge")
	return expect
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

// ExpectThrottled gathers by how much the guest is slower than it was. Throttled by 95 % it
// has a twentieth of its time; half its speed is plain enough, also where others want the
// host's CPUs.
func ExpectThrottled(percent int64) migration.Step {
	return afterSpeed(fmt.Sprintf("expect throttled %d%%", percent), func(ctx context.Context, p *migration.Pair) error {
		const most = 1.0 / 2
		ratios, err := awaitSpeed(ctx, p, p.Source, 2, func(ratio float64) bool { return ratio <= most }) // it runs in bursts
		for i, ratio := range ratios {
			p.Measure(fmt.Sprintf("speed of %s under a throttle of %d %%, to that without", ofVCPU(i, ratios), percent), ratio, "times", record.AtMost(most))
		}
		return err
	})
}

// ExpectFullSpeed gathers whether the guest is as fast again as it was before it was
// throttled, on that side, and whether the side reports so.
func ExpectFullSpeed(on string) migration.Step {
	return afterSpeed("expect full-speed", func(ctx context.Context, p *migration.Pair) error {
		const least = 1.0 / 2
		ratios, err := awaitSpeed(ctx, p, side(p, on), 1, func(ratio float64) bool { return ratio >= least })
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

// awaitSpeed returns how fast each vCPU is on average, to what was noted. It looks so often, and
// again where a speed is not as it should be: the machine may have had something else to do.
func awaitSpeed(ctx context.Context, p *migration.Pair, s *migration.Side, often float64, right func(ratio float64) bool) ([]float64, error) {
	before := *notedSpeed.Of(p)
	if before == nil {
		return nil, errors.New("the guest's speed was not noted before")
	}
	watch, cancel := p.AtMost(ctx, migration.LifeTimeout)
	defer cancel()
	sums, ratios := make([]float64, len(before)), make([]float64, len(before))
	wrong := func(ratio float64) bool { return !right(ratio) }
	for looks := 1.0; looks <= often || slices.ContainsFunc(ratios, wrong) && watch.Err() == nil; looks++ {
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
