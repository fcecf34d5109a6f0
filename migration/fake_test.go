package migration_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/fakeprocess"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/steps"
	"github.com/drover-vm/drover/protocol/fakeqemu"
)

// fakes plays a source and a destination that can't go wrong by themselves,
// for what a real QEMU can't be asked to do, and where none is installed. Their
// guest writes what it should, but nothing runs in it.
func fakes(t *testing.T, inject func(source, destination *fakeprocess.Process)) string {
	t.Helper()
	var mu sync.Mutex
	sides := map[bool]*fakeprocess.Process{}
	return fakeprocess.Binary(t, func(p *fakeprocess.Process) {
		mu.Lock()
		defer mu.Unlock()
		incoming := slices.Contains(p.Args, "-incoming")
		sides[incoming] = p
		if !incoming {
			go func() { _, _ = p.Console.Write([]byte("AB")) }()
		}
		if len(sides) == 2 {
			sides[false].MigrateTo(sides[true].QEMU)
			inject(sides[false], sides[true])
		}
	})
}

// plenty is more than a scenario on fakes takes on a machine that is busy.
const plenty = 3 * time.Minute

func onFakes(t *testing.T, budget time.Duration, inject func(source, destination *fakeprocess.Process)) *record.Result {
	t.Helper()
	scenario := migration.Scenario{Name: "on fakes", Steps: migration.Steps{
		steps.Boot(), steps.Listen(steps.Unix), steps.Migrate(), steps.AwaitSwitchover(),
	}}
	return run(t, scenario, migration.Options{
		Source: fakes(t, inject), Artifacts: t.TempDir(), Budget: budget,
	})
}

// live lets the first byte of the workload count up, and the console have output, until
// the fake ends.
func live(p *fakeprocess.Process) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if p.Status() == "running" {
				counter := make([]byte, 1)
				p.ReadMemory(1<<20, counter)
				p.WriteMemory(1<<20, []byte{counter[0] + 1})
				_, _ = p.Console.Write([]byte("B"))
			}
		case <-p.Done():
			return
		}
	}
}

func TestFailedMigrationNamesQEMUsReason(t *testing.T) {
	t.Parallel()
	result := onFakes(t, plenty, func(source, _ *fakeprocess.Process) { source.FailMigration("the link was cut") })
	require.Equal(t, record.Fail, result.Outcome, explain(result))
	require.Contains(t, result.Reason, "the link was cut", explain(result))
	seen, err := os.ReadFile(filepath.Join(result.Dir, "source.diagnosis"))
	require.NoError(t, err)
	require.Contains(t, string(seen), "its monitor is answering")
	require.NotContains(t, string(seen), "QEMU's threads", "nothing hangs")
}

func TestDeafMonitorIsNamedInTheDiagnosis(t *testing.T) {
	long(t)
	t.Parallel()
	result := onFakes(t, 6*time.Second, func(source, _ *fakeprocess.Process) {
		source.Inject(fakeqemu.Fault{
			On:   func(message []byte) bool { return bytes.Contains(message, []byte(`"MIGRATION"`)) },
			Hang: true,
		})
	})
	require.Equal(t, record.Fail, result.Outcome, explain(result))
	require.Contains(t, result.Reason, "budget of 6s is spent", explain(result))
	require.Contains(t, explain(result), "the source's monitor does not answer")
}

func TestQEMUThatEndsWithAnErrorOnQuitFailsTheCleanEnd(t *testing.T) {
	t.Parallel()
	result := onFakes(t, plenty, func(_, destination *fakeprocess.Process) {
		go live(destination)
		destination.Handle("quit", func(fakeqemu.Command) (any, error) {
			go destination.Exit(3)
			return struct{}{}, nil
		})
	})
	require.Equal(t, record.Fail, result.Outcome, explain(result))
	v := verdictOf(t, result, "clean end")
	require.Equal(t, record.Fail, v.Outcome, explain(result))
	require.Contains(t, v.Witness, "destination ended with exit status 3")
}

func TestGuestThatStandsStillOnBothSidesIsNotAlive(t *testing.T) {
	t.Parallel()
	result := onFakes(t, plenty, func(*fakeprocess.Process, *fakeprocess.Process) {})
	require.Equal(t, record.Fail, result.Outcome, explain(result))
	require.Contains(t, explain(result), "the guest does not run")
}

// TestFailureOverHowFastTheHostIsSaysSo: so that it is unknown beside others, and not a fail.
func TestFailureOverHowFastTheHostIsSaysSo(t *testing.T) {
	t.Parallel()
	scenario := migration.Scenario{Name: "on fakes", Steps: migration.Steps{steps.Boot(), {
		Name: "be fast",
		Do: func(_ context.Context, p *migration.Pair) error {
			require.GreaterOrEqual(t, p.Host().Stretch(), 1.0)
			return &migration.HostError{Cause: errors.New("it took a second")}
		},
	}}}
	result := run(t, scenario, migration.Options{
		Source: fakes(t, func(_, _ *fakeprocess.Process) {}), Artifacts: t.TempDir(), Budget: plenty,
	})
	last := result.Record.Steps[len(result.Record.Steps)-1]
	require.Equal(t, record.StepFacts{Name: "be fast", Error: "it took a second", Timed: true, Phase: last.Phase, Seconds: last.Seconds}, last)
	result.Record.Host = &record.HostFacts{Slowdown: 1}
	require.Equal(t, record.Fail, record.Judged(result.Record).Outcome)
	result.Record.Host = &record.HostFacts{Slowdown: 6, LoadAfter: 15, CPUs: 2}
	judged := record.Judged(result.Record)
	require.Equal(t, record.Unknown, judged.Outcome, judged.Verdicts)
	require.Contains(t, judged.Reason, "the host was too busy to tell (it was 6.0 times as slow as expected, its load was 15.0 on 2 CPUs): be fast: it took a second")
}
