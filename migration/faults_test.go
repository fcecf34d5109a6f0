package migration_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/steps"
	"github.com/drover-vm/drover/protocol/qapi"
)

// after puts a fault behind the step with the name given.
func after(step string, fault func(ctx context.Context, p *migration.Pair) error) func(migration.Steps) migration.Steps {
	return func(all migration.Steps) migration.Steps {
		at := slices.IndexFunc(all, func(s migration.Step) bool { return s.Name == step })
		return slices.Insert(slices.Clone(all), at+1, migration.Step{Name: "fault", Do: fault})
	}
}

// poke writes one byte of the destination's memory.
func poke(address uint64, value byte) func(ctx context.Context, p *migration.Pair) error {
	return func(ctx context.Context, p *migration.Pair) error {
		return p.Destination.QTest().Writeb(ctx, address, value)
	}
}

// TestBrokenThingFailsItsCheck breaks one thing on live VMs, and demands that
// the check which is there for it says so, and where.
func TestBrokenThingFailsItsCheck(t *testing.T) {
	const lastByte = 150<<20 - 1
	for _, c := range []struct {
		what    string
		after   string
		fault   func(ctx context.Context, p *migration.Pair) error
		check   string
		witness []string
	}{
		{
			"a byte of the workload", "stop the destination",
			func(ctx context.Context, p *migration.Pair) error {
				found, err := p.Destination.QTest().Readb(ctx, 0x1234000)
				return errors.Join(err, p.Destination.QTest().Writeb(ctx, 0x1234000, found+100))
			},
			"workload",
			[]string{"0x1234000", "expected", "found", "1 of 25344"},
		},
		{"a byte beside it", "stop the destination", poke(0x1234567, 0x5a), "workload", []string{"0x1234567", "expected 0", "found 90"}},
		{"the top of RAM", "stop the destination", poke(lastByte, 0x5a), "memory", []string{"0x95fffff", "source has", "destination 0x5a"}},
		{"the first MiB", "stop the destination", poke(0x7000, 0x5a), "memory", []string{"0x7000", "0x5a"}},
		{
			"the guest left running", "compare memory",
			func(ctx context.Context, p *migration.Pair) error {
				before, err := p.Destination.QTest().Readb(ctx, p.Program.Start)
				err = errors.Join(err, qapi.Cont(ctx, p.Destination.QMP()))
				for now := before; now == before && err == nil; {
					now, err = p.Destination.QTest().Readb(ctx, p.Program.Start)
				}
				return err
			},
			"stopped guest is unchanged",
			[]string{"changed", "pages"},
		},
		{
			"the source set running again", "check that the source is paused",
			func(ctx context.Context, p *migration.Pair) error {
				return qapi.Cont(ctx, p.Source.QMP())
			},
			"exactly one side runs",
			[]string{"source"},
		},
		{
			"a file left open on the destination", "check that nothing changes",
			func(ctx context.Context, p *migration.Pair) error {
				f, err := os.Open(os.DevNull)
				if err != nil {
					return err
				}
				defer func() { _ = f.Close() }()
				return qapi.GetFD(ctx, p.Destination.QMP(), "left", f)
			},
			"measures",
			[]string{"open files of the destination", os.DevNull, "1 files", "at most 0"},
		},
		{
			"the destination killed", "check the destination's resources",
			func(_ context.Context, p *migration.Pair) error {
				err := syscall.Kill(p.Destination.PID(), syscall.SIGKILL)
				<-p.Destination.Exited()
				return err
			},
			"clean end",
			[]string{"destination", "killed", "exit status 0"},
		},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			result := run(t, scenario(t, "precopy/unix/plain"), migration.Options{
				Source: qemutest.Binary(t, "x86_64"), Artifacts: t.TempDir(), Rewrite: after(c.after, c.fault),
			})
			if result.Outcome == record.Unknown && result.Record.Host != nil {
				t.Skip("what takes its time is no failure on a host as busy as this: " + result.Reason)
			}
			require.Equal(t, record.Fail, result.Outcome, explain(result))
			v := verdictOf(t, result, c.check)
			require.Equal(t, record.Fail, v.Outcome, v.Witness)
			for _, word := range c.witness {
				require.Contains(t, v.Witness, word)
			}
			require.DirExists(t, result.Dir)
		})
	}
}

func TestQEMUThatDiesInAStepEndsTheRun(t *testing.T) {
	t.Parallel()
	result := run(t, scenario(t, "precopy/unix/plain"), migration.Options{
		Source: qemutest.Binary(t, "x86_64"), Artifacts: t.TempDir(),
		Rewrite: after("migrate", func(_ context.Context, p *migration.Pair) error {
			return syscall.Kill(p.Destination.PID(), syscall.SIGSEGV)
		}),
	})
	require.Equal(t, record.Fail, result.Outcome)
	require.Contains(t, result.Reason, "await")
	require.Contains(t, explain(result), "segmentation fault")
}

func TestSpentBudgetSaysWhereTheRunWas(t *testing.T) {
	t.Parallel()
	result := run(t, scenario(t, "precopy/unix/plain"), migration.Options{
		Source: qemutest.Binary(t, "x86_64"), Artifacts: t.TempDir(), Budget: 3 * time.Second,
		Rewrite: after("migrate", func(ctx context.Context, p *migration.Pair) error {
			_, err := p.Source.QMP().Wait(ctx, p.Source.QMP().Mark(), "NEVER")
			return err
		}),
	})
	require.Equal(t, record.Fail, result.Outcome)
	require.Contains(t, result.Reason, "budget of 3s is spent")
	text := strings.Join(result.Record.Diagnosis, "\n")
	for _, word := range []string{"run state", "migration status", "last events", "counter"} {
		require.Contains(t, text, word)
	}
	for _, name := range []string{"source.diagnosis", "destination.diagnosis"} {
		seen, err := os.ReadFile(filepath.Join(result.Dir, name))
		require.NoError(t, err)
		require.Contains(t, string(seen), "QEMU's threads", "its stacks, or why there are none")
	}
}

func TestInterruptEndsBothVMs(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var p *migration.Pair
	dir := t.TempDir()
	_, err := scenario(t, "precopy/unix/plain").Run(ctx, migration.Options{
		Source: qemutest.Binary(t, "x86_64"), Artifacts: dir,
		Rewrite: after("boot", func(_ context.Context, pair *migration.Pair) error {
			p = pair
			cancel()
			return nil
		}),
	})
	require.ErrorIs(t, err, context.Canceled)
	for _, s := range p.Sides() {
		<-s.Exited()
	}
	_, err = record.Load(onlyFolder(t, dir))
	require.NoError(t, err)
}

// TestAGenerationIDThatTheGuestDoesNotGetIsNoticed: having found the destination's, the step puts
// the source's back, which a second one then finds.
func TestAGenerationIDThatTheGuestDoesNotGetIsNoticed(t *testing.T) {
	t.Parallel()
	requireNoticed(t, "generation-id", "where it had the source's", after("expect generation-id", steps.ExpectGenerationID().Do))
}
