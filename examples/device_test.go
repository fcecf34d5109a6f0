package examples

import (
	"net"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/launcher/launchertest"
	"github.com/drover-vm/drover/protocol/qapi"
)

// A device is tested from outside: qtest reads and writes its registers, QMP resets it.
// The clock's CMOS keeps what is written to it across a reset of the machine; the scratch
// register of a serial port does not.
func TestCMOSOutlastsAReset(t *testing.T) {
	vm := launchertest.Start(t, launcher.Config{Args: []string{"-S"}})

	const index, data, scratch = 0x70, 0x71, 0x3f8 + 7
	require.NoError(t, vm.QTest().Outb(t.Context(), index, 0x50))
	require.NoError(t, vm.QTest().Outb(t.Context(), data, 0x5a))
	require.NoError(t, vm.QTest().Outb(t.Context(), scratch, 0xa5))

	since := vm.QMP().Mark()
	require.NoError(t, qapi.SystemReset(t.Context(), vm.QMP()))
	_, err := vm.QMP().Wait(t.Context(), since, "RESET")
	require.NoError(t, err)

	require.NoError(t, vm.QTest().Outb(t.Context(), index, 0x50))
	kept, err := vm.QTest().Inb(t.Context(), data)
	require.NoError(t, err)
	require.Equal(t, byte(0x5a), kept)
	cleared, err := vm.QTest().Inb(t.Context(), scratch)
	require.NoError(t, err)
	require.Zero(t, cleared)
}

// qemu is the one to test with: that of DROVER_QEMU, else the one in PATH.
func qemu(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("DROVER_QEMU"); path != "" {
		return path
	}
	path, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		const remedy = "no qemu-system-x86_64 in PATH: install it (apt-get install qemu-system-x86), or name one in DROVER_QEMU, as \"drover fleet ensure x86_64\" prints it"
		if os.Getenv("DROVER_CI") != "" {
			t.Fatal(remedy)
		}
		t.Skip(remedy)
	}
	return path
}

func requireIPv6(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skipf("this host has no IPv6 loopback: sysctl net.ipv6.conf.lo.disable_ipv6=0 (%v)", err)
	}
	require.NoError(t, l.Close())
}
