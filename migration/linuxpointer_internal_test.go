package migration

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/guest/wire"

	"github.com/drover-vm/drover/migration/internal/rfb"
)

func TestAPointerIsTheGuests(t *testing.T) {
	right := func() rfb.Picture {
		p := rfb.Picture{Width: wire.PointerSide, Height: wire.PointerSide}
		for i := range wire.PointerSide * wire.PointerSide {
			p.Pixels = append(p.Pixels, wire.Pixel(wire.PointerFrame, i))
		}
		return p
	}
	require.NoError(t, wrongPointer("source", right()))
	require.EqualError(t, wrongPointer("destination", rfb.Picture{}), "VNC shows no pointer on the destination, expected the one that the guest has defined")

	wrong := right()
	wrong.Pixels[wire.PointerSide+2] = rfb.Clear
	require.ErrorContains(t, wrongPointer("destination", wrong), "line 1, column 2: expected 0x")
	wrong.Width = 32
	require.ErrorContains(t, wrongPointer("destination", wrong), "a pointer of 32 to 64 pixels")
}
