package migration

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/guest"
)

// TestAGuestHasOneInputDeviceOfAKind, for QEMU gives what is done to one of them.
func TestAGuestHasOneInputDeviceOfAKind(t *testing.T) {
	inputs := func(names ...string) error {
		l := &linuxRun{}
		for _, name := range names {
			d, err := guest.DeviceOf(name)
			require.NoError(t, err)
			l.image.Devices = append(l.image.Devices, d)
		}
		_, err := l.inputs()
		return err
	}
	require.NoError(t, inputs("virtio-keyboard", "virtio-rng", "usb-tablet"))
	require.ErrorContains(t, inputs("virtio-tablet", "usb-kbd", "usb-tablet"), "two devices that are a tablet, virtio-tablet and usb-tablet")
	require.ErrorContains(t, inputs("virtio-rng"), "no input device")
}

// TestThePointerIsNeverMovedToWhereItIs: of that a guest's kernel would say nothing.
func TestThePointerIsNeverMovedToWhereItIs(t *testing.T) {
	for place := range uint64(0x8000) {
		next := elsewhere(place, 1000)
		require.NotEqual(t, place, next)
		require.Less(t, next, uint64(0x8000))
	}
}
