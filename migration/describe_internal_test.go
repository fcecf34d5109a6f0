package migration

import (
	"io"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/migration/preflight"
)

func TestQEMUThatDiesWhileItSendsIsDescribedAsSuch(t *testing.T) {
	vm, err := launcher.Launch(t.Context(), launcher.Config{Binary: qemutest.Binary(t, "x86_64"), Args: []string{"-S"}})
	require.NoError(t, err)
	defer vm.Kill()
	require.NoError(t, syscall.Kill(vm.PID(), syscall.SIGFPE))
	_, err = sendTo(t.Context(), vm, io.Discard)
	died := deathOf(err, "")
	require.NotNil(t, died, "%v", err)
	require.Contains(t, died.Message, "floating point exception")

	var d preflight.Description
	require.NoError(t, describeStream(t.Context(), vm, &d))
	require.Equal(t, "paused", d.Died.Guest)
	require.Nil(t, d.Sections)
}

func TestEndOfAStreamIsKeptWhateverItsLength(t *testing.T) {
	var e streamEnd
	piece := make([]byte, 1<<20)
	for i := range 100 {
		piece[len(piece)-1] = byte(i)
		n, err := e.Write(piece)
		require.NoError(t, err)
		require.Equal(t, len(piece), n)
		require.LessOrEqual(t, len(e.kept), 2*maxKept)
		require.Equal(t, byte(i), e.kept[len(e.kept)-1])
		require.GreaterOrEqual(t, len(e.kept), min((i+1)<<20, maxKept))
	}
}

func TestLastLineIsWithoutTheNameOfTheQEMU(t *testing.T) {
	for stderr, line := range map[string]string{
		"qemu-system-x86_64: warning: old\nqemu-system-x86_64: system/physmem.c:864: f: Assertion `a == b' failed.\n": "system/physmem.c:864: f: Assertion `a == b' failed.",
		"qemu-kvm: -device a: unknown\n": "-device a: unknown",
		"Device 'x' is not: it is\n":     "Device 'x' is not: it is",
		"":                               "",
	} {
		require.Equal(t, line, lastLine(stderr))
	}
}

// TestCPUIsNilWhereAMachineHasNone.
func TestCPUIsNilWhereAMachineHasNone(t *testing.T) {
	vm, err := launcher.Launch(t.Context(), launcher.Config{Binary: qemutest.Binary(t, "x86_64"), Machine: "none"})
	require.NoError(t, err)
	defer vm.Kill()
	cpu, err := cpuOf(t.Context(), vm.QMP())
	require.NoError(t, err)
	require.Nil(t, cpu)
}
