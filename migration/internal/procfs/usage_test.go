package procfs_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/migration/internal/procfs"
)

func TestUsageOfAProcessGrowsWithWhatItDoes(t *testing.T) {
	before, err := procfs.UsageOf(os.Getpid(), "")
	require.NoError(t, err)
	sum := 0
	for began := time.Now(); time.Since(began) < 50*time.Millisecond; sum++ {
	}
	after, err := procfs.UsageOf(os.Getpid(), "")
	require.NoError(t, err)
	require.Greater(t, after.All, before.All)
	require.Greater(t, after.Named, before.Named, "every thread's name begins with nothing")
	require.Positive(t, after.PeakRSS)
	none, err := procfs.UsageOf(os.Getpid(), "no such thread")
	require.NoError(t, err)
	require.Zero(t, none.Named)
	_, err = procfs.UsageOf(1<<22+1, "")
	require.Error(t, err, "no process has that number")
}

func TestMemoryOfWhichNoHugePagesAreMadeIsCounted(t *testing.T) {
	const size = 64 << 20
	memory, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	require.NoError(t, err)
	defer func() { require.NoError(t, unix.Munmap(memory)) }()
	before, err := procfs.WithoutHugePages(os.Getpid(), size)
	require.NoError(t, err)
	if err := unix.Madvise(memory, unix.MADV_NOHUGEPAGE); err != nil {
		t.Skipf("this kernel has no huge pages to forbid (CONFIG_TRANSPARENT_HUGEPAGE): %v", err)
	}
	after, err := procfs.WithoutHugePages(os.Getpid(), size)
	require.NoError(t, err)
	require.EqualValues(t, size, after-before)
	_, err = procfs.WithoutHugePages(1<<22+1, 0)
	require.Error(t, err, "no process has that number")
}

func TestMemoryThatIsResidentIsCounted(t *testing.T) {
	const size, touched = 77 << 20, 5 << 20 // no other mapping is as large
	memory, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	require.NoError(t, err)
	defer func() { require.NoError(t, unix.Munmap(memory)) }()
	_ = unix.Madvise(memory, unix.MADV_NOHUGEPAGE) // which not every kernel has
	for i := 0; i < touched; i += os.Getpagesize() {
		memory[i] = 1
	}
	resident, err := procfs.ResidentOf(os.Getpid(), size)
	require.NoError(t, err)
	require.EqualValues(t, touched, resident)
	require.NoError(t, unix.Madvise(memory, unix.MADV_DONTNEED))
	resident, err = procfs.ResidentOf(os.Getpid(), size)
	require.NoError(t, err)
	require.Zero(t, resident)
	_, err = procfs.ResidentOf(os.Getpid(), size+1)
	require.ErrorContains(t, err, "no mapping")
	_, err = procfs.ResidentOf(1<<22+1, size)
	require.Error(t, err, "no process has that number")
}

func TestAQEMUsThreadsAreThoseOfVCPUsAndTheRest(t *testing.T) {
	vcpus, err := procfs.CPUOfVCPUs(os.Getpid())
	require.NoError(t, err)
	require.Empty(t, vcpus)
	before, err := procfs.CPUBesideVCPUs(os.Getpid())
	require.NoError(t, err)
	require.NotEmpty(t, before)
	later := procfs.ThreadCPU{"new": 4 * time.Second}
	for id, used := range before {
		later[id] = used + time.Second
	}
	require.Equal(t, 4*time.Second, later.MostSince(before))
	require.Equal(t, time.Duration(len(before)+4)*time.Second, later.Since(before))
	require.Zero(t, before.MostSince(before))
	_, err = procfs.CPUOfVCPUs(1 << 30)
	require.Error(t, err)
}
