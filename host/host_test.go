package host

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// files makes a root of a host with these files.
func files(texts map[string]string) fs.FS {
	root := fstest.MapFS{}
	for name, text := range texts {
		root[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return root
}

func TestUserfaultfdIsThereOrItsAbsenceIsExplained(t *testing.T) {
	features, err := Userfaultfd()
	if err != nil {
		missing, ok := errors.AsType[*UserfaultfdError](err)
		require.True(t, ok)
		require.NotEmpty(t, missing.Remedy)
		return
	}
	// The kernel has had it since 4.14.
	require.True(t, features.ThreadID)
}

func TestUserfaultfdLeavesNoDescriptor(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(entries)
	}
	_, _ = Userfaultfd()
	before := count()
	for range 10 {
		_, _ = Userfaultfd()
		KVMState()
	}
	require.Equal(t, before, count())
}

func TestUserfaultfdsErrorNamesWhatHelps(t *testing.T) {
	for _, test := range []struct {
		name              string
		syscall           error
		sysctl            string
		device            error
		reason, remedy    string
		remedyDoesNotHave string
	}{
		{"sysctl", unix.EPERM, "0", unix.ENOENT, "vm.unprivileged_userfaultfd is 0", "sysctl vm.unprivileged_userfaultfd=1", "/dev"},
		{"device", unix.EPERM, "0", unix.EACCES, "vm.unprivileged_userfaultfd is 0", "/dev/userfaultfd", "?"},
		{"seccomp", unix.EPERM, "1", unix.ENOENT, "forbidden", "seccomp", "sysctl"},
		{"old kernel", unix.ENOSYS, "", unix.ENOENT, "kernel has none", "CONFIG_USERFAULTFD", "sysctl"},
		{"full", unix.EMFILE, "1", unix.EMFILE, "too many open files", "ulimit", "sysctl"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := explainUserfaultfd(test.syscall, test.sysctl, test.device)
			require.ErrorIs(t, err, test.syscall)
			var missing *UserfaultfdError
			require.ErrorAs(t, err, &missing)
			require.Contains(t, missing.Reason, test.reason)
			require.Contains(t, missing.Remedy, test.remedy)
			require.NotContains(t, missing.Remedy, test.remedyDoesNotHave)
		})
	}
}

const meminfo = "MemTotal: 8388608 kB\nMemFree: 1 kB\nMemAvailable: 4194304 kB\nHugePages_Total: 0\n"

func TestTheNarrowestLimitOfMemoryCounts(t *testing.T) {
	const mib = 1 << 20
	for _, test := range []struct {
		name string
		root map[string]string
		want Memory
	}{
		{"no cgroup", map[string]string{"proc/meminfo": meminfo}, Memory{8192 * mib, 4096 * mib, 0}},
		{"v2, the limit is above our group", map[string]string{
			"proc/meminfo":                   meminfo,
			"proc/self/cgroup":               "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max":   "max\n",
			"sys/fs/cgroup/a/memory.max":     "1073741824\n",
			"sys/fs/cgroup/a/memory.current": "536870912\n",
			"sys/fs/cgroup/a/memory.stat":    "anon 5\ninactive_file 268435456\n",
		}, Memory{8192 * mib, 768 * mib, 1024 * mib}},
		{"v2 in a container", map[string]string{
			"proc/meminfo":                 meminfo,
			"proc/self/cgroup":             "0::/../../x\n",
			"sys/fs/cgroup/memory.max":     "524288000\n",
			"sys/fs/cgroup/memory.current": "0\n",
		}, Memory{8192 * mib, 500 * mib, 500 * mib}},
		{"v1", map[string]string{
			"proc/meminfo":     meminfo,
			"proc/self/cgroup": "3:cpu,cpuacct:/\n4:memory:/docker/1\n",
			"sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": "1073741824\n",
			"sys/fs/cgroup/memory/docker/1/memory.usage_in_bytes": "1073741825\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":          "9223372036854771712\n",
		}, Memory{8192 * mib, 0, 1024 * mib}},
		{"nothing readable", nil, Memory{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, memory(files(test.root)))
		})
	}
}

func TestTheNarrowestQuotaOfProcessorsCounts(t *testing.T) {
	for _, test := range []struct {
		name   string
		root   map[string]string
		usable float64
	}{
		{"none", nil, 4},
		{"v2", map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "150000 100000\n"}, 1.5},
		{"v2 without limit", map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "max 100000\n"}, 4},
		{"v1", map[string]string{
			"proc/self/cgroup": "3:cpu,cpuacct:/a\n", "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "50000\n", "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n",
		}, 0.5},
		{"v1 without limit", map[string]string{
			"proc/self/cgroup": "3:cpu,cpuacct:/a\n", "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n",
		}, 4},
		{"more than there are", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "800000 100000\n"}, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.InDelta(t, test.usable, processors(files(test.root), 4).Usable(), 1e-9)
		})
	}
}

func TestHugePagesAreCounted(t *testing.T) {
	h := hugePages(files(map[string]string{
		"sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages":      "256\n",
		"sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages":    "200\n",
		"sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages":   "0\n",
		"sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages": "0\n",
		"proc/self/mounts": "proc /proc proc rw 0 0\nnone /dev/huge\\040pages hugetlbfs rw 0 0\n",
	}))
	require.Equal(t, Huge{[]HugePageSize{{2 << 20, 256, 200}, {1 << 30, 0, 0}}, "/dev/huge pages"}, h)
	require.True(t, h.Fact().Have)
	require.False(t, Huge{}.Fact().Have)
}

func TestNamespacesAreForTheCapableOrWhereTheKernelLetsAnyone(t *testing.T) {
	for _, test := range []struct {
		name string
		root map[string]string
		want Namespaces
	}{
		{"capable", map[string]string{"proc/self/status": "CapEff:\t0000000000200000\n"}, Namespaces{Privileged: true, User: true}},
		{"anyone", map[string]string{"proc/self/status": "CapEff:\t0\n", "proc/self/ns/user": ""}, Namespaces{User: true}},
		{"old kernel", nil, Namespaces{Reason: "the kernel has no user namespaces"}},
		{"forbidden", map[string]string{"proc/self/ns/user": "", "proc/sys/kernel/unprivileged_userns_clone": "0\n"}, Namespaces{Reason: "the sysctl kernel.unprivileged_userns_clone is 0"}},
	} {
		t.Run(test.name, func(t *testing.T) { require.Equal(t, test.want, namespaces(files(test.root))) })
	}
}

func TestTheTPMEmulatorIsLookedForInPATH(t *testing.T) {
	folder := t.TempDir()
	getenv := func(name string) string { return map[string]string{"PATH": "relative:" + folder}[name] }
	fact := TPMEmulator(getenv).Fact()
	require.False(t, fact.Have)
	require.Equal(t, "install the package swtpm", fact.Remedy)
	file := filepath.Join(folder, "swtpm")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.Equal(t, Tool{Name: "swtpm"}, TPMEmulator(getenv), "nobody can run it")
	require.NoError(t, os.Chmod(file, 0o700))
	require.Equal(t, Tool{"swtpm", file}, TPMEmulator(getenv))
	require.True(t, TPMEmulator(getenv).Fact().Have)
}

func TestAHostUnderAHypervisorIsKnown(t *testing.T) {
	require.True(t, nested(files(map[string]string{"proc/cpuinfo": "model name : x\nflags\t\t: fpu vme hypervisor lahf_lm\n"})))
	require.False(t, nested(files(map[string]string{"proc/cpuinfo": "flags\t\t: fpu vme\n"})))
	require.False(t, nested(files(nil)))
}

func TestMemoryThatTheKernelDoesNotTellIsNotTakenForNone(t *testing.T) {
	require.Contains(t, Memory{}.Fact().Remedy, "mount -t proc proc /proc")
	require.NotContains(t, Memory{Total: 1 << 30}.Fact().Remedy, "mount")
}

func TestEveryFactThatIsMissingSaysWhatItCostsAndWhatHelps(t *testing.T) {
	facts := Facts()
	facts = append(
		facts, Memory{}.Fact(), Memory{Total: 1 << 30}.Fact(), CPUs{}.Fact(), Huge{}.Fact(), MemoryFolder{}.Fact(), Namespaces{Reason: "x"}.Fact(), Tool{Name: "tc"}.Fact(), Tool{Name: "swtpm"}.Fact(),
		KVM{Err: fs.ErrNotExist}.Fact(), KVM{Err: fs.ErrPermission}.Fact(), KVM{Err: unix.EBUSY}.Fact(),
		userfaultfdFact(Features{}, &UserfaultfdError{"a", "b", nil}),
	)
	for _, f := range facts {
		require.NotEmpty(t, f.Name)
		require.NotEmpty(t, f.Says, f.Name)
		require.NotContains(t, f.Says, "\n")
		if !f.Have {
			require.NotEmpty(t, f.Costs, f.Name)
			require.NotEmpty(t, f.Remedy, f.Name)
		}
		require.False(t, strings.HasSuffix(f.Remedy, "."), f.Name)
	}
}
