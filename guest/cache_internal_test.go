package guest

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatNobodyUsesLeavesTheCache(t *testing.T) {
	cache := t.TempDir()
	old, used := filepath.Join(cache, "initrd-arm64-0123456789abcdef"), filepath.Join(cache, "init-amd64-0123456789abcdef")
	others, left := filepath.Join(cache, "initrd-of-mine"), filepath.Join(cache, ".build-1")
	for _, name := range []string{old, used, others} {
		require.NoError(t, os.WriteFile(name, nil, 0o600))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(left, "guest"), 0o700))
	long := time.Now().Add(-keptFor - time.Hour)
	for _, name := range []string{old, used, others, left} {
		require.NoError(t, os.Chtimes(name, long, long))
	}
	require.True(t, cached(used))
	require.False(t, cached(filepath.Join(cache, "init-never")))
	dropUnused(cache)
	require.NoFileExists(t, old)
	require.NoDirExists(t, left)
	require.FileExists(t, used)
	require.FileExists(t, others)
}
