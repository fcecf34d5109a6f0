package guest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAModelHasEachDeviceAndNothingBehindIt.
func TestAModelHasEachDeviceAndNothingBehindIt(t *testing.T) {
	var all []Device
	for _, name := range []string{Serial, "virtio-blk", "virtio-blk-local", "virtio-net"} {
		d, err := DeviceOf(name)
		require.NoError(t, err)
		all = append(all, d)
	}
	require.Equal(t, []string{
		"-device", "virtio-serial", "-device", "virtserialport,name=drover.0",
		"-blockdev", "driver=null-co,size=16M,node-name=guest-virtio-blk",
		"-device", "virtio-blk,drive=guest-virtio-blk,serial=drover-virtio-blk",
		"-blockdev", "driver=null-co,size=16M,node-name=guest-virtio-blk-local",
		"-device", "virtio-blk,drive=guest-virtio-blk-local,serial=drover-virtio-blk-lo",
		"-device", "virtio-net,mac=" + netMAC + ",romfile=",
	}, modelArgs(all, &Resources{Target: "x86_64"}))
	for _, arg := range modelArgs(Devices(), &Resources{Target: "s390x"}) {
		require.NotContains(t, arg, "romfile") // which no other bus has
		require.NotContains(t, arg, ".sock")
		require.NotContains(t, arg, ".img")
		require.False(t, strings.Contains(arg, "netdev=") || strings.Contains(arg, "chardev="), arg)
	}
}
