package migration_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher/probe"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/preflight"
)

var update = flag.Bool("update", false, "write anew what was recorded of QEMUs")

// recordedMachine is one that all the fleet's QEMUs know.
const recordedMachine = "pc-i440fx-5.2"

// TestDescriptionsAreThoseRecorded compares QEMUs' descriptions of a machine with
// those that the tests of package preflight have. A QEMU of another patch level may
// differ.
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
			require.Equal(t, recorded.CPU, d.CPU)
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

// TestCPUsAreThoseRecorded compares the vCPUs of two models with those that the tests
// of package preflight have, as TestDescriptionsAreThoseRecorded does.
func TestCPUsAreThoseRecorded(t *testing.T) {
	for _, binary := range qemutest.Fleet(t, "x86_64") {
		version := qemutest.Version(t, binary)
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			cpus, patch := map[string]*preflight.CPU{}, ""
			for _, model := range []string{"Haswell", "max"} {
				d, err := migration.Describe(t.Context(), binary, migration.Options{Machine: recordedMachine, Args: []string{"-cpu", model}})
				require.NoError(t, err)
				require.Equal(t, model, d.CPU.Model)
				require.Equal(t, model == "max", d.CPU.Unsafe)
				cpus[model], patch = d.CPU, d.Version
			}
			path := filepath.Join("preflight", "testdata", "cpu", version+".json")
			recorded := struct {
				Version string
				CPUs    map[string]*preflight.CPU
			}{patch, cpus}
			if *update {
				text, err := json.MarshalIndent(recorded, "", " ")
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(path, append(text, '\n'), 0o644))
				return
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Skipf("nothing is recorded of QEMU %s: go test ./migration -run %s -update records it", version, t.Name())
			}
			require.NoError(t, json.Unmarshal(text, &recorded))
			if recorded.Version != patch {
				t.Skipf("recorded was QEMU %s, and this is %s: -update records it", recorded.Version, patch)
			}
			require.Equal(t, recorded.CPUs, cpus)
		})
	}
}

// TestDestinationThatDiesOfWhatTheSourceSendsIsPredictedTo: 10.0 is killed by what it sends of
// an isa-vga itself. Others take theirs.
func TestDestinationThatDiesOfWhatTheSourceSendsIsPredictedTo(t *testing.T) {
	for _, binary := range qemutest.Fleet(t, "x86_64") {
		version := qemutest.Version(t, binary)
		if version != "10.0" && version != "11.1" {
			continue
		}
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			r, err := migration.Preflight(t.Context(), migration.Options{Source: binary, Args: []string{"-device", "isa-vga"}})
			require.NoError(t, err)
			if version == "10.0" {
				require.Equal(t, preflight.Refused, r.Prediction.Outcome)
				require.Contains(t, r.Prediction.Sentence, "the destination's QEMU dies when it is sent the source's guest: ")
				return
			}
			require.Equal(t, preflight.Completes, r.Prediction.Outcome, r.Prediction)
		})
	}
}

// TestProgramWithoutAPathIsLookedForInPATH, as a shell does.
func TestProgramWithoutAPathIsLookedForInPATH(t *testing.T) {
	binary, err := filepath.Abs(qemutest.Binary(t, "x86_64"))
	require.NoError(t, err)
	folder := t.TempDir()
	require.NoError(t, os.Symlink(binary, filepath.Join(folder, "qemu-system-x86_64")))
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
	for _, o := range []migration.Options{{}, {Source: "qemu-system-x86_64"}, {Source: "qemu-system-x86_64", Destination: binary}} {
		r, err := migration.Preflight(t.Context(), o)
		require.NoError(t, err)
		require.Equal(t, preflight.Completes, r.Prediction.Outcome, r.Prediction)
	}
}

// TestSourceThatDiesOverARunningGuestIsPredictedTo: 10.0 and 11.1 fail an assertion
// when they send a guest that runs under TCG on a machine that has a memory backend
// beside its RAM. Others may have mended it.
func TestSourceThatDiesOverARunningGuestIsPredictedTo(t *testing.T) {
	backend := []string{"-object", "memory-backend-ram,id=d0,size=128M"}
	for _, binary := range qemutest.Fleet(t, "x86_64") {
		version := qemutest.Version(t, binary)
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			r, err := migration.Preflight(t.Context(), migration.Options{Source: binary, Args: backend})
			require.NoError(t, err)
			switch {
			case version == "10.0" || version == "11.1":
				require.Equal(t, preflight.Crashes, r.Prediction.Outcome)
				require.Regexp(t, `^the source's QEMU dies when it sends a running guest: \S*physmem\.c:\d+: tlb_reset_dirty_range_all: `, r.Prediction.Sentence)
			case r.Prediction.Outcome != preflight.Crashes:
				require.Equal(t, preflight.Completes, r.Prediction.Outcome)
			}
			r, err = migration.Preflight(t.Context(), migration.Options{Source: binary})
			require.NoError(t, err)
			require.Equal(t, preflight.Completes, r.Prediction.Outcome)
		})
	}
}

func TestQEMUThatCannotBeAskedDoesNotSpoilWhatIsKnownOfOthers(t *testing.T) {
	binary := qemutest.Binary(t, "x86_64")
	broken := filepath.Join(t.TempDir(), "qemu-system-x86_64")
	script := "#!/bin/sh\n[ \"$2\" = help ] || [ \"$1\" = -version ] || exit 1\nexec '" + binary + "' \"$@\"\n"
	require.NoError(t, os.WriteFile(broken, []byte(script), 0o755))
	var all migration.Describer
	_, err := all.Preflight(t.Context(), migration.Options{Source: binary, Destination: broken})
	require.ErrorContains(t, err, "-dump-vmstate: exit status 1")
	r, err := all.Preflight(t.Context(), migration.Options{Source: binary, Destination: binary, Machine: ""})
	require.NoError(t, err)
	require.Equal(t, preflight.Completes, r.Prediction.Outcome)
	machine := r.Machine
	r, err = all.Preflight(t.Context(), migration.Options{Source: binary, Machine: machine})
	require.NoError(t, err)
	require.Equal(t, preflight.Completes, r.Prediction.Outcome)
}

// TestMachineTypeAmongTheArgumentsIsTheMachine.
func TestMachineTypeAmongTheArgumentsIsTheMachine(t *testing.T) {
	binary := qemutest.Binary(t, "x86_64")
	r, err := migration.Preflight(t.Context(), migration.Options{Source: binary, Args: []string{"-M", "q35", "-machine", "smm=off"}})
	require.NoError(t, err)
	require.Equal(t, preflight.Completes, r.Prediction.Outcome)
	require.Regexp(t, `^pc-q35-`, r.Machine)
}

// renamed makes a QEMU of another that has its PCs under names of a distribution's,
// and takes no others.
func renamed(t *testing.T, binary, brand string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "qemu-system-x86_64")
	script := strings.NewReplacer("QEMU", binary, "BRAND", brand).Replace(`#!/bin/bash
args=()
for arg in "$@"; do args+=("$(sed -E 's/pc-(i440fx|q35)-([0-9])/unknown/; s/pc-(i440fx|q35)-BRAND/pc-\1-/' <<< "$arg")"); done
if [ "$*" = "-machine help" ]; then 'QEMU' "$@" | sed -E 's/pc-(i440fx|q35)-/pc-\1-BRAND/g'; exit; fi
exec 'QEMU' "${args[@]}"
`)
	require.NoError(t, os.WriteFile(path, []byte(script), 0o755))
	return path
}

func TestMachineTypesWithADistributionsNamesArePredictedOf(t *testing.T) {
	binary := qemutest.Binary(t, "x86_64")
	source, destination := renamed(t, binary, "rhel"), renamed(t, binary, "rhel")
	for machine, right := range map[string]string{"": "^pc-i440fx-rhel[0-9.]+$", "q35": "^pc-q35-rhel[0-9.]+$"} {
		r, err := migration.Preflight(t.Context(), migration.Options{Source: source, Destination: destination, Machine: machine})
		require.NoError(t, err)
		require.Equal(t, preflight.Completes, r.Prediction.Outcome, "%s", r.Prediction)
		require.Regexp(t, right, r.Machine)
	}
	_, err := migration.Preflight(t.Context(), migration.Options{Source: source, Destination: renamed(t, binary, "vz")})
	require.ErrorAs(t, err, new(*probe.NoCommonMachineError))
}
