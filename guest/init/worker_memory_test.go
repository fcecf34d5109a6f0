//go:build linux

package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/guest/wire"
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

func TestAWordOverAPagesEndThatChangesIsNoticed(t *testing.T) {
	a := &acrossPages{bytes: make([]byte, 4*pageSize)}
	w, r := aWitness(t, nil)
	go func() {
		a.look(w)
		a.look(w) // nothing is wrong
		a.bytes[3*pageSize] ^= 0x10
		a.look(w)
		a.look(w) // is written anew
	}()
	c, _ := last[wire.Complaint](t, heard(t, r, func(all []wire.Line) bool { return len(all) == 1 }), wire.SaysComplaint)
	require.Regexp(t, `^a word over the end of a page, whose second half is at 0x[0-9a-f]+, is wrong: expected 0x[0-9a-f]{16}, found 0x[0-9a-f]{16}$`, c.Text)
}
