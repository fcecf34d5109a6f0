package migration

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/launcher/probe"
)

// flashSize is how large the flash memory is that a guest may write to.
const flashSize = 64 << 10

// FlashImage is the image of the flash memory of a side's QEMU, where the scenario gives it one.
func (p *Pair) FlashImage(s *Side) string { return p.flashImage(p.run.owner(s.Name())) }

func (p *Pair) flashImage(owner string) string { return p.Path("flash." + owner) }

// placeFlash makes an image of each QEMU's own for a flash memory beside the one that has the firmware,
// as a PC's variables are in, where the scenario wants one. They are as after an erase.
func (r *run) placeFlash(ctx context.Context, p *Pair) error {
	if !r.scenario.Guest.Flash {
		return nil
	}
	for owner, binary := range map[string]string{SourceName: r.options.Source, DestinationName: r.options.Destination} {
		firmware, err := probe.DataFile(ctx, binary, "bios-256k.bin")
		if errors.Is(err, fs.ErrNotExist) {
			return &UnsupportedError{err.Error()}
		}
		if err != nil {
			return &StartError{err}
		}
		image := p.flashImage(owner)
		if err := os.WriteFile(image, bytes.Repeat([]byte{0xff}, flashSize), 0o600); err != nil {
			return err
		}
		for _, file := range []string{"readonly=on,file=" + launcher.Escape(firmware), "file=" + launcher.Escape(image)} {
			r.placed[owner] = append(r.placed[owner], "-drive", "if=pflash,format=raw,"+file)
		}
	}
	return nil
}
