package migration_test

import (
	"errors"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration"
)

// A kernelHere is one that has these modules built in, or an error in its place.
type kernelHere struct {
	missing string
	builtin string
}

// kernelsHere are such kernels, in their order; looked counts those that were asked for.
func kernelsHere(t *testing.T, looked *int, all ...kernelHere) func(string) iter.Seq2[migration.Kernel, error] {
	t.Helper()
	kernels, errs := make([]migration.Kernel, len(all)), make([]error, len(all))
	for i, k := range all {
		if k.missing != "" {
			errs[i] = errors.New(k.missing)
			continue
		}
		kernels[i] = migration.Kernel{File: "/vmlinuz", Modules: t.TempDir()}
		var lines strings.Builder
		for name := range strings.FieldsSeq(k.builtin) {
			lines.WriteString("kernel/drivers/" + name + ".ko\n")
		}
		require.NoError(t, os.WriteFile(filepath.Join(kernels[i].Modules, "modules.builtin"), []byte(lines.String()), 0o644))
	}
	return func(string) iter.Seq2[migration.Kernel, error] {
		return func(yield func(migration.Kernel, error) bool) {
			for i, k := range kernels {
				if *looked++; !yield(k, errs[i]) {
					return
				}
			}
		}
	}
}

func TestALinuxGuestHasTheFirstKernelWithItsDrivers(t *testing.T) {
	const cloud, full = "virtio_pci virtio_console", "virtio_pci virtio_console ahci sd_mod"
	fetch := func(name string) kernelHere { return kernelHere{missing: "fetch " + name} }
	for name, c := range map[string]struct {
		scenario string
		kernels  []kernelHere
		looked   int
		says     []string // nil where the guest has a kernel
	}{
		"the first has all":            {"linux/precopy", []kernelHere{{builtin: cloud + " virtio_rng virtio_balloon"}, fetch("full")}, 1, nil},
		"the second has what it needs": {"linux/disk/ahci", []kernelHere{{builtin: cloud}, {builtin: full}}, 2, nil},
		"only the second is here":      {"linux/disk/ahci", []kernelHere{fetch("kernels"), {builtin: full}}, 2, nil},
		"the second could be fetched":  {"linux/disk/ahci", []kernelHere{{builtin: cloud}, fetch("full")}, 2, []string{"no module ahci", "; fetch full"}},
		"none has it":                  {"linux/disk/ahci", []kernelHere{{builtin: cloud}, {builtin: cloud}}, 2, []string{"no module ahci", "--kernel"}},
		"none is here":                 {"linux/disk/ahci", []kernelHere{fetch("kernels"), fetch("full")}, 2, []string{"fetch kernels"}},
		"none is known":                {"linux/precopy", nil, 0, []string{"x86_64"}},
		"the guest is not Linux":       {"precopy/unix/plain", nil, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			looked := 0
			err := scenario(t, c.scenario).CheckKernel(migration.Options{FindKernels: kernelsHere(t, &looked, c.kernels...)})
			require.Equal(t, c.looked, looked, "kernels that were looked at")
			if c.says == nil {
				require.NoError(t, err)
			}
			for _, part := range c.says {
				require.ErrorContains(t, err, part)
			}
		})
	}
}
