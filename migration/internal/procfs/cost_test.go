package procfs_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/internal/procfs"
)

func TestACostGrowsWithWhatAProcessDoes(t *testing.T) {
	const everything = ""
	before, err := procfs.CostOf(os.Getpid(), everything)
	require.NoError(t, err)
	require.Greater(t, before.PeakRSS, int64(1<<20))

	for began := time.Now(); time.Since(began) < 20*time.Millisecond; {
	}
	after, err := procfs.CostOf(os.Getpid(), everything)
	require.NoError(t, err)
	require.Greater(t, after.CPU, before.CPU)
	require.LessOrEqual(t, after.Threads, after.CPU+time.Second, "threads that live are a part of all")

	none, err := procfs.CostOf(os.Getpid(), "no thread has this name")
	require.NoError(t, err)
	require.Zero(t, none.Threads)
}

func TestNothingIsKnownOfTheCostOfAProcessThatIsNotThere(t *testing.T) {
	const largest = 1 << 22 // of process numbers
	_, err := procfs.CostOf(largest, "")
	require.Error(t, err)
}
