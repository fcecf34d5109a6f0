package migration

import (
	"context"
	"fmt"

	"github.com/drover-vm/drover/guest"
	"github.com/drover-vm/drover/guest/wire"

	"github.com/drover-vm/drover/migration/internal/rfb"
)

// ExpectPointer demands that a side's VNC server shows the pointer that a Linux guest has defined.
func (p *Pair) ExpectPointer(ctx context.Context, s *Side) error {
	if p.run.linux == nil {
		return errNotLinux
	}
	shown, err := rfb.Pointer(ctx, p.Path(guest.VNC+"."+p.run.owner(s.Name())))
	if err != nil {
		return fmt.Errorf("the %s's VNC server: %w", s.Name(), err)
	}
	return wrongPointer(s.Name(), shown)
}

func wrongPointer(side string, shown rfb.Picture) error {
	if len(shown.Pixels) == 0 {
		return fmt.Errorf("VNC shows no pointer on the %s, expected the one that the guest has defined", side)
	}
	if shown.Width != wire.PointerSide || shown.Height != wire.PointerSide {
		return fmt.Errorf("VNC shows a pointer of %d to %d pixels on the %s, expected %d to %d", shown.Width, shown.Height, side, wire.PointerSide, wire.PointerSide)
	}
	for i, is := range shown.Pixels {
		if want := wire.Pixel(wire.PointerFrame, i); is != want {
			return fmt.Errorf("VNC shows another pointer on the %s than the guest has defined: line %d, column %d: expected %#06x, found %#06x", side, i/shown.Width, i%shown.Width, want, is)
		}
	}
	return nil
}
