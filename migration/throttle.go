package migration

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration/record"
)

// A guest that dirties its RAM faster than it can be sent is slowed down.
func throttle() []Scenario { return []Scenario{autoConverge, autoConvergeCancel} }

const (
	AutoConverge Capability = "auto-converge"

	ThrottleInitial   Parameter = "cpu-throttle-initial"   // percent
	ThrottleIncrement Parameter = "cpu-throttle-increment" // percent
	MaxThrottle       Parameter = "max-cpu-throttle"       // percent
)

// QEMU throttles when two dirty bitmap syncs in a row, a second apart at least, find
// that the guest is ahead. So there are two steps in each story: one that is the increment
// and no more, and one that would go beyond the most that is allowed.
const (
	throttleInitial, throttleIncrement = 5, 85
	throttleHigh, throttleMax          = 60, 95
)

var autoConverge = Scenario{
	Name:  "auto_converge",
	Doc:   "over a link that is too slow for the guest, which is throttled in two steps; then it is let go",
	Needs: []Need{{Capability: AutoConverge}, {Capability: PauseBefore}},
	Story: Steps{
		Enable(AutoConverge), Enable(PauseBefore),
		Set(ThrottleInitial, throttleInitial), Set(ThrottleIncrement, throttleIncrement), Set(MaxThrottle, throttleMax),
		unhurried(), Set(MaxBandwidth, 100*MB),
		Boot(), Listen(Unix), Migrate(), AwaitStatus(qapi.MigrationActive), NoteSpeed(),
		AwaitThrottle(0, throttleInitial), AwaitThrottle(throttleInitial, throttleInitial+throttleIncrement),
		SeeSlowed(throttleInitial + throttleIncrement),
		Set(MaxBandwidth, 1*GB), atAnyDowntime(), AwaitStatus(qapi.MigrationPreSwitchover), ContinueSwitchover(), AwaitSwitchover(),
	},
}

var autoConvergeCancel = Scenario{
	Name:  "auto_converge/cancel",
	Doc:   "a guest that is throttled as far as is allowed, whose migration is given up, is as fast as it was",
	Needs: []Need{{Capability: AutoConverge}},
	Ends:  record.OnSource,
	Story: Steps{
		Enable(AutoConverge), Set(ThrottleInitial, throttleHigh), Set(ThrottleIncrement, throttleIncrement), Set(MaxThrottle, throttleMax),
		unhurried(), Set(MaxBandwidth, 100*MB),
		Boot(), Listen(Unix), Migrate(), AwaitStatus(qapi.MigrationActive), NoteSpeed(),
		AwaitThrottle(0, throttleHigh), AwaitThrottle(throttleHigh, throttleMax), SeeSlowed(throttleMax),
		Cancel(), AwaitCancelled(), SeeReleased(), DestinationGivesUp(),
	},
}

// AwaitThrottle waits until the source says that it throttles the guest so far, in
// percent, as its next step after the one before.
func AwaitThrottle(before, percent int64) Step {
	return Step{Name: fmt.Sprintf("await a throttle of %d %%", percent), Within: 15 * time.Second, Do: func(ctx context.Context, p *Pair) error {
		from, now := p.Source.since, int64(0)
		for {
			// It is set when the dirty bitmap has been synchronised.
			event, err := p.Source.AwaitFrom(ctx, from, fmt.Sprintf("a throttle of %d %%", percent), func(e qmp.Event) bool {
				return e.Name == "STOP" || e.Name == "MIGRATION_PASS"
			})
			if err != nil {
				return fmt.Errorf("the guest is throttled to %d %%, expected %d: %w", now, percent, err)
			}
			if event.Name == "STOP" {
				return fmt.Errorf("the source switched over before it had throttled the guest to %d %%", percent)
			}
			info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
			if err != nil {
				return err
			}
			if now = 0; info.CPUThrottle != nil {
				now = *info.CPUThrottle
			}
			if now != before && now != percent {
				return fmt.Errorf("the source throttles the guest to %d %%, expected %d and then %d", now, before, percent)
			}
			if now == percent {
				return nil
			}
			from = event.Next()
		}
	}}
}

// speedWatched is for how long a guest's speed is measured.
const speedWatched = 200 * time.Millisecond

// speed is how many rounds over its memory the guest makes a second, as its counter
// shows, which counts modulo 256.
func (p *Pair) speed(ctx context.Context) (float64, error) {
	last, err := p.counter(ctx, p.Source)
	if err != nil {
		return 0, err
	}
	began, rounds := time.Now(), 0
	watch, cancel := p.run.atMost(ctx, speedWatched)
	defer cancel()
	for watch.Err() == nil {
		now, err := p.counter(ctx, p.Source)
		if err != nil {
			return 0, err
		}
		rounds += int(now.Value - last.Value)
		last = now
	}
	return float64(rounds) / time.Since(began).Seconds(), nil
}

// NoteSpeed keeps in mind how fast the guest is.
func NoteSpeed() Step {
	return Step{Name: "note the guest's speed", Do: func(ctx context.Context, p *Pair) (err error) {
		p.speedBefore, err = p.speed(ctx)
		return err
	}}
}

// SeeSlowed gathers by how much the guest is slower than it was. Throttled by 95 % it
// has a twentieth of its time; half its speed is plain enough, also beside others who want the processors.
func SeeSlowed(percent int64) Step {
	return Step{Name: "see the guest throttled", Do: func(ctx context.Context, p *Pair) error {
		const most = 1.0 / 2
		ratio, err := p.awaitSpeed(ctx, func(ratio float64) bool { return ratio <= most })
		p.measure(fmt.Sprintf("speed of the guest under a throttle of %d %%, to that without", percent), ratio, "times", record.AtMost(most))
		return err
	}}
}

// SeeReleased gathers whether the guest is as fast again as it was before it was
// throttled, and whether the source says so.
func SeeReleased() Step {
	return Step{Name: "see the guest released", Do: func(ctx context.Context, p *Pair) error {
		const least = 1.0 / 2
		ratio, err := p.awaitSpeed(ctx, func(ratio float64) bool { return ratio >= least })
		p.measure("speed of the guest that is no longer throttled, to that before", ratio, "times", record.AtLeast(least))
		if err != nil {
			return err
		}
		info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
		if err == nil && info.CPUThrottle != nil {
			err = fmt.Errorf("the source says that it throttles the guest to %d %%, when the migration is over", *info.CPUThrottle)
		}
		return err
	}}
}

// awaitSpeed returns how fast the guest is on the whole, to what it was. A throttled one
// runs in bursts, so it looks twice, and again where the speed is not as it should be:
// the machine may have had something else to do.
func (p *Pair) awaitSpeed(ctx context.Context, right func(ratio float64) bool) (ratio float64, err error) {
	watch, cancel := p.run.atMost(ctx, lifePatience)
	defer cancel()
	sum := 0.0
	for looks := 1.0; looks <= 2 || !right(ratio) && watch.Err() == nil; looks++ {
		now, err := p.speed(ctx)
		if err != nil {
			return 0, err
		}
		sum += now
		ratio = sum / looks / math.Max(p.speedBefore, 1)
	}
	return ratio, nil
}
