package migration_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/steps"
	"github.com/drover-vm/drover/protocol/qapi"
)

// wakeup wakes a side's guest, and waits for its output.
func wakeup(ctx context.Context, p *migration.Pair, s *migration.Side) error {
	from := s.Console().Mark()
	err := qapi.SystemWakeup(ctx, s.QMP())
	if err == nil {
		_, err = s.Console().Wait(ctx, from, string(p.Program.Wakeup))
	}
	return err
}

func wakeDestination(ctx context.Context, p *migration.Pair) error {
	return wakeup(ctx, p, p.Destination)
}

func wakeSource(ctx context.Context, p *migration.Pair) error { return wakeup(ctx, p, p.Source) }

// TestGuestThatDoesNotStaySuspendedIsNoticed wakes it at moments at which it has to be suspended.
func TestGuestThatDoesNotStaySuspendedIsNoticed(t *testing.T) {
	long(t)
	for _, c := range []struct {
		what, scenario, after string
		fault                 func(ctx context.Context, p *migration.Pair) error
		witness               string
	}{
		{
			"before it moves", "precopy/unix/suspend/live", "expect suspend-survives-stop", wakeSource,
			"suspended as it was on the source, and its run state is running",
		},
		{
			"before it moves, and put to sleep again", "precopy/unix/suspend/live", "expect suspend-survives-stop",
			func(ctx context.Context, p *migration.Pair) error {
				return errors.Join(wakeSource(ctx, p), steps.Suspend().Do(ctx, p))
			},
			"the source woke its guest, which was to move suspended",
		},
		{
			"when it has moved", "precopy/unix/suspend/live", "await suspended-arrival", wakeDestination,
			"suspended as it was on the source, and its run state is running",
		},
		{
			"when it has moved in postcopy", "postcopy/suspend", "await suspended-arrival", wakeDestination,
			"suspended as it was on the source, and its run state is running",
		},
		{
			"while it is looked at", "precopy/unix/suspend/notlive", "compare memory", wakeDestination,
			"pages changed",
		},
		{
			"to boot rather than to go on", "precopy/unix/suspend/notlive", "boot",
			func(_ context.Context, p *migration.Pair) error {
				p.Program.WakeVector = 0
				return nil
			},
			"it is 'A' where the guest program writes 'C'",
		},
		{
			"to go on from the bottom, not from where it was", "precopy/unix/suspend/live", "boot",
			func(ctx context.Context, p *migration.Pair) error {
				const lastJump, toRound = 0x7cd4, 0xbceb // the jump to page becomes one to round
				was, err := p.Source.QTest().Readw(ctx, lastJump)
				if err == nil && was != 0xc1eb {
					err = fmt.Errorf("the boot block has %#x at %#x, where its last jump was", was, lastJump)
				}
				return errors.Join(err, p.Source.QTest().Writew(ctx, lastJump, toRound))
			},
			"of 25344 pages are wrong",
		},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			requireNoticed(t, c.scenario, c.witness, after(c.after, c.fault))
		})
	}
}

// TestQEMUThatCannotStopASuspendedGuestWakesIt holds what the skip says against what such a
// QEMU does, and one that isn't skipped against the same.
func TestQEMUThatCannotStopASuspendedGuestWakesIt(t *testing.T) {
	long(t)
	for _, qemu := range qemutest.Fleet(t, "x86_64") {
		t.Run(qemu, func(t *testing.T) {
			asked := run(t, scenario(t, "precopy/unix/suspend/live"), migration.Options{Source: qemu, Artifacts: t.TempDir()})
			unasked := run(t, scenario(t, "precopy/unix/suspend/live"), migration.Options{
				Source: qemu, Artifacts: t.TempDir(), Rewrite: without(t, "expect suspend-survives-stop"),
			})
			if asked.Outcome != record.Skip {
				require.Equal(t, record.Pass, asked.Outcome, explain(asked))
				require.Equal(t, record.Pass, unasked.Outcome, explain(unasked))
				return
			}
			require.Contains(t, asked.Reason, "wakes it to migrate it")
			require.Equal(t, record.Fail, unasked.Outcome, explain(unasked))
			require.Contains(t, explain(unasked), "suspended as it was on the source, and its run state is running")
		})
	}
}
