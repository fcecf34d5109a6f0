package steps

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// AwaitFailure waits until the source calls its migration failed, which it must do
// without ever having called it active.
func AwaitFailure() migration.Step {
	await := onMigration("await failure", func(ctx context.Context, p *migration.Pair) error {
		event, err := p.Source.Await(ctx, "status failed", func(e qmp.Event) bool {
			status := migration.StatusOf(e)
			return status != "" && status != qapi.MigrationSetup && status != qapi.MigrationFailing
		})
		if err != nil {
			return err
		}
		if status := migration.StatusOf(event); status != qapi.MigrationFailed {
			return fmt.Errorf("the source's migration status went to %s, where it should have failed at once", status)
		}
		if err := expectFailing(ctx, p); err != nil {
			return err
		}
		return p.NoteMigration(ctx)
	})
	await.Phase = record.PhaseSwitchover
	return await
}

// expectFailing demands of a source that knows the status failing (since 11.1) that it announced
// it before it called its migration failed.
func expectFailing(ctx context.Context, p *migration.Pair) error {
	knows, err := p.Source.HasSchema(ctx, "query-migrate -> status "+string(qapi.MigrationFailing))
	if all := p.Source.Statuses(ctx); err == nil && knows && !strings.HasSuffix(all, "failing failed") {
		err = fmt.Errorf("the source announced the statuses %q, expected failing before failed", all)
	}
	return err
}

// AwaitRefusal waits until the source fails a migration that must not take place,
// why being the reason. It ends at once where the guest moves all the same. To stop the
// guest is not to move it: the refusal may come when all seems sent.
func AwaitRefusal(why string) migration.Step {
	await := onMigration("await refusal", func(ctx context.Context, p *migration.Pair) error {
		event, err := p.Source.Await(ctx, "status failed", func(e qmp.Event) bool {
			status := migration.StatusOf(e)
			return status == qapi.MigrationFailed || status == qapi.MigrationCompleted
		})
		if err == nil && migration.StatusOf(event) != qapi.MigrationFailed {
			err = fmt.Errorf("the migration completed, though %s", why)
		}
		if err != nil {
			return err
		}
		return expectFailing(ctx, p)
	})
	await.Phase = record.PhaseSwitchover
	return await
}

// cancelTime is how long a cancel may take, whatever the other side does. It takes 20 ms.
const cancelTime = time.Second

// AwaitCancelled waits until the source calls its migration cancelled, which it has to
// have called cancelling before.
func AwaitCancelled() migration.Step {
	return onMigration("await cancelled", func(ctx context.Context, p *migration.Pair) error {
		event, err := p.Source.AwaitStatus(ctx, qapi.MigrationCancelled)
		if err != nil {
			return err
		}
		if at := *cancelledAt.Of(p); !at.IsZero() && event.Time.After(at) {
			p.Measure("time that it took to cancel", float64(event.Time.Sub(at).Milliseconds()), "ms", record.AtMost(float64(cancelTime.Milliseconds())))
		}
		if all := p.Source.Statuses(ctx); !strings.HasSuffix(all, "cancelling cancelled") {
			return fmt.Errorf("the source announced the statuses %q, expected cancelling before cancelled", all)
		}
		return nil
	})
}

// AwaitExit waits until the destination has exited by itself, as a QEMU
// does whose incoming migration fails: with status 1, and with this text in its error
// output.
func AwaitExit(words ...string) migration.Step {
	return step("await exit", func(ctx context.Context, p *migration.Pair) error {
		d := p.Destination
		select {
		case <-d.Exited():
		case <-ctx.Done():
			return fmt.Errorf("%w waiting for the destination to exit, %s", context.Cause(ctx), d.State(ctx))
		}
		if d.ExitState().ExitCode() != 1 {
			return fmt.Errorf("the destination ended with %s, expected exit status 1: %s", d.ExitState(), d.Stderr())
		}
		if strings.TrimSpace(strings.TrimPrefix(d.Stderr(), d.Facts.SaidBefore)) == "" {
			return errors.New("the destination has exited with status 1 and does not say why: its error output is empty")
		}
		for _, word := range words {
			if err := expectStderr(d, word); err != nil {
				return err
			}
		}
		d.MayEnd()
		return nil
	})
}

func expectStderr(s *migration.Side, words string) error {
	if output := s.Stderr(); !strings.Contains(output, words) {
		return fmt.Errorf("the %s's error output does not name %s: %q", s.Name(), words, output)
	}
	return nil
}

// ExpectStderr demands that the error output of a side, [migration.SourceName] or
// [migration.DestinationName], has this text.
func ExpectStderr(on, words string) migration.Step {
	return step("expect stderr", func(_ context.Context, p *migration.Pair) error {
		return each(p, on, func(s *migration.Side) error { return expectStderr(s, words) })
	})
}

// ExpectError demands that the source's error-desc for its migration has this text.
func ExpectError(words string) migration.Step {
	return onMigration("expect error "+words, func(ctx context.Context, p *migration.Pair) error {
		info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
		if err == nil && !strings.Contains(info.ErrorDesc, words) {
			err = fmt.Errorf("the source's error-desc is %q, expected %q in it", info.ErrorDesc, words)
		}
		return err
	})
}
