//go:build linux

package main

import (
	"encoding/binary"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/guest/wire"
)

// TestTheKernelsStructuresHaveTheKernelsSizes: they are in an ioctl's number.
func TestTheKernelsStructuresHaveTheKernelsSizes(t *testing.T) {
	require.EqualValues(t, 64, unsafe.Sizeof(drmResources{}))
	require.EqualValues(t, 80, unsafe.Sizeof(drmConnector{}))
	require.EqualValues(t, 104, unsafe.Sizeof(drmController{}))
	require.EqualValues(t, 68, unsafe.Sizeof(drmMode{}))
	require.EqualValues(t, 32, unsafe.Sizeof(drmCreate{}))
	require.EqualValues(t, 16, unsafe.Sizeof(drmMap{}))
	require.EqualValues(t, 28, unsafe.Sizeof(drmAdd{}))
	require.EqualValues(t, 56, unsafe.Sizeof(drmResource{}))
	require.EqualValues(t, 8, unsafe.Sizeof(drmHandle{}))
}

func TestAFrameIsDrawnLineByLine(t *testing.T) {
	const width, height, line = 3, 2, 16 // with a gap behind each line
	buffer := make([]byte, line*height)
	draw(buffer, line, width, height, 7)
	require.EqualValues(t, 7, binary.LittleEndian.Uint32(buffer))
	require.Equal(t, wire.Pixel(7, 2), binary.LittleEndian.Uint32(buffer[8:]))
	require.Zero(t, binary.LittleEndian.Uint32(buffer[12:]), "the gap")
	require.Equal(t, wire.Pixel(7, 3), binary.LittleEndian.Uint32(buffer[line:]))
	require.NotEqual(t, wire.Pixel(7, 3), wire.Pixel(8, 3), "another frame")
}

func TestAGuestWithoutACardSaysSo(t *testing.T) {
	_, err := openCard(t.TempDir(), time.Millisecond, 2)
	require.ErrorContains(t, err, "expected a card, found none")
}
