package steps

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// timed gives a step the time that a line may end with.
func timed(a *migration.Args, s migration.Step) migration.Step {
	if a.Option("within") {
		return s.WithTimeout(a.Duration("the time"))
	}
	return s
}

func waitVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "await passes", Args: "NUMBER [within TIME]",
			Doc:     "Waits until the source has sent so many full passes over the guest's RAM; a switchover before that fails the step.",
			Example: "await passes 1",
			Step:    func(a *migration.Args) migration.Step { return timed(a, AwaitPasses(int64(a.Int("the number")))) },
		},
		{
			Name: "await more-passes", Args: "NUMBER",
			Doc:     "Waits until the source has sent as many pages again as so many full passes have: what was written before has then been sent.",
			Example: "await more-passes 1",
			Step:    func(a *migration.Args) migration.Step { return AwaitMorePasses(int64(a.Int("the number"))) },
		},
		{
			Name: "await syncs", Args: "NUMBER",
			Doc:     "Waits until the source has synchronised its dirty bitmap so often, which it must before it stops the guest.",
			Example: "await syncs 4",
			Step:    func(a *migration.Args) migration.Step { return AwaitSyncs(int64(a.Int("the number"))) },
		},
		{
			Name: "await status", Args: "STATUS", Sides: migration.OnSource,
			Doc:     "Waits until a side announces that its migration has the status.",
			Example: "await status active",
			Step: func(a *migration.Args) migration.Step {
				return AwaitStatus(a.Side(), qapi.MigrationStatus(a.OneOf("a migration status", statuses()...)))
			},
		},
		{
			Name: "expect status", Args: "STATUS", Sides: migration.OnSource,
			Doc:     "A side's migration has the status now, and its last event announced it.",
			Example: "expect status cancelled",
			Step: func(a *migration.Args) migration.Step {
				on, status := a.Side(), qapi.MigrationStatus(a.OneOf("a migration status", statuses()...))
				return step("expect status "+string(status), func(ctx context.Context, p *migration.Pair) error {
					return each(p, on, func(s *migration.Side) error { return s.ExpectStatus(ctx, status) })
				})
			},
		},
		{
			Name: "expect statuses", Args: "STATUS...", Sides: migration.OnSource,
			Doc:     "A side has announced these statuses, in this order, and no others.",
			Example: "destination: expect statuses setup active completed",
			Step: func(a *migration.Args) migration.Step {
				on, want := a.Side(), []string{}
				for a.More() {
					want = append(want, a.OneOf("a migration status", statuses()...))
				}
				return expectStatuses(on, strings.Join(want, " "))
			},
		},
		{
			Name: "await switchover", Args: "[within TIME]",
			Doc:     "Waits until the guest has stopped on the source and runs on the destination, and until both sides call the migration completed.",
			Example: "await switchover",
			Step:    func(a *migration.Args) migration.Step { return timed(a, AwaitSwitchover()) },
		},
		{
			Name: "await arrival", Args: "[in STATE]",
			Doc:     "Waits until the guest has arrived on a destination that does not run it, which was started with -S or is sent a guest that was stopped; in is for another run state than paused, in which it has to be.",
			Example: "await arrival",
			Step: func(a *migration.Args) migration.Step {
				if a.Option("in") {
					return AwaitArrivalIn(qapi.RunState(a.Word("the run state")))
				}
				return AwaitArrival()
			},
		},
		{
			Name: "await stop", Doc: "Waits until the guest has stopped on the source.", Example: "await stop", Step: do(AwaitStop),
		},
		{
			Name: "await failure", Doc: "Waits until the source calls its migration failed, which it must do without ever having called it active.",
			Example: "await failure", Step: do(AwaitFailure),
		},
		{
			Name: "await refusal", Args: "[REASON]",
			Doc:     "Waits until a migration fails that must not take place, and ends at once where the guest moves all the same; the error then has the reason.",
			Example: `await refusal "the sides have different UUIDs"`,
			Step: func(a *migration.Args) migration.Step {
				why := "it must not take place"
				if a.More() {
					why = a.Word("the reason")
				}
				return AwaitRefusal(why)
			},
		},
		{
			Name: "await cancelled", Doc: "Waits until the source calls its migration cancelled, which it has to have called cancelling before.",
			Example: "await cancelled", Step: do(AwaitCancelled),
		},
		{
			Name: "await exit", Args: "[WORD...]",
			Doc:     "Waits until the destination has exited by itself, as a QEMU does whose incoming migration fails, and as it does after migrate_cancel: with status 1, and with this text in its error output.",
			Example: "await exit",
			Step:    func(a *migration.Args) migration.Step { return AwaitExit(a.Rest()...) },
		},
		{
			Name: "expect error", Args: "WORDS",
			Doc:     "The source's error-desc for its migration has this text.",
			Example: `expect error "Connection refused"`,
			Step:    func(a *migration.Args) migration.Step { return ExpectError(a.Word("the words, in quotes")) },
		},
		{
			Name: "expect reason", Sides: migration.OnSource,
			Doc:     "A side says why its migration failed, in its error output or in the error-desc of its query-migrate.",
			Example: "destination: expect reason",
			Step: func(a *migration.Args) migration.Step {
				on := a.Side()
				return step("expect reason", func(ctx context.Context, p *migration.Pair) error {
					return each(p, on, func(s *migration.Side) error {
						info, err := qapi.QueryMigrate(ctx, s.QMP())
						if err == nil && info.ErrorDesc == "" && strings.TrimPrefix(s.Stderr(), s.Facts.SaidBefore) == "" {
							err = fmt.Errorf("the %s's migration has failed, and neither its query-migrate nor its error output says why", s.Name())
						}
						return err
					})
				})
			},
		},
		{
			Name: "expect stderr", Args: "WORDS", Sides: migration.OnDestination,
			Doc:     "A side's error output has this text.",
			Example: `destination: expect stderr "known issuer"`,
			Step: func(a *migration.Args) migration.Step {
				on, words := a.Side(), a.Word("the words, in quotes")
				return ExpectStderr(on, words)
			},
		},
	}
}

// statuses are those of migrations that any QEMU knows.
func statuses() []string {
	return []string{
		"none", "setup", "cancelling", "cancelled", "active", "postcopy-device", "postcopy-active", "postcopy-paused",
		"postcopy-recover-setup", "postcopy-recover", "completed", "failing", "failed", "colo", "pre-switchover", "device", "wait-unplug",
	}
}

// AwaitStatus waits until a side, [migration.SourceName] or [migration.DestinationName],
// announces that its migration has the status.
func AwaitStatus(on string, status qapi.MigrationStatus) migration.Step {
	return onMigration("await status "+string(status), func(ctx context.Context, p *migration.Pair) error {
		return each(p, on, func(s *migration.Side) error {
			_, err := s.AwaitStatus(ctx, status)
			return err
		})
	})
}

func expectStatuses(on, want string) migration.Step {
	return step("expect statuses "+want, func(ctx context.Context, p *migration.Pair) error {
		return each(p, on, func(s *migration.Side) error {
			if got := s.Statuses(ctx); got != want {
				return fmt.Errorf("the %s announced the statuses %q, expected %q", s.Name(), got, want)
			}
			return nil
		})
	})
}

// AwaitSwitchover waits until the guest has stopped on the source and runs on
// the destination, and until both sides call the migration completed.
func AwaitSwitchover() migration.Step {
	await := onMigration("await switchover", func(ctx context.Context, p *migration.Pair) error {
		return p.Completed(ctx, func(ctx context.Context) error { return p.Destination.Completes(ctx, "RESUME") })
	})
	await.Phase = record.PhaseSwitchover
	return await
}

// AwaitArrival waits until the guest has stopped on the source and has arrived on a
// destination that was started to wait, and demands that it waits.
func AwaitArrival() migration.Step {
	await := onMigration("await arrival", func(ctx context.Context, p *migration.Pair) error {
		if err := p.Completed(ctx, func(ctx context.Context) error { return destinationCompletes(ctx, p) }); err != nil {
			return err
		}
		return p.Destination.ExpectRunState(ctx, qapi.StatePaused, "was to wait for cont")
	})
	await.Phase, await.Gives = record.PhaseSwitchover, []string{awaitSwitchover}
	return await
}

func destinationCompletes(ctx context.Context, p *migration.Pair) error {
	_, err := p.Destination.AwaitStatus(ctx, qapi.MigrationCompleted)
	return err
}

// AwaitStop waits until the guest has stopped on the source.
func AwaitStop() migration.Step {
	return onMigration("await stop", func(ctx context.Context, p *migration.Pair) error {
		_, err := p.Source.Await(ctx, "STOP", migration.Named("STOP"))
		return err
	})
}

// promptly is how long a migration may take to begin. It was 15 ms, and 60 on a busy machine.
const promptly = time.Second

// ExpectPromptStart gathers how long the last migration took until pages were sent.
func ExpectPromptStart() migration.Step {
	return onMigration("expect prompt-start", func(ctx context.Context, p *migration.Pair) error {
		active, err := p.Source.AwaitStatusFrom(ctx, p.Source.Since(), qapi.MigrationActive)
		if err != nil {
			return err
		}
		took, most := active.Time.Sub(p.Source.Facts.Began), p.Stretch(promptly)
		p.Measure("time until the migration was active", float64(took.Milliseconds()), "ms", record.AtMost(float64(most.Milliseconds())))
		return nil
	})
}

// migrationInfo is what the source reported of the migration that has ended.
func migrationInfo(p *migration.Pair) (qapi.MigrationInfo, error) {
	info, err := p.MigrationInfo()
	if p.Facts.Migration == nil {
		err = errors.Join(errNoMigration)
	}
	return info, err
}
