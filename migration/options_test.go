package migration_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/migration"
)

// withArgs runs precopy/unix/plain with options for both QEMUs.
func withArgs(t *testing.T, line string) migration.Options {
	t.Helper()
	return migration.Options{Source: qemutest.Binary(t, "x86_64"), Artifacts: t.TempDir(), Args: strings.Fields(line)}
}

// TestGuestHasTheMemoryThatQEMUSays, whatever options gave it.
func TestGuestHasTheMemoryThatQEMUSays(t *testing.T) {
	long(t)
	for args, mib := range map[string]uint64{
		"": 150, "-m 512": 512, "-m 120": 120,
		"-m 160 -object memory-backend-ram,id=r,size=160M -machine memory-backend=r":                                                                      160,
		"-m 160 -object memory-backend-ram,id=a,size=60M -object memory-backend-ram,id=b,size=100M -numa node,memdev=a -numa node,memdev=b -smp 2 -m 160": 160,
		"-m 160,slots=1,maxmem=1G": 160,
		"-object memory-backend-memfd,id=r,size=150M -machine memory-backend=r": 150,
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			result := run(t, scenario(t, "precopy/unix/plain"), withArgs(t, args))
			require.NoError(t, result.Err(), explain(result))
			require.Equal(t, mib<<20, result.Record.RAMBytes)
		})
	}
}

func TestGuestTooSmallForTheWorkloadIsRefusedBeforeItMoves(t *testing.T) {
	t.Parallel()
	for _, mib := range []string{"64", "104", "119"} { // the firmware leaves data near the end
		_, err := scenario(t, "precopy/unix/plain").Run(t.Context(), withArgs(t, "-m "+mib))
		require.ErrorContains(t, err, "the workload needs 100 MiB of memory, and with the firmware's 120, and the guest has "+mib)
	}
}

// TestRAMThatBothQEMUsMapIsRefused: what the guest writes on one side would be there on the
// other, and no check could tell. By their options for both it is known before they start,
// else by what both processes map.
func TestRAMThatBothQEMUsMapIsRefused(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ram")
	args := "-object memory-backend-file,id=r,size=150M,share=on,mem-path=" + file + " -machine memory-backend=r"
	t.Run("both", func(t *testing.T) {
		_, err := scenario(t, "precopy/unix/plain").Run(t.Context(), withArgs(t, args))
		var refused *launcher.ArgError
		require.ErrorAs(t, err, &refused)
		require.ErrorContains(t, err, "both QEMUs would map "+file)
		require.NoFileExists(t, file)
	})
	t.Run("one side each", func(t *testing.T) {
		o := withArgs(t, "")
		o.SourceArgs, o.DestinationArgs = strings.Fields(args), strings.Fields(args)
		_, err := scenario(t, "precopy/unix/plain").Run(t.Context(), o)
		require.ErrorContains(t, err, "both QEMUs map "+file+" as memory")
		require.ErrorContains(t, err, "ignore-shared")
	})
}

// TestFirmwareOnTheConsoleIsNotTheGuest: -nographic puts its output on the guest's console.
func TestFirmwareOnTheConsoleIsNotTheGuest(t *testing.T) {
	long(t)
	for _, args := range []string{"-nographic", "-machine graphics=off"} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			result := run(t, scenario(t, "precopy/unix/plain"), withArgs(t, args))
			require.NoError(t, result.Err(), explain(result))
		})
	}
}

// TestOptionsThatSpoilTheProofAreRefusedAtOnce, in a sentence that names them; nothing is
// started, and nothing is left.
func TestOptionsThatSpoilTheProofAreRefusedAtOnce(t *testing.T) {
	dir := t.TempDir()
	for _, args := range []string{
		"-S", "-incoming defer", "-incoming tcp:0:4444", "-daemonize", "-pidfile " + dir + "/p", "-version", "-device help", "-accel tcg,thread=single",
		"-gdb tcp::1234", "-s", "-vnc :5", "-qmp unix:" + dir + "/q,server=on,wait=off", "-chardev socket,id=c,server=on,wait=off,path=" + dir + "/c",
		"-netdev user,id=n,hostfwd=tcp:127.0.0.1:2222-:22", "-netdev tap,id=t,ifname=tap7", "-preconfig",
	} {
		artifacts := t.TempDir()
		_, err := scenario(t, "precopy/unix/plain").Run(t.Context(), migration.Options{
			Source: "/nowhere/that/would/be/started", Artifacts: artifacts, Args: strings.Fields(args),
		})
		var refused *launcher.ArgError
		require.ErrorAs(t, err, &refused, args)
		require.Contains(t, refused.Option, strings.Fields(args)[0])
		require.NotEmpty(t, refused.Remedy, args)
		left, err := os.ReadDir(artifacts)
		require.NoError(t, err)
		require.Empty(t, left, args)
	}
}

// wrapper is a script that starts a QEMU after it has done something else.
func wrapper(t *testing.T, before string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "qemu-system-x86_64")
	script := fmt.Sprintf("#!/bin/sh\n%s\nexec '%s' \"$@\"\n", before, qemutest.Binary(t, "x86_64"))
	require.NoError(t, os.WriteFile(path, []byte(script), 0o700))
	return path
}

// TestWrapperThatTakesItsTimeOrTalksIsAQEMU: how long a start takes is no step's time.
func TestWrapperThatTakesItsTimeOrTalksIsAQEMU(t *testing.T) {
	long(t)
	for _, before := range []string{"sleep 4", "echo starting", "echo starting >&2; sleep 1"} {
		t.Run(before, func(t *testing.T) {
			t.Parallel()
			result := run(t, scenario(t, "precopy/unix/plain"), migration.Options{Source: wrapper(t, before), Artifacts: t.TempDir()})
			require.NoError(t, result.Err(), explain(result))
		})
	}
}
