package migration_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/fleet"
	"github.com/drover-vm/drover/guest"
	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// seesHotWrites is the target's newest QEMU of the fleet that does not lose, under TCG, what a
// guest writes all the time, as QEMUs before 9.0 may.
func seesHotWrites(t *testing.T, arch string) (binary string) {
	t.Helper()
	for _, binary := range slices.Backward(qemutest.Fleet(t, arch)) {
		if !losesHotWrites(qemutest.Version(t, binary)) {
			return binary
		}
	}
	t.Skip(`no QEMU since 9.0 is here: fetch one with "drover fleet fetch 10.0"`)
	return ""
}

// linuxOptions are the options for a run of a Linux guest.
func linuxOptions(t *testing.T, arch string) migration.Options {
	t.Helper()
	long(t)
	if _, err := (fleet.Fleet{}).FindKernel(arch); err != nil {
		t.Skip(err)
	}
	return migration.Options{Arch: arch, Source: seesHotWrites(t, arch), FindKernels: findKernels, Artifacts: t.ArtifactDir()}
}

// verdictOf is what a check said of a run.
func verdictOf(t *testing.T, result *record.Result, check string) record.Verdict {
	t.Helper()
	i := slices.IndexFunc(result.Verdicts, func(v record.Verdict) bool { return v.Check == check })
	require.GreaterOrEqual(t, i, 0, "no check %s: %s", check, explain(result))
	return result.Verdicts[i]
}

// behind puts a step behind the one of that name.
func behind(name string, do func(ctx context.Context, p *migration.Pair) error) func(migration.Steps) migration.Steps {
	return func(steps migration.Steps) migration.Steps {
		i := slices.IndexFunc(steps, func(s migration.Step) bool { return s.Name == name })
		return slices.Insert(slices.Clone(steps), i+1, migration.Step{Name: "tamper", Do: do, Timeout: 2 * migration.StepTimeout})
	}
}

// TestWorkersNoticeWhatIsDoneToTheirGuest: each fault is done to a guest that lives.
func TestWorkersNoticeWhatIsDoneToTheirGuest(t *testing.T) {
	for name, c := range map[string]struct {
		check, witness string
		rewrite        func(migration.Steps) migration.Steps
	}{
		"it is stopped while it is asked": {
			"linux clock", `^the guest's worker clock did not answer on the destination`,
			behind("check that the source is paused", func(ctx context.Context, p *migration.Pair) error {
				return qapi.Stop(ctx, p.Destination.QMP())
			}),
		},
		"it is reset": {
			"linux guest", `^the guest has booted again`,
			behind("await switchover within 15s", func(ctx context.Context, p *migration.Pair) error {
				if err := qapi.SystemReset(ctx, p.Destination.QMP()); err != nil {
					return err
				}
				return p.HearUntil(ctx, p.Destination, "the next boot", (*guest.Session).Restarted)
			}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := linuxOptions(t, "x86_64")
			options.Rewrite = c.rewrite
			result := run(t, scenario(t, "linux/precopy"), options)
			if result.Record.Host != nil && result.Outcome == record.Unknown {
				t.Skip("what is late is no failure on a host as busy as this: " + result.Reason)
			}
			require.Equal(t, record.Fail, result.Outcome, explain(result))
			v := verdictOf(t, result, c.check)
			require.Equal(t, record.Fail, v.Outcome, v.Witness)
			require.Regexp(t, c.witness, v.Witness)
		})
	}
}

// TestLinuxGuestsArrive: one of them talks through its console, as one whose kernel has no
// virtio drivers does.
func TestLinuxGuestsArrive(t *testing.T) {
	for name, port := range map[string]string{"linux/precopy": "console", "linux/postcopy": "drover.0"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := scenario(t, name)
			if port == "console" {
				s.Guest.Linux = &migration.Linux{Console: true}
			}
			result := judged(t, s, linuxOptions(t, "x86_64"))
			require.NoError(t, result.Err(), explain(result))
			require.Equal(t, port, result.Record.Linux.Port)
		})
	}
}

func TestLinuxWithoutAKernelIsASkipThatSaysWhatHelps(t *testing.T) {
	s := scenario(t, "linux/precopy")
	result := run(t, s, migration.Options{Source: qemutest.Binary(t, "x86_64")})
	require.Equal(t, record.Skip, result.Outcome)
	require.Contains(t, result.Reason, "Options.Kernel")
	result = run(t, s, migration.Options{Source: qemutest.Binary(t, "x86_64"), Kernel: "/nonexistent/vmlinuz"})
	require.Equal(t, record.Skip, result.Outcome, "or that its kernel isn't there")
	require.Contains(t, result.Reason, "/nonexistent/vmlinuz")
}

// TestEveryWorkerThatAGuestCanHaveIsJudged by a check of its own.
func TestEveryWorkerThatAGuestCanHaveIsJudged(t *testing.T) {
	for _, name := range guest.Workers(guest.Devices()) {
		require.True(t, slices.ContainsFunc(record.Workers(), func(w record.Worker) bool { return w.Name == name }), "record.Workers has no %s", name)
	}
}
