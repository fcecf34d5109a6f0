package migration

import (
	"context"
	"fmt"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/record"
)

var singleLife = Scenario{
	Name:  "single-life",
	Doc:   "held between the sides, the guest runs on neither",
	Needs: []Need{{Capability: PauseBefore}},
	Story: Steps{
		Enable(PauseBefore), atAnyDowntime(), Set(MaxBandwidth, 1*GB),
		Boot(), Listen(Unix), Migrate(), AwaitStatus(qapi.MigrationPreSwitchover),
		SeeNobodyRun(), ContinueSwitchover(), AwaitSwitchover(),
	},
}

var eventsSequence = Scenario{
	Name:  "events/sequence",
	Doc:   "each status of a migration, on both sides, once and in its order",
	Needs: []Need{{Capability: PauseBefore}},
	Story: Steps{
		Enable(PauseBefore), unhurried(), Set(MaxBandwidth, 1*GB),
		Boot(), Listen(Unix), Migrate(), AwaitPass(1), atAnyDowntime(),
		AwaitStatus(qapi.MigrationPreSwitchover), ContinueSwitchover(), AwaitSwitchover(),
		SeeStatuses("setup active pre-switchover device completed", "setup active completed"),
	},
}

// standPatience is how long a guest is watched that has to stand still: a dozen
// passes of its workload.
const standPatience = 50 * time.Millisecond

// SeeNobodyRun demands that the guest stands on the source, and that the destination
// doesn't run one.
func SeeNobodyRun() Step {
	return Step{Name: "see that nobody runs the guest", Do: func(ctx context.Context, p *Pair) error {
		for _, s := range p.Sides() {
			status, err := qapi.QueryStatus(ctx, s.QMP())
			if err != nil {
				return err
			}
			if status.Running {
				return fmt.Errorf("the %s's run state is %s (running), before switchover", s.Name(), status.Status)
			}
		}
		before, err := p.counter(ctx, p.Source)
		if err != nil {
			return err
		}
		watch, cancel := p.run.atMost(ctx, standPatience)
		defer cancel()
		var now record.Reading
		moved := poll(watch, "nothing to happen", func() (bool, error) {
			now, err = p.counter(ctx, p.Source)
			return now != before, err
		})
		if moved == nil {
			return fmt.Errorf("the byte at %#x on the source went from %d to %d while the guest was to stand for switchover", now.Address, before.Value, now.Value)
		}
		return err
	}}
}

// ContinueSwitchover lets a source go on that has paused before switchover.
func ContinueSwitchover() Step {
	return Step{Name: "migrate-continue", Do: func(ctx context.Context, p *Pair) error {
		return qapi.MigrateContinue(ctx, p.Source.QMP(), qapi.MigrationPreSwitchover)
	}}
}

// SeeStatuses demands that these statuses were announced by MIGRATION events, and no
// others.
func SeeStatuses(source, destination string) Step {
	return Step{Name: "see the statuses announced", Do: func(ctx context.Context, p *Pair) error {
		for i, s := range p.Sides() {
			want := []string{source, destination}[i]
			if got := s.announced(ctx); got != want {
				return fmt.Errorf("the %s announced the statuses %q, expected %q", s.Name(), got, want)
			}
		}
		return nil
	}}
}
