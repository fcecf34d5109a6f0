// Package rfb asks a VNC server which pointer it shows (RFC 6143). It knows no pair of VMs.
package rfb

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// A Picture is that of a pointer.
type Picture struct {
	Width, Height int
	Pixels        []uint32 // 0xRRGGBB each, or Clear
}

// Clear is a pixel of a pointer through which is seen what is below.
const Clear = 1 << 24

// What is said in the protocol.
const (
	version      = "RFB 003.003\n" // in which the server decides that nobody has to prove who he is
	unprotected  = 1
	shared       = 1
	setFormat    = 0
	setEncodings = 2
	askUpdate    = 3
	update       = 0
	richCursor   = -239
	mostSide     = 1 << 10 // of a pointer, in pixels
)

// Pointer is the pointer that the VNC server at a UNIX socket shows; without pixels where it shows none.
func Pointer(ctx context.Context, socket string) (Picture, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return Picture{}, err
	}
	defer func() { _ = c.Close() }()
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Now()) })()
	p, err := pointer(c)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return p, err
}

func pointer(c io.ReadWriter) (Picture, error) {
	in := bufio.NewReader(c)
	if _, err := in.Discard(len(version)); err != nil {
		return Picture{}, err
	}
	if _, err := io.WriteString(c, version); err != nil {
		return Picture{}, err
	}
	var security uint32
	if err := get(in, &security); err != nil {
		return Picture{}, err
	}
	if security != unprotected {
		return Picture{}, fmt.Errorf("rfb: the server asks for security type %d, expected %d: none", security, unprotected)
	}
	if _, err := c.Write([]byte{shared}); err != nil {
		return Picture{}, err
	}
	var screen struct {
		Width, Height uint16
		Format        [16]byte
		Name          uint32 // its length
	}
	if err := get(in, &screen); err != nil {
		return Picture{}, err
	}
	if _, err := io.CopyN(io.Discard, in, int64(screen.Name)); err != nil {
		return Picture{}, err
	}
	// Pixels of 32 bits, 0xRRGGBB in little endian; pointers; and the first pixel of the screen, before
	// which the pointer comes where there is one.
	cursor := int32(richCursor)
	say := append([]byte{setFormat, 0, 0, 0}, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0)
	say = binary.BigEndian.AppendUint32(append(say, setEncodings, 0, 0, 1), uint32(cursor))
	say = append(say, askUpdate, 0, 0, 0, 0, 0, 0, 1, 0, 1)
	if _, err := c.Write(say); err != nil {
		return Picture{}, err
	}
	var first struct {
		Kind, _             uint8
		Rectangles          uint16
		_, _, Width, Height uint16
		Encoding            int32
	}
	if err := get(in, &first); err != nil {
		return Picture{}, err
	}
	switch {
	case first.Kind != update:
		return Picture{}, fmt.Errorf("rfb: the server's first message is %d, expected %d", first.Kind, update)
	case first.Encoding != richCursor:
		return Picture{}, nil
	case first.Width > mostSide || first.Height > mostSide:
		return Picture{}, fmt.Errorf("rfb: a pointer of %d to %d pixels, expected %d at most", first.Width, first.Height, mostSide)
	}
	p := Picture{Width: int(first.Width), Height: int(first.Height)}
	p.Pixels = make([]uint32, p.Width*p.Height)
	if err := binary.Read(in, binary.LittleEndian, p.Pixels); err != nil {
		return Picture{}, err
	}
	line := (p.Width + 7) / 8
	mask := make([]byte, line*p.Height)
	if _, err := io.ReadFull(in, mask); err != nil {
		return Picture{}, err
	}
	for i := range p.Pixels {
		x, y := i%p.Width, i/p.Width
		if p.Pixels[i] &= 0xffffff; mask[y*line+x/8]&(0x80>>(x%8)) == 0 {
			p.Pixels[i] = Clear
		}
	}
	return p, nil
}

func get(in io.Reader, into any) error { return binary.Read(in, binary.BigEndian, into) }
