package migration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/drover-vm/drover/guest"
	"github.com/drover-vm/drover/guest/wire"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/record"
)

// ExpectPicture gathers what QEMU shows of a Linux guest's virtio-gpu on a side. Where the guest
// runs, it waits until that is a later frame than any before.
func (p *Pair) ExpectPicture(ctx context.Context, s *Side) error {
	if p.run.linux == nil {
		return errNotLinux
	}
	status, err := qapi.QueryStatus(ctx, s.QMP())
	if err != nil {
		return err
	}
	f := p.Facts.Linux
	var last uint32
	for _, picture := range f.Pictures {
		last = max(last, picture.Frame)
	}
	wait, cancel := p.AtMost(ctx, reportTimeout)
	defer cancel()
	found := record.PictureFacts{Side: s.Name(), Running: status.Running}
	var broken error // what kept a look from being one
	err = Poll(wait, "a later picture", func() (bool, error) {
		if broken = p.picture(ctx, s, &found); broken != nil {
			return true, nil
		}
		return !found.Running || found.Wrong == 0 && found.Frame > last, nil
	})
	f.Pictures = append(f.Pictures, found)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errors.Join(broken, ExitErrorOnly(err))
}

// picture has QEMU write what it shows, and holds that against the frame that it says it is.
func (p *Pair) picture(ctx context.Context, s *Side, found *record.PictureFacts) error {
	width, height, pixels, err := p.Screendump(ctx, s, guest.GPU)
	if err != nil {
		return err
	}
	found.Width, found.Height, found.Wrong, found.First = width, height, 0, ""
	colour := func(i int) uint32 {
		return uint32(pixels[3*i])<<16 | uint32(pixels[3*i+1])<<8 | uint32(pixels[3*i+2])
	}
	found.Frame = colour(0)
	for i := range width * height {
		if want, is := wire.Pixel(found.Frame, i), colour(i); is != want {
			if found.Wrong++; found.Wrong == 1 {
				found.First = fmt.Sprintf("line %d, column %d: expected %#06x, found %#06x", i/width, i%width, want, is)
			}
		}
	}
	return nil
}

// Screendump has a side's QEMU write what the display device of that id shows: three bytes a pixel.
func (p *Pair) Screendump(ctx context.Context, s *Side, device string) (width, height int, pixels []byte, err error) {
	file := p.Path("picture-" + s.Name())
	if err := qapi.Screendump(ctx, s.QMP(), device, file); err != nil {
		return 0, 0, nil, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, 0, nil, err
	}
	if width, height, pixels, err = parsePPM(text); err != nil {
		err = fmt.Errorf("the picture that the %s's QEMU wrote: %w", s.Name(), err)
	}
	return width, height, pixels, err
}

// mostPixels bounds a picture.
const mostPixels = 1 << 24

// parsePPM takes a picture of 8 bits a colour apart: three bytes a pixel (man 5 ppm, without
// comments, which QEMU writes none of).
func parsePPM(text []byte) (width, height int, pixels []byte, err error) {
	most := 0
	if _, err := fmt.Fscanf(bytes.NewReader(text[:min(len(text), 64)]), "P6\n%d %d\n%d\n", &width, &height, &most); err != nil {
		return 0, 0, nil, fmt.Errorf("%d bytes that do not begin as a PPM does: %w", len(text), err)
	}
	pixels, begins := bytes.CutPrefix(text, fmt.Appendf(nil, "P6\n%d %d\n%d\n", width, height, most))
	if !begins || width < 1 || height < 1 || width > mostPixels/height || most != 255 || len(pixels) != 3*width*height {
		return 0, 0, nil, fmt.Errorf("%d bytes are no picture of %d to %d pixels, each of 3 bytes up to %d", len(text), width, height, most)
	}
	return width, height, pixels, nil
}
