package migration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/steps"
)

// TestWhatAGuestLostIsInItsPulse tampers with a live guest that has arrived, and demands that
// the guest itself notices each.
func TestWhatAGuestLostIsInItsPulse(t *testing.T) {
	t.Parallel()
	long(t)
	requireNoticedInPulse(t, "x86_64", "pulse/smp2", tamperings(), "-smp", "4", "-cpu", "max")
}

// requireNoticedInPulse has a target's guest arrive, and tampers with it. A vCPU that never
// halts writes its stack all the time.
func requireNoticedInPulse(t *testing.T, arch, name string, tamperings [][]tampering, args ...string) {
	t.Helper()
	done := 0
	result := run(t, scenario(t, name), migration.Options{
		Arch: arch, Source: seesHotWrites(t, arch), Artifacts: t.TempDir(), Args: args, Rewrite: func(all migration.Steps) migration.Steps {
			at := slices.IndexFunc(all, func(s migration.Step) bool { return s.Name == "expect pulse" })
			require.Positive(t, at)
			all = slices.Insert(slices.Clone(all), at+1, migration.Step{Name: "end", Do: func(context.Context, *migration.Pair) error { return errTampered }})
			for _, group := range slices.Backward(tamperings) {
				all = slices.Insert(slices.Clone(all), at+1, migration.Step{
					Name: "tamper with " + group[0].what, Timeout: 3 * migration.StepTimeout,
					Do: func(ctx context.Context, p *migration.Pair) error {
						err := noticed(ctx, p, group)
						if err == nil {
							done++
						}
						return err
					},
				})
			}
			return all
		},
	})
	require.Equal(t, len(tamperings), done, "%s\n%s", result.Reason, explain(result))
	require.Contains(t, result.Reason, errTampered.Error())
}

// errTampered ends the steps: there is nothing to prove of such a guest.
var errTampered = errors.New("the guest has been tampered with enough")

// noticed does what a group of tamperings is, and demands that the pulse has the witness of
// each. The guest finds it out within a few rounds, so a look may come too early.
func noticed(ctx context.Context, p *migration.Pair, group []tampering) error {
	for _, c := range group {
		if err := c.fault(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
	}
	var unseen, last string
	err := migration.Poll(ctx, "the pulse to tell of it", func() (bool, error) {
		if err := steps.ExpectPulse(migration.DestinationName, true, false).Do(ctx, p); err != nil {
			return false, err
		}
		_, last = p.Facts.Pulse[len(p.Facts.Pulse)-1].Judge(p.Program)
		for _, c := range group {
			if unseen = c.witness; !strings.Contains(last, unseen) {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("%w: %q is not in: %s", err, unseen, last)
	}
	return nil
}

// TestPulseOfAnotherGuestIsRefused: the incrementer says nothing of its machine.
func TestPulseOfAnotherGuestIsRefused(t *testing.T) {
	t.Parallel()
	requireNoticed(t, "precopy/unix/plain", `declare "guest pulse"`, after("boot", func(ctx context.Context, p *migration.Pair) error {
		return steps.ExpectPulse(migration.SourceName, false, false).Do(ctx, p)
	}))
}

// TestTimerThatComesAtAnotherRateIsMeasured gives a timer of a guest that has arrived a sixteenth
// of its period: it goes on counting, on a busy host as well more than twice as often.
func TestTimerThatComesAtAnotherRateIsMeasured(t *testing.T) {
	t.Parallel()
	long(t)
	const sixteenth = 746
	requireNoticed(t, "pulse/alarm", "the interval timer (PIT) on the destination: ", after("await switchover within 15s", func(ctx context.Context, p *migration.Pair) (err error) {
		for _, w := range [][2]uint16{{0x43, 0x34}, {0x40, sixteenth & 0xff}, {0x40, sixteenth >> 8}} { // the guest uses none of these ports any more
			err = errors.Join(err, p.Destination.QTest().Outb(ctx, w[0], uint8(w[1])))
		}
		return err
	}))
}

// TestTimerThatHadExpiredMayNotGoOn: QEMU 10.0 and 11.1 arm a periodic HPET timer of 32 bits
// too late by 2^32 of its ticks, 43 s, where it has expired and not been served: they take its
// comparator for one that is still to come. hpet_post_load does, when the guest moves, and
// hpet_set_timer, when the guest starts its timer on a host that takes it the CPU just then.
// Both are chance; 5.2 and 7.2 never do.
func TestTimerThatHadExpiredMayNotGoOn(t *testing.T) {
	long(t)
	text, err := os.ReadFile(filepath.Join("testdata", "hpet32.scenario"))
	require.NoError(t, err)
	s, err := migration.Parse("hpet32", "hpet32.scenario", string(text), steps.Verbs())
	require.NoError(t, err)
	for _, qemu := range qemutest.Fleet(t, "x86_64") {
		t.Run(qemu, func(t *testing.T) {
			t.Parallel()
			result := run(t, s, migration.Options{Source: qemu, Artifacts: t.TempDir()})
			if result.Outcome == record.Skip { // 5.2's keyboard, say
				require.NotEmpty(t, result.Record.KnownBug, explain(result))
				require.NotContains(t, result.Reason, "the HPET's timer", explain(result))
				return
			}
			if old := []string{"5.2", "7.2"}; result.Outcome != record.Pass && !slices.Contains(old, qemutest.Version(t, qemu)) {
				require.Regexp(t, "the HPET's timer 2 has stopped on the (source|destination): ", result.Reason, explain(result))
				return
			}
			require.Equal(t, record.Pass, result.Outcome, explain(result))
		})
	}
}
