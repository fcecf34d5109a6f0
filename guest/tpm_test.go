package guest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEachSideHasATPMOfItsOwn, on the device that its target has.
func TestEachSideHasATPMOfItsOwn(t *testing.T) {
	d, err := DeviceOf("tpm")
	require.NoError(t, err)
	for target, device := range map[string]string{"x86_64": "tpm-crb", "aarch64": "tpm-tis-device", "ppc64": "tpm-spapr"} {
		require.True(t, d.OnTarget(target))
		r := &Resources{Dir: "/run/x,y", Owner: "source", Target: target}
		require.Equal(t, []string{
			"-chardev", "socket,id=guest-tpm-emulator,path=/run/x,,y/guest-tpm.source.sock",
			"-tpmdev", "emulator,id=guest-tpm,chardev=guest-tpm-emulator",
			"-device", device + ",id=guest-tpm-device,tpmdev=guest-tpm",
		}, d.Args(r))
		r.Owner = "destination"
		behind := r.Backends([]Device{d})
		require.Len(t, behind, 1)
		require.Equal(t, "/run/x,y/guest-tpm.destination", behind[0].Folder)
		require.Contains(t, behind[0].Args, "dir=/run/x,y/guest-tpm.destination")
		require.Contains(t, behind[0].Args, "type=unixio,{socket}")
	}
	require.False(t, d.OnTarget("s390x"))
	require.NotContains(t, PluggableNames(), "tpm")
	require.Empty(t, modelArgs([]Device{d}, &Resources{}), "nothing can be in the place of what is behind it")
}
