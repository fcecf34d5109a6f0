//go:build linux

package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A typedAt is an input device that somebody has used.
type typedAt struct {
	events []byte
	end    error
}

func (d *typedAt) SetReadDeadline(time.Time) error { return nil }

func (d *typedAt) Read(p []byte) (n int, err error) {
	n = copy(p, d.events)
	if d.events = d.events[n:]; n == 0 {
		err = d.end
	}
	return n, err
}

func inputEvents(all ...[3]int) (text []byte) {
	for _, e := range all {
		text = append(text, make([]byte, 16)...)
		text = binary.NativeEndian.AppendUint16(text, uint16(e[0]))
		text = binary.NativeEndian.AppendUint16(text, uint16(e[1]))
		text = binary.NativeEndian.AppendUint32(text, uint32(e[2]))
	}
	return text
}

func TestWhatIsDoneWithAnInputDeviceIsCounted(t *testing.T) {
	w, _ := aWitness(t, nil)
	used := &typedAt{end: os.ErrDeadlineExceeded, events: inputEvents(
		[3]int{4, 4, 30}, [3]int{1, 30, 1}, [3]int{0, 0, 0}, [3]int{1, 30, 2}, [3]int{1, 30, 2}, // it is held
		[3]int{1, 30, 0}, [3]int{3, 0, 700}, [3]int{3, 1, 900}, [3]int{3, 24, 5}, [3]int{3, 0, 701}, [3]int{1, 31, 1},
	)}
	d := &inputDevice{"tablet", used}
	for range 2 {
		require.NoError(t, d.listen(w))
	}
	require.Equal(t, map[string]uint64{"tablet-presses": 2, "tablet-releases": 1, "tablet-x": 701, "tablet-y": 900}, w.counts)

	used.end = syscall.ENODEV
	require.ErrorContains(t, d.listen(w), "tablet: expected to hear of what is done with it, found no such device")
}

// TestSilenceIsNoFault of a device that can be waited for, as those of the kernel can.
func TestSilenceIsNoFault(t *testing.T) {
	from, to, err := os.Pipe()
	require.NoError(t, err)
	defer from.Close()
	defer to.Close()
	w, _ := aWitness(t, nil)
	require.NoError(t, (&inputDevice{"keyboard", from}).listen(w))
	require.Empty(t, w.counts)
}

func TestAnInputDeviceIsFoundByItsSerial(t *testing.T) {
	folder := t.TempDir()
	for name, uniq := range map[string]string{"event0": "", "event1": "drover-usb-kbd", "event2": "drover-usb-tablet", "mouse1": "drover-usb-storage"} {
		place := filepath.Join(folder, name, "device")
		require.NoError(t, os.MkdirAll(place, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(place, "uniq"), []byte(uniq+"\n"), 0o644))
	}
	require.Equal(t, "event2", findInput(folder, "drover-usb-tablet"))
	require.Empty(t, findInput(folder, "drover-usb-storage"))
}

func TestAnInputDeviceThatDoesNotComeIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := openInput(serialOf("none"))
		require.ErrorContains(t, err, "no input device has the serial drover-none")
	})
}
