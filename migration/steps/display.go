package steps

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/ram"
)

// displayID is what a scenario has to call the display that is looked at.
const displayID = "display"

// What a display shows is made of its memory and of its registers, as they are in the end.
func displayVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name:    "draw text",
			Doc:     "Fills the screen of the source's VGA, which its firmware has left in text mode, with characters in colours of the palette, of which one is changed, and hides the cursor.",
			Example: "draw text", Step: do(DrawText),
		},
		{
			Name: "draw ramfb", Args: "ADDRESS",
			Doc:     "Draws a picture of 64 to 48 pixels into the source's RAM at a guest's address, and has its ramfb show that; up to 2 MiB behind the address are used.",
			Example: "draw ramfb 0x6400000",
			Step:    func(a *migration.Args) migration.Step { return DrawRAMFB(numberOf(a, "the address", 32)) },
		},
		{
			Name:    "expect same-display",
			Doc:     "Both QEMUs, whose guests do not run, show the same picture of the display with the id display (screendump), which is not of one colour.",
			Example: "expect same-display", Step: do(ExpectSameDisplay),
		},
	}
}

// A VGA's ports and memory in its text modes (IBM's VGA, as in every PC since).
const (
	vgaDACIndex, vgaDACData     = 0x3c8, 0x3c9
	vgaCRTCIndex, vgaCRTCData   = 0x3d4, 0x3d5
	vgaCursorStart, vgaNoCursor = 0x0a, 0x20

	textAt    = 0xb8000
	textCells = 80 * 25
)

// DrawText fills the screen of the source's VGA.
func DrawText() migration.Step {
	return migration.Step{Name: "draw text", Wants: []string{"boot"}, Do: func(ctx context.Context, p *migration.Pair) error {
		q := p.Source.QTest()
		for _, out := range []struct {
			port  uint16
			value uint8
		}{
			{vgaDACIndex, 2},
			{vgaDACData, 0x31},
			{vgaDACData, 0x12},
			{vgaDACData, 0x23}, // red, green and blue of 63 each
			{vgaCRTCIndex, vgaCursorStart},
			{vgaCRTCData, vgaNoCursor},
		} {
			if err := q.Outb(ctx, out.port, out.value); err != nil {
				return err
			}
		}
		cells := make([]byte, 0, 2*textCells)
		for i := range textCells {
			const letters, colours = 94, 7
			cells = append(cells, byte('!'+i%letters), byte(1+i%colours))
		}
		return q.WriteMemory(ctx, textAt, cells)
	}}
}

// A ramfb (hw/display/ramfb.c in QEMU) is told in one item of fw_cfg where its picture is.
const (
	ramfbFile   = "etc/ramfb"
	ramfbFormat = "XR24" // DRM_FORMAT_XRGB8888

	ramfbWidth, ramfbHeight = 64, 48
)

// DrawRAMFB draws a picture, and has the source's ramfb show it.
func DrawRAMFB(address uint64) migration.Step {
	return migration.Step{Name: fmt.Sprintf("draw ramfb %#x", address), Wants: []string{"boot"}, Do: func(ctx context.Context, p *migration.Pair) error {
		d := fwCfgBehind(p.Source.QTest(), address)
		key, _, err := d.find(ctx, ramfbFile)
		if err != nil {
			return err
		}
		if err := d.WriteMemory(ctx, address, ramfbPicture()); err != nil {
			return err
		}
		config := binary.BigEndian.AppendUint64(nil, address)
		config = binary.BigEndian.AppendUint32(config, binary.LittleEndian.Uint32([]byte(ramfbFormat)))
		for _, n := range []uint32{0, ramfbWidth, ramfbHeight, 4 * ramfbWidth} { // no flags, and bytes a line
			config = binary.BigEndian.AppendUint32(config, n)
		}
		if err := d.write(ctx, key, config); err != nil {
			return err
		}
		return p.PlantCanaries(ctx) // one of them is how far an item has been read
	}}
}

func ramfbPicture() (pixels []byte) {
	for y := range uint32(ramfbHeight) {
		for x := range uint32(ramfbWidth) {
			pixels = binary.LittleEndian.AppendUint32(pixels, x<<18|y<<10|(x^y)<<2)
		}
	}
	return pixels
}

// ExpectSameDisplay demands that both sides show the same picture.
func ExpectSameDisplay() migration.Step {
	return onDestination("expect same-display", func(ctx context.Context, p *migration.Pair) error {
		width, height, source, err := p.Screendump(ctx, p.Source, displayID)
		if err != nil {
			return err
		}
		w, h, destination, err := p.Screendump(ctx, p.Destination, displayID)
		if err != nil {
			return err
		}
		if w != width || h != height {
			return fmt.Errorf("the source shows a picture of %d to %d pixels, and the destination a picture of %d to %d pixels", width, height, w, h)
		}
		if i := ram.FirstDifference(source, destination); i >= 0 {
			return fmt.Errorf("the source shows another picture of %d to %d pixels than the destination, first in line %d, column %d", w, h, i/3/w, i/3%w)
		}
		if bytes.Equal(source[:len(source)-3], source[3:]) {
			return errors.New("both sides show a picture of one colour, so nothing was drawn")
		}
		return nil
	})
}
