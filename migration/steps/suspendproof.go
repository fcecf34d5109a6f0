package steps

import (
	"context"
	"errors"
	"fmt"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
)

// SuspendedProof are the steps that gather what is to be judged of a suspended guest that
// has moved, and then wake it and gather whether it continues. It is looked at before
// wakeup, for that resets the devices and lets the firmware write to RAM.
func SuspendedProof() migration.Steps {
	return migration.Steps{
		expectSuspended(), sourceIsPaused(), ExpectEqualMemory(), migration.CompareMemory(), ExpectEqualRegisters(), ExpectCanaries(), migration.CompareAgain(),
		wakeUp(), expectContinues(), stopDestination(), readWorkload(), sourceStaysPaused(),
	}
}

// expectSuspended demands that the guest is suspended on the destination, and has not run
// since it was suspended.
func expectSuspended() migration.Step {
	return onDestination("check that the destination's guest is suspended", func(ctx context.Context, p *migration.Pair) error {
		then := *suspended.Of(p)
		if then == nil {
			return errors.New("the guest was not suspended before")
		}
		if err := p.Destination.ExpectRunState(ctx, qapi.StateSuspended, "was to be suspended as it was on the source"); err != nil {
			return err
		}
		p.StoppedNow()
		for _, s := range p.Sides() {
			if s.HasEvent(ctx, "WAKEUP") {
				return fmt.Errorf("the %s woke its guest, which was to move suspended", s.Name())
			}
			now, err := p.Counter(ctx, s)
			if err != nil {
				return err
			}
			if now != *then {
				return fmt.Errorf("the byte at %#x was %d when the guest was suspended, and is %d on the %s", now.Address, then.Value, now.Value, s.Name())
			}
		}
		if output := p.Destination.Console().Since(0); len(output) > 0 {
			return fmt.Errorf("the guest was to be suspended on the destination, and its console there has %q", output)
		}
		return nil
	})
}

// sourceIsPaused gathers what the source is when the migration is completed.
func sourceIsPaused() migration.Step {
	return step("check that the source is paused", func(ctx context.Context, p *migration.Pair) error { return p.SourceAtCompletion(ctx) })
}

// wakeupAt is where the destination's console was at wakeup; nil where
// it was not.
var wakeupAt migration.Slot[*int64]

// wakeUp wakes the guest on the destination, and waits for the output with which it continues.
func wakeUp() migration.Step {
	return onDestination("wake the guest", func(ctx context.Context, p *migration.Pair) error {
		d := p.Destination
		since, from := d.QMP().Mark(), d.Console().Mark()
		if err := qapi.SystemWakeup(ctx, d.QMP()); err != nil {
			return err
		}
		if _, err := d.AwaitFrom(ctx, since, "WAKEUP", migration.Named("WAKEUP")); err != nil {
			return err
		}
		at, err := d.Console().WaitFunc(ctx, from, "the guest program's output after wakeup", func(output []byte) (int, error) {
			switch {
			case len(output) == 0:
				return -1, nil
			case output[0] != p.Program.Wakeup:
				return -1, fmt.Errorf("it is %q where the guest program writes %q", output[0], p.Program.Wakeup)
			}
			return 1, nil
		})
		*wakeupAt.Of(p) = &at
		return err
	})
}

// expectContinues gathers whether the guest continues after wakeup. It returns when a
// round has begun: a guest that is stopped right after a heartbeat is between two, where
// it doesn't show whether it continued in the middle of the one that it was suspended in.
func expectContinues() migration.Step {
	return onDestination("check that the guest continues", func(ctx context.Context, p *migration.Pair) error {
		at := *wakeupAt.Of(p)
		if at == nil {
			return errors.New("the guest was not woken before")
		}
		ctx, cancel := p.AtMost(ctx, migration.LifeTimeout)
		defer cancel()
		if err := p.WatchLife(ctx, p.Destination, *at); err != nil {
			return err
		}
		then, err := p.Counter(ctx, p.Destination)
		if err != nil {
			return err
		}
		return migration.ExitErrorOnly(migration.Poll(ctx, "another round", func() (bool, error) {
			now, err := p.Counter(ctx, p.Destination)
			return now != then, err
		}))
	})
}

func stopDestination() migration.Step {
	return onDestination("stop the destination", func(ctx context.Context, p *migration.Pair) error { return p.StopDestination(ctx) })
}

// readWorkload gathers what the workload's range holds on the destination, which is
// stopped, where the memory of the two sides is not the same any more.
func readWorkload() migration.Step {
	return onDestination("check the workload", func(ctx context.Context, p *migration.Pair) (err error) {
		p.Facts.Workload, err = p.Workload(ctx, p.Destination)
		return err
	})
}

// sourceStaysPaused gathers what has become of the source in the meantime.
func sourceStaysPaused() migration.Step {
	return step("check that the source stays paused", func(ctx context.Context, p *migration.Pair) error {
		if p.Facts.Stand == nil {
			return errors.New("nobody looked at the source when the migration was completed")
		}
		return p.SourceAtEnd(ctx)
	})
}
