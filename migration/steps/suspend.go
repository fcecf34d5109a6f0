package steps

import (
	"context"
	"fmt"
	"slices"

	"github.com/drover-vm/drover/guest"
	"github.com/drover-vm/drover/guest/wire"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/acpi"
	"github.com/drover-vm/drover/migration/record"
)

// A guest that is suspended (ACPI S3) moves suspended.
func suspendVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name:    "suspend",
			Doc:     "Suspends the guest on the source to RAM (ACPI S3), as its operating system would.",
			Example: "suspend", Step: do(Suspend),
		},
		{
			Name:    "expect suspend-survives-stop",
			Doc:     "The suspended guest is suspended still after stop and cont, as it must be to be migrated; a QEMU before 9.0 that wakes it can't do the scenario.",
			Example: "expect suspend-survives-stop", Step: do(ExpectSuspendSurvivesStop),
		},
		{
			Name:    "await suspended-arrival",
			Doc:     "Waits until the suspended guest has left the source, and both sides call the migration completed.",
			Example: "await suspended-arrival", Step: do(AwaitSuspendedArrival),
		},
		{
			Name:    "wake",
			Doc:     "Wakes a suspended Linux guest on the destination, and waits until it says that it lives.",
			Example: "wake", Step: do(Wake),
		},
		{
			Name: "ends suspended", Last: true,
			Doc:     "The guest is suspended on the destination when the steps are done: that, and that it continues there after wakeup, has to be proven; the last line.",
			Example: "ends suspended",
			Declare: func(a *migration.Args, s *migration.Scenario) {
				if !slices.ContainsFunc(s.Steps, func(s migration.Step) bool { return slices.Contains(s.Gives, "suspend") }) {
					a.Fail(`"ends suspended" makes no sense without "suspend": put that line above it`)
				}
				s.Proof = SuspendedProof()
			},
		},
	}
}

// suspended is the guest's counter when it was suspended; nil where it was not.
var suspended migration.Slot[*record.Reading]

// Suspend suspends the source's machine, as an operating system does: it writes where to
// continue into the firmware waking vector, and the order into PM1a_CNT.
func Suspend() migration.Step {
	return migration.Step{Name: "suspend", Wants: []string{"boot"}, Gives: []string{"suspend"}, Do: func(ctx context.Context, p *migration.Pair) error {
		q, since := p.Source.QTest(), p.Source.QMP().Mark()
		if p.Linux() != nil {
			if _, err := p.Tell(ctx, p.Source, wire.Suspend, ""); err != nil {
				return err
			}
			_, err := p.Source.AwaitFrom(ctx, since, "SUSPEND", migration.Named("SUSPEND"))
			return err
		}
		sleep, err := acpi.FindSleep(q.Memory(ctx))
		if err != nil {
			return err
		}
		if err := q.Writel(ctx, sleep.Vector, p.Program.WakeVector); err != nil {
			return err
		}
		now, err := q.Inw(ctx, sleep.Control)
		if err != nil {
			return err
		}
		if err := q.Outw(ctx, sleep.Control, sleep.Order(now)); err != nil {
			return err
		}
		if _, err := p.Source.AwaitFrom(ctx, since, "SUSPEND", migration.Named("SUSPEND")); err != nil {
			return fmt.Errorf("the machine was to suspend after a write to port %#x: %w", sleep.Control, err)
		}
		counter, err := p.Counter(ctx, p.Source)
		*suspended.Of(p) = &counter
		return err
	}}
}

// Wake wakes a suspended Linux guest on the destination.
func Wake() migration.Step {
	return migration.Step{Name: "wake", Wants: []string{"suspend", "migrate"}, Do: func(ctx context.Context, p *migration.Pair) error {
		since := p.Destination.QMP().Mark()
		if err := qapi.SystemWakeup(ctx, p.Destination.QMP()); err != nil {
			return err
		}
		if _, err := p.Destination.AwaitFrom(ctx, since, "WAKEUP", migration.Named("WAKEUP")); err != nil {
			return err
		}
		return p.HearUntil(ctx, p.Destination, "a sign of life after wakeup", func(g *guest.Session) bool {
			return g.From(migration.DestinationName).Beats > 0
		})
	}}
}

// suspendSurvives is the first release that can do it.
const suspendSurvives migration.Release = "9.0"

// ExpectSuspendSurvivesStop asks the source's QEMU whether it can stop a suspended guest
// and let it be suspended on, which is what moving it comes to. 5.2 and 7.2 can't: they know
// no state but running that a stopped guest could return to, and wake it to migrate it.
func ExpectSuspendSurvivesStop() migration.Step {
	return afterSuspend("expect suspend-survives-stop", func(ctx context.Context, p *migration.Pair) error {
		if err := p.Source.ExpectRunState(ctx, qapi.StateSuspended, "was to be suspended"); err != nil {
			return err
		}
		if err := qapi.Stop(ctx, p.Source.QMP()); err != nil {
			return err
		}
		status, err := qapi.QueryStatus(ctx, p.Source.QMP())
		if err != nil {
			return err
		}
		if status.Status == qapi.StateSuspended && suspendSurvives.In(p.Source.Version()) {
			return fmt.Errorf("the source's guest is suspended, and was stopped, and its run state is still %s: it would be woken to be migrated", status.Status)
		}
		if status.Status == qapi.StateSuspended {
			return &migration.UnsupportedError{What: fmt.Sprintf("QEMU %s can't stop a suspended guest (its run state after stop is still suspended), and wakes it to migrate it: take a later one, such as 10.0",
				p.Source.Facts.Version)}
		}
		if err := qapi.Cont(ctx, p.Source.QMP()); err != nil {
			return err
		}
		return p.Source.ExpectRunState(ctx, qapi.StateSuspended, "was to be suspended still after stop and cont")
	})
}

// afterSuspend is a step that wants the guest to have been suspended.
func afterSuspend(name string, do func(ctx context.Context, p *migration.Pair) error) migration.Step {
	return migration.Step{Name: name, Wants: []string{"suspend"}, Do: do}
}

// AwaitSuspendedArrival waits until the guest has left the source and both sides call the
// migration completed. RESUME has come by then, though nothing runs: the check that
// exactly one side runs demands it.
func AwaitSuspendedArrival() migration.Step {
	await := onMigration("await suspended-arrival", func(ctx context.Context, p *migration.Pair) error {
		return p.Completed(ctx, func(ctx context.Context) error { return destinationCompletes(ctx, p) })
	})
	await.Phase = record.PhaseSwitchover
	await.Wants = append(await.Wants, "suspend")
	await.Gives = []string{"await suspended-arrival", "await arrival"}
	return await
}
