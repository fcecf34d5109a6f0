package procfs_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
