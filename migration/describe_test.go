package migration_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/preflight"
)

var update = flag.Bool("update", false, "write anew what was recorded of QEMUs")

// recordedMachine is one that all the fleet's QEMUs know.
const recordedMachine = "pc-i440fx-5.2"

// TestDescriptionsAreThoseRecorded holds what QEMUs say of a machine against what
// the tests of package preflight have of them. A QEMU of another patch level may
// say other things.
func TestDescriptionsAreThoseRecorded(t *testing.T) {
	for _, binary := range qemutest.Fleet(t, "x86_64") {
		version := qemutest.Version(t, binary)
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			d, err := migration.Describe(t.Context(), binary, migration.Options{Machine: recordedMachine})
			require.NoError(t, err)
			require.Equal(t, recordedMachine, d.Machine)
			require.Empty(t, d.Refused)
			for name := range d.Types {
				if !slices.Contains(d.Devices, name) {
					delete(d.Types, name) // what the machine has not would fill 300 KB
				}
			}
			path := filepath.Join("preflight", "testdata", version+".json")
			if *update {
				text, err := json.MarshalIndent(d, "", " ")
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(path, append(text, '\n'), 0o644))
				return
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Skipf("nothing is recorded of QEMU %s: go test ./migration -run %s -update records it", version, t.Name())
			}
			var recorded preflight.Description
			require.NoError(t, json.Unmarshal(text, &recorded))
			if recorded.Version != d.Version {
				t.Skipf("recorded was QEMU %s, and this is %s: -update records it", recorded.Version, d.Version)
			}
			require.Equal(t, recorded.Sections, d.Sections)
			require.Equal(t, recorded.Types, d.Types)
			require.Equal(t, recorded.Blocks, d.Blocks)
		})
	}
}

func TestMachineThatAQEMUHasNotIsDescribedAsSuch(t *testing.T) {
	binary := qemutest.Binary(t, "x86_64")
	d, err := migration.Describe(t.Context(), binary, migration.Options{Machine: "pc-i440fx-99.9"})
	require.NoError(t, err)
	require.Equal(t, preflight.Refused, preflight.Compare(d, d).Prediction.Outcome)
}

// TestDeviceThatCannotMigrateIsPredictedToBeRefused: ivshmem of a server has no
// state that can be sent while it is the only one.
func TestDeviceThatCannotMigrateIsPredictedToBeRefused(t *testing.T) {
	binary := qemutest.Binary(t, "x86_64")
	r, err := migration.Preflight(t.Context(), migration.Options{Source: binary, Args: []string{
		"-object", "memory-backend-ram,id=shared,size=1M,share=on", "-device", "ivshmem-plain,memdev=shared,master=off",
	}})
	require.NoError(t, err)
	require.Equal(t, preflight.Refused, r.Prediction.Outcome)
	require.Contains(t, r.Prediction.Sentence, "ivshmem")
}
