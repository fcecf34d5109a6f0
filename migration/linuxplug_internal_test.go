package migration

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/guest"
)

func TestAnOptionIsACommandsArguments(t *testing.T) {
	require.Equal(t, map[string]any{
		"type": "stream", "id": "guest-net", "server": false, "reconnect": true,
		"addr": map[string]any{"type": "unix", "path": "/a,b/c=d", "deeper": map[string]any{"still": "1"}},
	}, fromOption("type", "stream,id=guest-net,server=off,reconnect=on,addr.type=unix,addr.path=/a,,b/c=d,addr.deeper.still=1"))
	require.Equal(t, map[string]any{"id": "a"}, fromOption("type", "id=a"))
}

func TestAVCPUsPlaceIsADevice(t *testing.T) {
	var h hotpluggable
	require.NoError(t, json.Unmarshal([]byte(`{"type": "qemu64-x86_64-cpu", "vcpus-count": 1, "props": {"socket-id": 1, "core-id": 0, "thread-id": 0}}`), &h))
	require.Equal(t, "qemu64-x86_64-cpu,id=guest-vcpu-1,core-id=0,socket-id=1,thread-id=0", h.device("guest-vcpu-1"))
	require.Empty(t, h.Path)
}

// TestWhatIsPluggedHasAPortWhereTheMachineHasNoSlot, on both sides from the beginning.
func TestWhatIsPluggedHasAPortWhereTheMachineHasNoSlot(t *testing.T) {
	l := &linuxRun{image: guest.Image{Plugged: make([]guest.Device, 2)}}
	program := fixtures.ForLinux("x86_64")
	require.Empty(t, l.portArgs(program))
	require.Empty(t, l.portOf(program, 0))
	q35 := program.On("q35")
	require.Equal(t, []string{
		"-device", "pcie-root-port,id=guest-port-0,chassis=16", "-device", "pcie-root-port,id=guest-port-1,chassis=17",
	}, l.portArgs(q35))
	require.Equal(t, "guest-port-1", l.portOf(q35, 1))
	require.Empty(t, (*linuxRun)(nil).portArgs(q35))
	require.Empty(t, (*linuxRun)(nil).pluggedArgs(SourceName))
}

// TestWorkersOfWhatIsPluggedAreWaitedForOnceTheyWereStarted, and not before.
func TestWorkersOfWhatIsPluggedAreWaitedForOnceTheyWereStarted(t *testing.T) {
	l := &linuxRun{image: guest.Image{Workers: []string{"memory", "block", "net"}, Later: []string{"block", "net"}}}
	require.Equal(t, []string{"memory"}, l.running())
	l.begun = []string{"net"}
	require.Equal(t, []string{"memory", "net"}, l.running())
}

// TestWhatIsPluggedIsTheSameOnBothSides, but for what each has of its own.
func TestWhatIsPluggedIsTheSameOnBothSides(t *testing.T) {
	l := &linuxRun{resources: &guest.Resources{Dir: "/run"}}
	disk, err := guest.DeviceOf("virtio-blk-local")
	require.NoError(t, err)
	l.plugArgs = append(l.plugArgs, func(owner string) []string { return l.argsOf(disk, owner, "guest-port-3") })
	for _, owner := range []string{SourceName, DestinationName} {
		require.Equal(t, []string{
			"-blockdev", "driver=raw,node-name=guest-virtio-blk-local,file.driver=file,file.filename=/run/guest-virtio-blk-local." + owner + ".img",
			"-device", "virtio-blk,drive=guest-virtio-blk-local,serial=drover-virtio-blk-lo,bus=guest-port-3",
		}, l.pluggedArgs(owner))
	}
}
