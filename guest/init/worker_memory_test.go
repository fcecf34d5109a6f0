//go:build linux

package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEachPageIsSomewhere: a page that was written is in memory, and the next one elsewhere. Who
// may not know where is told 0.
func TestEachPageIsSomewhere(t *testing.T) {
	bytes, free, err := mapMemory(1)
	require.NoError(t, err)
	defer free()
	size := os.Getpagesize()
	all := physicalPages(bytes)
	require.Len(t, all, len(bytes)/size)
	if os.Getuid() != 0 {
		require.Zero(t, all[0])
		return
	}
	seen := map[uint64]bool{}
	for _, at := range all {
		require.NotZero(t, at)
		require.Zero(t, at%uint64(size))
		seen[at] = true
	}
	require.Len(t, seen, len(all))
	at, ok := physicalOf(&bytes[size+5])
	require.True(t, ok)
	require.Equal(t, all[1]+5, at)
}
