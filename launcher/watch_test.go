package launcher_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher"
)

func pulse(t *testing.T, vm *launcher.VM) launcher.Pulse {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	return vm.Pulse(ctx)
}

func TestPulseTellsADeafMonitorFromABusyOne(t *testing.T) {
	t.Parallel()
	for _, binary := range qemutest.Binaries(t, "x86_64") {
		t.Run(qemutest.Version(t, binary), func(t *testing.T) {
			vm := launchAnyEnd(t, launcher.Config{Binary: binary})
			require.Equal(t, launcher.Answering, pulse(t, vm))
			hangMainLoop(t, vm)
			require.Equal(t, launcher.Busy, pulse(t, vm))
			stop(t, vm)
			require.Equal(t, launcher.Deaf, pulse(t, vm))
			require.NoError(t, syscall.Kill(vm.PID(), syscall.SIGCONT))
			require.NoError(t, vm.Kill())
			require.Equal(t, launcher.Ended, pulse(t, vm))
		})
	}
}

func TestWatchLeavesABusyMonitorAlone(t *testing.T) {
	t.Parallel()
	vm := launchAnyEnd(t, launcher.Config{})
	hangMainLoop(t, vm)
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, vm.Watch(ctx, 500*time.Millisecond), context.DeadlineExceeded)
}

func TestWatchReportsADeafMonitorInItsTime(t *testing.T) {
	t.Parallel()
	vm := launchAnyEnd(t, launcher.Config{})
	stop(t, vm)
	began := time.Now()
	err := vm.Watch(t.Context(), 300*time.Millisecond)
	hang, ok := errors.AsType[*launcher.HangError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, launcher.Deaf, hang.Pulse)
	require.GreaterOrEqual(t, hang.For, 300*time.Millisecond)
	require.Less(t, time.Since(began), testPatience)
}

func TestWatchEndsWithItsQEMU(t *testing.T) {
	t.Parallel()
	vm := launchAnyEnd(t, launcher.Config{})
	watched := make(chan error)
	go func() { watched <- vm.Watch(context.Background(), time.Minute) }()
	require.NoError(t, syscall.Kill(vm.PID(), syscall.SIGKILL))
	_, ok := errors.AsType[*launcher.ExitError](<-watched)
	require.True(t, ok)
}

func TestHungVMEndsEveryWaitWithItsDiagnosis(t *testing.T) {
	t.Parallel()
	vm := launchAnyEnd(t, launcher.Config{Program: incrementer(t, "x86_64"), HangTimeout: time.Second})
	_, err := vm.Console().Wait(t.Context(), 0, "A")
	require.NoError(t, err)
	stop(t, vm)
	_, err = vm.Console().Wait(t.Context(), 0, "never")
	hang, ok := errors.AsType[*launcher.HangError](err)
	require.True(t, ok, "%v", err)
	require.ErrorContains(t, err, "deaf")
	require.Contains(t, hang.Diagnosis.Process, "stop")
	require.Contains(t, hang.Diagnosis.Console, "A")
	closed, ok := errors.AsType[*launcher.ExitError](vm.Close())
	require.True(t, ok)
	require.ErrorIs(t, closed, hang)
}

func TestDiagnosisOfAVMThatAnswers(t *testing.T) {
	t.Parallel()
	for _, binary := range qemutest.Binaries(t, "x86_64") {
		t.Run(qemutest.Version(t, binary), func(t *testing.T) {
			vm := launch(t, launcher.Config{Binary: binary, Name: "source", Program: incrementer(t, "x86_64"), Args: []string{"-smp", "2"}})
			_, err := vm.Console().Wait(t.Context(), 0, "AB")
			require.NoError(t, err)
			d := vm.Diagnose(t.Context())
			require.Equal(t, launcher.Answering, d.Pulse)
			require.Equal(t, "running", d.Status)
			require.Contains(t, d.Registers, "CPU#0")
			require.Contains(t, d.Registers, "CPU#1")
			require.Contains(t, d.Console, "AB")
			require.Contains(t, d.Command, "-machine")
			require.True(t, d.Stacks != "" || len(d.Problems) > 0, "why there are no stacks")
			for _, part := range []string{"source", "answering", "run state: running", "registers:\n", "the same by hand"} {
				require.Contains(t, d.String(), part)
			}
			require.Equal(t, launcher.Answering, pulse(t, vm), "looking does no harm")
		})
	}
}

func TestDiagnosisOfOneThatIsDeafOrGone(t *testing.T) {
	t.Parallel()
	vm := launchAnyEnd(t, launcher.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	stop(t, vm)
	d := vm.Diagnose(ctx)
	require.Equal(t, launcher.Deaf, d.Pulse)
	require.Equal(t, "stopped", d.Process)
	require.NotEmpty(t, d.Problems)
	require.NoError(t, vm.Kill())
	d = vm.Diagnose(ctx)
	require.Equal(t, launcher.Ended, d.Pulse)
	require.Equal(t, "signal: killed", d.Process)
}

func TestDiagnosisHasTheStacksOfThreads(t *testing.T) {
	bin := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(bin, "eu-stack"), []byte("#!/bin/sh\necho \"#0 in_process $2\"\n"), 0o700))
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	vm := launch(t, launcher.Config{})
	require.Contains(t, vm.Diagnose(t.Context()).Stacks, "#0 in_process")
	require.Empty(t, vm.Observe(t.Context()).Stacks, "its monitor answers")
	stop(t, vm)
	require.Contains(t, vm.Observe(t.Context()).Stacks, "#0 in_process")
}

func TestDiagnosisIsNotHeldUpByItsTools(t *testing.T) {
	bin := t.TempDir()
	for _, tool := range []string{"eu-stack", "gdb"} {
		require.NoError(t, os.WriteFile(filepath.Join(bin, tool), []byte("#!/bin/sh\nsleep 600\n"), 0o700))
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	vm := launch(t, launcher.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	began := time.Now()
	d := vm.Diagnose(ctx)
	require.Less(t, time.Since(began), testPatience)
	require.NotEmpty(t, d.Problems)
	require.NotEmpty(t, d.Registers)
}
