//go:build linux

package main

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// aSystem is a folder in which a kernel says what it has.
func aSystem(t *testing.T, files map[string]string) (folder string, read func(name string) string) {
	t.Helper()
	folder = t.TempDir()
	for name, text := range files {
		path := filepath.Join(folder, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text+"\n"), 0o600))
	}
	return folder, func(name string) string {
		text, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		return string(text)
	}
}

func TestWhatWasPluggedIsUsed(t *testing.T) {
	folder, read := aSystem(t, map[string]string{
		"cpu/online": "0", "cpu/cpu1/online": "1", "cpu/cpu2/online": "0", "cpu/cpu3/online": "0",
		"memory/memory0/state": "online", "memory/memory32/state": "offline",
	})
	require.NoError(t, onlineVCPUs(folder))
	require.Equal(t, "1\n", read("cpu/cpu1/online"))
	require.Equal(t, "1", read("cpu/cpu2/online"))
	require.Equal(t, "1", read("cpu/cpu3/online"))
	require.Equal(t, "0\n", read("cpu/online"), "that is the list of all")
	require.Equal(t, "offline\n", read("memory/memory32/state"))
	require.NoError(t, onlineMemory(folder))
	require.Equal(t, "online_movable", read("memory/memory32/state"))
	require.Equal(t, "online\n", read("memory/memory0/state"))
	require.NoError(t, onlineMemory(t.TempDir()), "there need be none")
}

func TestAVCPUThatNeverComesIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder, _ := aSystem(t, map[string]string{"cpu/cpu1/online": "1"})
		began := time.Now()
		require.ErrorContains(t, onlineVCPUs(folder), "expected a vCPU that was plugged, found none in 10s")
		require.GreaterOrEqual(t, time.Since(began), onlineTimeout)
	})
}
