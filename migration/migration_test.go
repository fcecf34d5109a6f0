package migration_test

import (
	"flag"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/drover-vm/drover/fleet"
	"github.com/drover-vm/drover/internal/fakeprocess"
	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher/probe"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
	"github.com/drover-vm/drover/migration/scenarios"
)

func TestMain(m *testing.M) {
	fakeprocess.Main()
	if path := os.Getenv(forgetfulTPM); path != "" {
		_ = forget(path, os.Args[1:])
		return
	}
	goleak.VerifyTestMain(m)
}

// targets are those that the tests run on, and which scenarios on each; nil is all.
// What differs between i386 and x86_64 is not the migration but the binary.
var targets = []struct {
	arch      string
	scenarios []string
}{
	{"x86_64", nil},
	{"i386", []string{
		"bad_dest", "deprecated", "cancel/src/after/active", "precopy/unix/plain", "precopy/unix/xbzrle",
		"precopy/tcp/plain", "postcopy/plain", "postcopy/recovery/plain", "exact/devices",
	}},
	{"aarch64", slices.Concat(others, []string{"exact/device-types/virt", "exact/flash"})}, // which are for no other
	{"riscv64", others},
	{"s390x", others},
	{"ppc64", slices.Concat(others, []string{"deprecated"})}, // the seed's four have a guest of their own
}

// others are those that run on the targets whose machines differ from a PC in all that is
// theirs: a scenario of each kind. The whole catalogue is run with drover run --arch all.
var others = []string{
	"bad_dest", "analyze-script", "precopy/unix/plain", "multifd/tcp/uri/plain/none", "postcopy/plain", "exact/ram/precopy",
}

// short are the scenarios that run under -short: one of each kind, on x86_64 only.
var short = []string{
	"bad_dest", "deprecated", "validate_uuid_error", "cancel/src/after/active",
	"precopy/unix/plain", "precopy/unix/xbzrle", "precopy/file/mapped-ram", "multifd/tcp/uri/plain/none",
	"postcopy/plain", "postcopy/recovery/plain", "precopy/tcp/tls/x509/default-host", "exact/ram/precopy",
}

// ofLinux are the scenarios with Linux guests that have an outcome in testdata/outcomes.txt, and
// that TestMigration runs where the kernel survives it: TestLinuxGuestsArrive does in any case,
// on another QEMU of the fleet. The others are run by name: drover run --suite linux.
var ofLinux = []string{"linux/precopy", "linux/postcopy"}

// leftToTheCommand says that a scenario is one of the others.
func leftToTheCommand(s migration.Scenario) bool {
	return s.Guest.Linux != nil && !slices.Contains(ofLinux, s.Name)
}

// elsewhere says that a scenario is for other targets than x86_64.
func elsewhere(s migration.Scenario) bool {
	return slices.ContainsFunc(s.Needs, func(n migration.Need) bool {
		archs, ok := n.(migration.Arch)
		return ok && !slices.Contains(archs, "x86_64")
	})
}

// losesHotWrites says so of a QEMU by its version: a kernel may fall over it, or not.
func losesHotWrites(version string) bool { return version == "5.2" || version == "7.2" }

// findKernels finds the fleet's kernels for Linux guests.
func findKernels(arch string) iter.Seq2[migration.Kernel, error] {
	return func(yield func(migration.Kernel, error) bool) {
		for k, err := range (fleet.Fleet{}).KernelsFor(arch) {
			if !yield(migration.Kernel{File: k.Path, Modules: k.Modules}, err) {
				return
			}
		}
	}
}

// long is for what -short leaves out.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: it proves the scenarios themselves, and takes long")
	}
}

var suite = flag.String("suite", "", "run only what QEMU's own migration-test of this `version` does: 7.2, 10.0 or 11.1")

// TestMigration runs the scenarios. What a failed one leaves stays in a folder of
// its own: in DROVER_ARTIFACTS, else in the system's folder for temporary files.
func TestMigration(t *testing.T) {
	known := new(probe.Known)
	for _, target := range targets {
		arch := target.arch
		t.Run(arch, func(t *testing.T) {
			options := migration.Options{
				Arch:        arch,
				Source:      qemutest.Side(t, arch, fleet.Source),
				Destination: qemutest.Side(t, arch, fleet.Destination),
				Artifacts:   os.Getenv("DROVER_ARTIFACTS"),
				Known:       known,
				FindKernels: findKernels,
			}
			chosen := target.scenarios
			if testing.Short() {
				if chosen = short; arch != "x86_64" {
					t.Skip("-short: x86_64 only")
				}
			}
			if *suite != "" {
				if chosen = scenarios.Suite(*suite); arch != "x86_64" {
					t.Skip("-suite: x86_64 only")
				}
				require.NotEmpty(t, chosen, "-suite %s", *suite)
			}
			outcomes, version := readOutcomes(t), qemutest.Version(t, options.Source)
			if *update && arch == "x86_64" {
				t.Cleanup(func() { outcomes.write(t) })
			}
			// package testing begins with the parallel test that it met last: so with auto_converge,
			// the longest, and no CPU has nothing to do in the end
			for _, s := range slices.Backward(scenarios.All()) {
				if chosen != nil && !slices.Contains(chosen, s.Name) || leftToTheCommand(s) || arch == "x86_64" && elsewhere(s) || s.Guest.Linux != nil && !*update && losesHotWrites(version) {
					continue
				}
				t.Run(s.Name, func(t *testing.T) {
					t.Parallel()
					result := judged(t, s, options)
					if arch == "x86_64" && options.Source == options.Destination {
						outcomes.hold(t, version, result)
					}
					if result.Outcome == record.Skip {
						t.Skip(result.Reason)
					}
					t.Log(report.Line(result, 0, false))
					require.NoError(t, result.Err(), explain(result))
					if options.Source == options.Destination {
						requireHeldAgainstRelease(t, arch, options.Source, result)
					}
					if result.Record.Migration != nil && s.Ends == record.OnDestination {
						require.GreaterOrEqual(t, len(result.Record.Samples), 2, "charts are drawn of samples")
					}
				})
			}
		})
	}
}

// judged runs a scenario, and again where this host had too little time for it, as it may while
// other packages are tested: such a run says nothing of the QEMU. A third one has to.
func judged(t *testing.T, s migration.Scenario, o migration.Options) (result *record.Result) {
	t.Helper()
	const tries = 3
	for range tries {
		if result = run(t, s, o); !result.TooBusy() {
			break
		}
		t.Log(report.Line(result, 0, false))
	}
	return result
}

func run(t *testing.T, s migration.Scenario, o migration.Options) *record.Result {
	t.Helper()
	result, err := s.Run(t.Context(), o)
	require.NoError(t, err)
	return result
}

// explain is what a person needs to find out why.
func explain(r *record.Result) string {
	var b strings.Builder
	b.WriteByte('\n')
	report.Print(&b, r, 0, false)
	return b.String()
}

func scenario(t *testing.T, name string) migration.Scenario {
	t.Helper()
	for _, s := range scenarios.All() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("there is no scenario %s", name)
	return migration.Scenario{}
}

func TestScenariosThatAreChosenByNameExist(t *testing.T) {
	names := slices.Concat(short, ofLinux, others)
	for _, target := range targets {
		names = append(names, target.scenarios...)
	}
	for _, name := range names {
		scenario(t, name)
	}
}

func TestScenariosAreNamedOnceAndDocumented(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range scenarios.All() {
		require.False(t, seen[s.Name], "%s is there twice", s.Name)
		seen[s.Name] = true
		require.NotEmpty(t, s.Doc, s.Name)
		require.NotEmpty(t, s.Steps, s.Name)
		for _, step := range s.All() {
			require.NotEmpty(t, step.Name, s.Name)
			require.NotNil(t, step.Do, s.Name)
		}
	}
}

func TestKeptRunCanBeJudgedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	result := run(t, scenario(t, "precopy/unix/plain"), migration.Options{
		Source: qemutest.Binary(t, "x86_64"), Artifacts: dir, Keep: true,
	})
	require.NoError(t, result.Err(), explain(result))
	require.DirExists(t, result.Dir)
	again, err := record.Load(result.Dir)
	require.NoError(t, err)
	require.Equal(t, result.Verdicts, record.Judged(again).Verdicts)
	for _, side := range []string{"source", "destination"} {
		for _, file := range []string{".cmd", ".qmp", ".qtest", ".console", ".stderr", ".boot.img"} {
			require.FileExists(t, filepath.Join(result.Dir, side+file))
		}
	}
}

func TestPassedRunLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	result := run(t, scenario(t, "bad_dest"), migration.Options{Source: qemutest.Binary(t, "x86_64"), Artifacts: dir})
	require.NoError(t, result.Err(), explain(result))
	require.Empty(t, result.Dir)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestUnknownTargetIsAnError(t *testing.T) {
	_, err := scenario(t, "bad_dest").Run(t.Context(), migration.Options{Arch: "pdp11"})
	require.ErrorContains(t, err, "pdp11")
}

func TestQEMUThatDoesNotStartIsAnError(t *testing.T) {
	result, err := scenario(t, "precopy/unix/plain").Run(t.Context(), migration.Options{Source: "/bin/true", Artifacts: t.TempDir()})
	require.ErrorContains(t, err, "/bin/true")
	require.Equal(t, record.Unknown, result.Outcome)
}

// onlyFolder returns the one folder in dir.
func onlyFolder(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}
