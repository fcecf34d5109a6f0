package migration_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// TestScenariosAreForEveryPC: a q35's devices have canaries of their own, which are looked at
// twice here, and its bus takes a disk only at a port.
func TestScenariosAreForEveryPC(t *testing.T) {
	long(t)
	for _, name := range []string{"exact/ram/precopy", "disk/plain"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result := judged(t, scenario(t, name), migration.Options{
				Source: qemutest.Binary(t, "x86_64"), Artifacts: t.ArtifactDir(), Args: []string{"-machine", "q35"},
			})
			require.Equal(t, record.Pass, result.Outcome, explain(result))
		})
	}
}
