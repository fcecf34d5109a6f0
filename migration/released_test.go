package migration_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/fleet"
	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher/probe"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/released"
	"github.com/drover-vm/drover/migration/preflight"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/stream"
)

// savers are the scenarios whose streams are known.
var savers = []string{"exact/devices", "exact/devices/q35", "exact/device-types/pc", "exact/device-types/q35", "exact/device-types/virt", "pulse/file", "linux/exact"}

// ofVCPUs are those of which only what vCPUs send is known: devices that are at work send some
// parts only while an interrupt is on its way.
var ofVCPUs = []string{"pulse/file"}

var (
	only = flag.String("only", "", "with -update: record the streams of this `scenario` only")
	anew = flag.Bool("anew", false, "with -update: forget what was recorded of the streams, which keeps what they have had in common each time")
)

// TestEachReleaseDeclaresWhatItIsKnownTo holds each QEMU of the fleet against what is
// recorded of its release. With -update that is recorded: anew where the QEMU is another,
// and else of the streams what they have had in common each time.
func TestEachReleaseDeclaresWhatItIsKnownTo(t *testing.T) {
	for _, target := range targets {
		all, err := released.All(target.arch)
		require.NoError(t, err)
		for _, binary := range qemutest.Fleet(t, target.arch) {
			info, err := probe.Inspect(t.Context(), binary)
			require.NoError(t, err)
			if !slices.Contains(versions, released.Minor(info.Version)) {
				continue // a version of one's own
			}
			t.Run(target.arch+"/"+released.Minor(info.Version), func(t *testing.T) {
				text, err := probe.VMState(t.Context(), binary, "none")
				require.NoError(t, err)
				types, err := preflight.ParseTypes(text)
				require.NoError(t, err)
				if *update {
					version := released.Minor(info.Version)
					all[version] = recordedNow(t, target.arch, binary, info, types, all[version])
					return
				}
				release := all[released.Minor(info.Version)]
				if release == nil || release.Version.Micro > info.Version.Micro {
					t.Skipf("nothing is recorded of QEMU %s: go test ./migration -run %s -update records it", info.Version, t.Name())
				}
				require.Empty(t, release.LostTypes(types))
				require.NotEmpty(t, release.Sections["exact/devices"])
				require.NotEmpty(t, release.Machines["exact/devices"])
			})
		}
		if *update {
			packed, err := released.Pack(all)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join("internal", "released", released.FileName(target.arch)), packed, 0o644))
		}
	}
}

func recordedNow(t *testing.T, arch, binary string, info probe.Info, types map[string]preflight.State, was *released.Release) *released.Release {
	t.Helper()
	now := &released.Release{Version: info.Version, Types: types, Machines: map[string]string{}, Sections: map[string][]released.Section{}}
	now.Version.Package = ""
	if was == nil || was.Version != now.Version {
		require.Empty(t, *only, "%s is not recorded yet: -only is for a release that is", info.Version)
		was = now
	}
	for _, name := range savers {
		sections, machine := was.Sections[name], was.Machines[name]
		if *only == "" || *only == name {
			found, on := savedSections(t, arch, binary, name)
			if found != nil && sections != nil && !*anew {
				found = released.Common(sections, found)
			}
			sections, machine = found, on
		}
		if sections != nil {
			now.Sections[name], now.Machines[name] = sections, machine
		}
	}
	return now
}

// savedSections are those of what a scenario has saved; nil where it can't be run.
func savedSections(t *testing.T, arch, binary, name string) (sections []released.Section, machine string) {
	t.Helper()
	s := scenario(t, name)
	o := migration.Options{Arch: arch, Source: binary, FindKernels: findKernels}
	if s.Guest.Linux != nil {
		if _, err := (fleet.Fleet{}).FindKernel(arch); err != nil {
			return nil, ""
		}
	}
	o.Rewrite = behind("await saved", func(_ context.Context, p *migration.Pair) error {
		file, err := os.Open(p.Path("stream"))
		if err != nil {
			return err
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			return err
		}
		saved, err := stream.OpenFile(file, info.Size(), stream.Options{})
		if err != nil {
			return err
		}
		sections, machine = released.Sections(saved.Stream), saved.Configuration.Machine
		if slices.Contains(ofVCPUs, name) {
			sections = slices.DeleteFunc(sections, func(s released.Section) bool { return s.Name != "cpu" && s.Name != "cpu_common" })
		}
		return errTampered
	})
	result := run(t, s, o)
	if result.Outcome != record.Skip {
		require.NotEmpty(t, sections, explain(result))
	}
	return sections, machine
}

// requireHeldAgainstRelease demands that the stream of a scenario whose streams are known was
// held against its release, where that is recorded.
func requireHeldAgainstRelease(t *testing.T, arch, binary string, result *record.Result) {
	t.Helper()
	if !slices.Contains(savers, result.Scenario) {
		return
	}
	info, err := probe.Inspect(t.Context(), binary)
	require.NoError(t, err)
	release, err := released.Of(arch, info.Version)
	require.NoError(t, err)
	if release != nil {
		require.True(t, slices.ContainsFunc(result.Record.Measures, func(m record.Measure) bool { return m.What == "sections of the stream known of this release" }))
	}
}

// TestSubsectionThatAReleaseIsKnownToHaveIsMissed: a QEMU declares one under another name,
// as if it had lost it, on both sides.
func TestSubsectionThatAReleaseIsKnownToHaveIsMissed(t *testing.T) {
	binary := qemutest.Binary(t, "x86_64")
	info, err := probe.Inspect(t.Context(), binary)
	require.NoError(t, err)
	release, err := released.Of("x86_64", info.Version)
	require.NoError(t, err)
	if release == nil {
		t.Skipf("nothing is recorded of QEMU %s: go test ./migration -run TestEachReleaseDeclaresWhatItIsKnownTo -update records it", info.Version)
	}
	lost := wrapper(t, fmt.Sprintf(`case "$*" in *-dump-vmstate*) '%s' "$@" | sed 's#serial/recv_fifo#serial/none#'; exit;; esac`, binary))
	result := run(t, scenario(t, "exact/devices"), migration.Options{Source: lost, Artifacts: t.ArtifactDir()})
	require.Equal(t, record.Fail, result.Outcome, explain(result))
	require.Contains(t, result.Reason, "the subsection serial/recv_fifo of the type isa-serial")
}
