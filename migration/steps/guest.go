package steps

import (
	"context"
	"fmt"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/ram"
	"github.com/drover-vm/drover/migration/record"
)

func guestVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "boot", Doc: "Waits until the guest program runs on the source, and writes to its memory and devices what has to arrive with it.",
			Example: "boot", Step: do(Boot),
		},
		{
			Name: "stop", Args: "[with-data]",
			Doc: "Stops the guest on the source; with-data, once the pages that its program writes hold data.", Example: "stop",
			Step: func(a *migration.Args) migration.Step { return Stop(a.Option("with-data")) },
		},
		{
			Name: "cont", Sides: []string{migration.SourceName, migration.DestinationName},
			Doc:     "Lets the guest run; a destination must not have run it before, and must then say RESUME.",
			Example: "destination: cont",
			Step: func(a *migration.Args) migration.Step {
				if a.Side() == migration.DestinationName {
					return ContinueOnDestination()
				}
				return ContinueOnSource()
			},
		},
		{
			Name: "system_reset", Args: "[at-once|within TIME]",
			Doc: "Resets the source's machine, and waits until the guest runs again; not so at-once, for a Linux guest that may boot on whichever side it is then.", Example: "system_reset",
			Step: func(a *migration.Args) migration.Step {
				if a.Option("at-once") {
					return ResetAtOnce()
				}
				return timed(a, ResetGuest())
			},
		},
		{
			Name: "expect run-state", Args: "STATE", Sides: migration.OnSource,
			Doc: "A side's run state is that one.", Example: "expect run-state paused",
			Step: func(a *migration.Args) migration.Step {
				on, state := a.Side(), a.Word("the run state")
				return step("expect run-state "+state, func(ctx context.Context, p *migration.Pair) error {
					return each(p, on, func(s *migration.Side) error { return s.ExpectRunState(ctx, state, "was to be "+state) })
				})
			},
		},
		{
			Name: "expect running", Doc: "The guest runs on the source: its counter moves, and its console has output.", Example: "expect running",
			Step: do(ExpectRunning),
		},
		{
			Name: "start destination", Doc: "Starts another destination in place of one that has ended.", Example: "start destination",
			Step: do(StartDestination),
		},
		{
			Name: "quit destination", Doc: "Tells the destination to quit, which it must do cleanly.", Example: "quit destination",
			Step: do(QuitDestination),
		},
		{
			Name: "end destination", Doc: "Kills a destination whose end is not looked at: one that may wait for ever, or has exited, with whatever status.", Example: "end destination",
			Step: do(EndDestination),
		},
		{
			Name: "swap roles", Doc: "Makes the destination the source of what comes next, lets its guest run, and starts another destination; what was seen so far is a leg of its own.", Example: "swap roles",
			Step: do(SwapRoles),
		},
		{
			Name: "prove arrival", Doc: "Gathers what the standard checks judge of a guest that has moved, as at the end of every scenario; it is stopped then.", Example: "prove arrival",
			Step: do(ProveArrival),
		},
		{
			Name: "expect nobody-running", Doc: "The guest is paused on the source, and the destination does not run one.", Example: "expect nobody-running",
			Step: do(ExpectNobodyRunning),
		},
		{
			Name: "remember memory", Doc: "Keeps a sum of each page of the source's memory that nobody writes.", Example: "remember memory",
			Step: do(RememberMemory),
		},
		{
			Name: "expect memory-unchanged", Doc: "Those pages are on the destination as they were; for sides that have the same RAM, which it is no use to compare with itself.", Example: "expect memory-unchanged",
			Step: do(ExpectMemoryUnchanged),
		},
	}
}

// Boot waits until the guest program runs: its greeting and its first heartbeat.
// Then it writes to memory, and to devices' registers, what has to arrive with the guest.
func Boot() migration.Step {
	return migration.Step{Name: "boot", Phase: record.PhaseBoot, Timeout: 40 * time.Second, Do: func(ctx context.Context, p *migration.Pair) error {
		began := time.Now()
		err := p.AwaitBoot(ctx, 0)
		p.NoteBoot(time.Since(began))
		return err
	}}
}

// ResetGuest resets the machine, waits until the guest program runs again, and plants
// the devices' canaries anew.
func ResetGuest() migration.Step {
	return step("system_reset", func(ctx context.Context, p *migration.Pair) error {
		if l := p.Linux(); l != nil { // its lines tell which boot they are of, so it need not be stopped
			l.ExpectRestart()
			if err := qapi.SystemReset(ctx, p.Source.QMP()); err != nil {
				return err
			}
			return p.AwaitBootOn(ctx, p.Source)
		}
		if err := qapi.Stop(ctx, p.Source.QMP()); err != nil {
			return err
		}
		from := p.Source.Console().Mark()
		if err := qapi.SystemReset(ctx, p.Source.QMP()); err != nil {
			return err
		}
		if err := qapi.Cont(ctx, p.Source.QMP()); err != nil {
			return err
		}
		return p.AwaitBoot(ctx, from)
	})
}

// Stop stops the guest on the source, before it is migrated; with data, when its pages
// hold some.
func Stop(withData bool) migration.Step {
	return step("stop", func(ctx context.Context, p *migration.Pair) error {
		for {
			if err := p.StopSource(ctx); err != nil || !withData {
				return err
			}
			if data, err := holdsData(ctx, p); data || err != nil {
				return err
			}
			if err := p.ContinueSource(ctx); err != nil {
				return err
			}
		}
	})
}

// holdsData reports whether the workload's pages, which it counts up modulo 256, are
// other than zero.
func holdsData(ctx context.Context, p *migration.Pair) (bool, error) {
	if p.Program.FillsPages() { // most of them do from the first round on
		return true, nil
	}
	for _, address := range []uint64{p.Program.Start, p.Program.End - p.Program.Stride} {
		if value, err := p.Source.QTest().Readb(ctx, address); value == 0 || err != nil {
			return false, err
		}
	}
	return true, nil
}

// ContinueOnSource lets the guest run on the source.
func ContinueOnSource() migration.Step {
	return step("cont", func(ctx context.Context, p *migration.Pair) error { return p.ContinueSource(ctx) })
}

// ContinueOnDestination has a destination that waits run the guest (cont).
func ContinueOnDestination() migration.Step {
	return step("destination: cont", func(ctx context.Context, p *migration.Pair) error {
		if p.Destination.HasEvent(ctx, "RESUME") {
			return fmt.Errorf("the destination ran the guest before cont")
		}
		if err := qapi.Cont(ctx, p.Destination.QMP()); err != nil {
			return err
		}
		_, err := p.Destination.Await(ctx, "RESUME", migration.Named("RESUME"))
		return err
	})
}

// ExpectRunning demands that the guest runs on the source.
func ExpectRunning() migration.Step {
	return step("expect running", func(ctx context.Context, p *migration.Pair) error { return p.ExpectRunning(ctx) })
}

// StartDestination starts another destination in place of one that has ended.
func StartDestination() migration.Step {
	return step("start destination", func(ctx context.Context, p *migration.Pair) error { return p.StartDestination(ctx) })
}

// QuitDestination sends quit to the destination, which must end cleanly.
func QuitDestination() migration.Step {
	return step("quit destination", func(ctx context.Context, p *migration.Pair) error {
		exit := p.Quit(ctx, p.Destination)
		if exit.Clean {
			return nil
		}
		err := fmt.Errorf("the destination ended with %s after quit: %s", exit.State, exit.Reason)
		if exit.Late {
			return &migration.HostError{Cause: err}
		}
		return err
	})
}

// EndDestination ends a destination that may wait for ever, and one that has ended.
func EndDestination() migration.Step {
	return step("end destination", func(ctx context.Context, p *migration.Pair) error {
		select {
		case <-p.Destination.Exited():
			p.Destination.MayEnd()
			return nil
		default:
			return p.Destination.EndNow(ctx)
		}
	})
}

// SwapRoles makes the destination, whose guest has been stopped, the source of what
// comes next, and starts another destination: the QEMU that the source was.
func SwapRoles() migration.Step {
	return migration.Step{Name: "swap roles", Wants: []string{"prove arrival"}, Do: func(ctx context.Context, p *migration.Pair) error { return p.SwapRoles(ctx) }}
}

// ProveArrival gathers what the standard checks judge of a guest that has moved.
func ProveArrival() migration.Step {
	proof := migration.Proof()
	return onMigration("prove arrival", func(ctx context.Context, p *migration.Pair) error {
		for _, step := range proof {
			if err := step.Do(ctx, p); err != nil {
				return fmt.Errorf("%s: %w", step.Name, err)
			}
		}
		return nil
	}).WithTimeout(2 * migration.StepTimeout)
}

// pausedWatched is how long a guest is watched that has to be paused: a dozen
// passes of its workload.
const pausedWatched = 50 * time.Millisecond

// ExpectNobodyRunning demands that the guest is paused on the source, and that the
// destination doesn't run one.
func ExpectNobodyRunning() migration.Step {
	return step("expect nobody-running", func(ctx context.Context, p *migration.Pair) error {
		for _, s := range p.Sides() {
			status, err := qapi.QueryStatus(ctx, s.QMP())
			if err != nil {
				return err
			}
			if status.Running {
				return fmt.Errorf("the %s's run state is %s (running), before switchover", s.Name(), status.Status)
			}
		}
		before, err := p.Counter(ctx, p.Source)
		if err != nil {
			return err
		}
		watch, cancel := p.AtMost(ctx, pausedWatched)
		defer cancel()
		var now record.Reading
		moved := migration.Poll(watch, "nothing to happen", func() (bool, error) {
			now, err = p.Counter(ctx, p.Source)
			return now != before, err
		})
		if moved == nil {
			return fmt.Errorf("the byte at %#x on the source went from %d to %d while the guest was to be paused for switchover", now.Address, before.Value, now.Value)
		}
		return err
	})
}

// remembered are sums of memory that nobody writes, before the migration.
var remembered migration.Slot[*ram.Sums]

// RememberMemory keeps a sum of each page of the source's memory that nobody writes.
func RememberMemory() migration.Step {
	return step("remember memory", func(ctx context.Context, p *migration.Pair) (err error) {
		*remembered.Of(p), err = sumsOf(ctx, p, p.Source, nil)
		return err
	})
}

// ExpectMemoryUnchanged demands that those pages are on the destination as they were. Where
// both sides have the same RAM, it is no use to compare it with itself.
func ExpectMemoryUnchanged() migration.Step {
	return migration.Step{Name: "expect memory-unchanged", Wants: []string{"remember memory"}, Do: func(ctx context.Context, p *migration.Pair) error {
		before := *remembered.Of(p)
		now, err := sumsOf(ctx, p, p.Destination, before)
		if err != nil {
			return err
		}
		if changed, first := before.Changed(now); changed > 0 {
			return fmt.Errorf("%d pages that nobody writes have changed since before the migration; the first: that at %#x", changed, first)
		}
		return nil
	}}
}
