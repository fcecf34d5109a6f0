package migration_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/preflight"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
	"github.com/drover-vm/drover/protocol/qmp"
)

// TestVersions moves a guest from each QEMU of the fleet to each other one, with
// the newest machine type that both know. What comes of it has to be what was
// predicted.
func TestVersions(t *testing.T) {
	if testing.Short() {
		t.Skip("pairs of QEMUs take a second each; run without -short")
	}
	fleet := qemutest.Fleet(t, "x86_64")
	if len(fleet) < 2 {
		t.Skip("there is one QEMU only; fetch others with: go run ./cmd/drover fleet fetch")
	}
	all := new(migration.Describer)
	for _, source := range fleet {
		for _, destination := range fleet {
			if source == destination {
				continue
			}
			s := scenario(t, "precopy/unix/plain").Between(qemutest.Version(t, source), qemutest.Version(t, destination))
			t.Run(s.Name, func(t *testing.T) {
				t.Parallel()
				o := migration.Options{Source: source, Destination: destination, Artifacts: os.Getenv("DROVER_ARTIFACTS")}
				predicted, err := all.Preflight(t.Context(), o)
				require.NoError(t, err)
				t.Log(predicted.Machine, predicted.Prediction)
				result := run(t, s, o)
				assessed := report.Assess(predicted.Prediction, s.Name, result)
				require.False(t, assessed.Contradicts, "predicted: %s\n%s", predicted.Prediction, explain(result))
				require.Contains(t, []report.Ending{report.Passed, report.Documented}, assessed.Ending, explain(result))
			})
		}
	}
}

// TestGuestRunsOnWhereItWasWhenTheDestinationRefusesIt: the source of QEMU itself
// reports success where it has no return path, and its guest is paused until
// it is told to continue.
func TestGuestRunsOnWhereItWasWhenTheDestinationRefusesIt(t *testing.T) {
	t.Parallel()
	s := scenario(t, "precopy/unix/plain").Between("one", "another")
	s.Guest.DestinationArgs = nil
	s.Guest.SourceArgs = []string{"-device", "pci-serial"} // which the destination has not
	result := run(t, s, migration.Options{Source: qemutest.Binary(t, "x86_64"), Artifacts: t.TempDir()})
	require.Equal(t, record.Fail, result.Outcome)
	require.Equal(t, "version/one-another/precopy/unix/plain", result.Scenario)

	predicted := preflight.Prediction{Outcome: preflight.Refused, Subjects: []string{"pci-serial"}}
	assessed := report.Assess(predicted, s.Name, result)
	require.True(t, assessed.Intact, explain(result))
	require.Equal(t, report.Documented, assessed.Ending, assessed.Reason)
	require.False(t, assessed.Contradicts)
}

// TestAPassedFileIsASkipWhereTheDestinationIsTooNew: the source takes a file's descriptor up to
// 10.0, whatever the destination does.
func TestAPassedFileIsASkipWhereTheDestinationIsTooNew(t *testing.T) {
	t.Parallel()
	var source, destination string
	for _, binary := range qemutest.Fleet(t, "x86_64") {
		var v qmp.Version
		_, err := fmt.Sscanf(qemutest.Version(t, binary), "%d.%d", &v.Major, &v.Minor)
		require.NoError(t, err)
		if migration.Release("10.1").In(v) {
			destination = binary
		} else {
			source = binary
		}
	}
	if source == "" || destination == "" {
		t.Skip("there is no QEMU of each side of 10.1; fetch others with: go run ./cmd/drover fleet fetch")
	}
	result := run(t, scenario(t, "precopy/fd/file"), migration.Options{Source: source, Destination: destination, Artifacts: t.TempDir()})
	require.Equal(t, record.Skip, result.Outcome, explain(result))
	require.Contains(t, result.Reason, "it took that until 10.1")
}
