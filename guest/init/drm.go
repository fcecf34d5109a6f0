//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/drover-vm/drover/guest/wire"
)

// A drmCard is what the kernel offers programs of a GPU (drm_mode.h): buffers in the guest's memory,
// and a controller that shows one of them.
type drmCard struct {
	file       *os.File
	name       string // in /sys/class/drm
	connector  *uint32
	controller uint32
	mode       drmMode
	buffers    []*drmBuffer
}

// A drmBuffer is one that can be shown, of 32 bits a pixel.
type drmBuffer struct {
	id    uint32
	line  int // bytes of a line
	bytes []byte
}

// What the ioctls take. Fields without a name are of no use here.
type (
	drmMode      [68]byte // only the kernel knows all of it
	drmResources struct {
		_, controllers, connectors, _   uint64 // addresses
		_, nControllers, nConnectors, _ uint32
		_, _, _, _                      uint32
	}
	drmConnector struct {
		_, modes, _, _          uint64 // addresses
		nModes, _, _, _         uint32
		id, _, _, _, _, _, _, _ uint32
	}
	drmController struct {
		connectors                            uint64 // address
		nConnectors, id, buffer, _, _, _, set uint32
		mode                                  drmMode
	}
	drmCreate struct {
		height, width, bits, _, handle, line uint32
		size                                 uint64
	}
	drmMap struct {
		handle, _ uint32
		offset    uint64
	}
	drmPointer struct {
		what, controller    uint32
		_, _, width, height uint32
		handle              uint32
	}
	drmAdd struct{ id, width, height, line, bits, depth, handle uint32 }

	// The next are virtio-gpu's own (virtgpu_drm.h).
	drmResource struct {
		target, format, _, width, height, depth, layers, _, _, _ uint32
		handle, _, _, _                                          uint32
	}
	drmHandle struct{ handle, _ uint32 }
)

func (m *drmMode) width() int  { return int(binary.NativeEndian.Uint16(m[4:])) }
func (m *drmMode) height() int { return int(binary.NativeEndian.Uint16(m[14:])) }

// Numbers of ioctls.
const (
	drmClose         = 0x09
	drmMakeResource  = 0x44
	drmWait          = 0x48
	drmGetResources  = 0xa0
	drmSetController = 0xa2
	drmSetPointer    = 0xa3
	drmGetConnector  = 0xa7
	drmAddBuffer     = 0xae
	drmCreateBuffer  = 0xb2
	drmMapBuffer     = 0xb3
)

// drmCall asks a card for something; what is the argument of that ioctl.
func drmCall[T any](f *os.File, number uintptr, what *T) error {
	read, write := uintptr(2)<<30, uintptr(1)<<30
	if runtime.GOARCH == "ppc64le" {
		read, write = write, read
	}
	request := read | write | unsafe.Sizeof(*what)<<16 | 'd'<<8 | number
	if number == drmClose {
		request &^= read
	}
	for {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(what)))
		switch {
		case errno == 0:
			return nil
		case errno != syscall.EINTR && errno != syscall.EAGAIN:
			return errno
		}
	}
}

// openCard opens the first card in a folder as /sys/class/drm, for which it waits as long as that,
// and makes buffers of what its connector shows.
func openCard(folder string, timeout time.Duration, buffers int) (c *drmCard, err error) {
	var cards []string
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		all, _ := filepath.Glob(filepath.Join(folder, "card[0-9]*"))
		for _, card := range all {
			if !strings.Contains(filepath.Base(card), "-") { // which is a connector
				cards = append(cards, filepath.Base(card))
			}
		}
		if len(cards) > 0 {
			break
		}
		if time.Since(began) > timeout {
			return nil, fmt.Errorf("%s: expected a card, found none", folder)
		}
	}
	c = &drmCard{name: cards[0]}
	if c.file, err = os.OpenFile(filepath.Join("/dev/dri", c.name), os.O_RDWR, 0); err != nil {
		return nil, err
	}
	if err = c.connect(); err == nil {
		for range buffers {
			if err = c.add(); err != nil {
				break
			}
		}
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	return c, nil
}

// Close ends what the card shows.
func (c *drmCard) Close() {
	for _, b := range c.buffers {
		_ = syscall.Munmap(b.bytes)
	}
	_ = c.file.Close()
}

// connect finds a connector, its mode, and a controller.
func (c *drmCard) connect() error {
	var keep runtime.Pinner
	defer keep.Unpin()
	connectors, controllers := make([]uint32, 16), make([]uint32, 16)
	keep.Pin(&connectors[0])
	keep.Pin(&controllers[0])
	found := drmResources{
		connectors: address(&connectors[0]), nConnectors: uint32(len(connectors)),
		controllers: address(&controllers[0]), nControllers: uint32(len(controllers)),
	}
	if err := drmCall(c.file, drmGetResources, &found); err != nil {
		return fmt.Errorf("its connectors: %w", err)
	}
	if found.nConnectors == 0 || found.nControllers == 0 {
		return errors.New("it has no connector, or no controller")
	}
	c.connector, c.controller = &connectors[0], controllers[0]
	asked := drmConnector{id: *c.connector}
	if err := drmCall(c.file, drmGetConnector, &asked); err != nil {
		return fmt.Errorf("its connector: %w", err)
	}
	modes := make([]drmMode, max(1, asked.nModes))
	keep.Pin(&modes[0])
	asked = drmConnector{id: *c.connector, modes: address(&modes[0]), nModes: asked.nModes}
	if err := drmCall(c.file, drmGetConnector, &asked); err != nil {
		return fmt.Errorf("its connector's modes: %w", err)
	}
	if asked.nModes == 0 {
		return errors.New("its connector has no mode")
	}
	c.mode = modes[0] // which is the preferred one
	return nil
}

// make makes a buffer that is not shown yet.
func (c *drmCard) make(width, height int) (made drmCreate, bytes []byte, err error) {
	made = drmCreate{width: uint32(width), height: uint32(height), bits: 32}
	if err := drmCall(c.file, drmCreateBuffer, &made); err != nil {
		return made, nil, fmt.Errorf("a buffer: %w", err)
	}
	mapped := drmMap{handle: made.handle}
	if err = drmCall(c.file, drmMapBuffer, &mapped); err == nil {
		bytes, err = syscall.Mmap(int(c.file.Fd()), int64(mapped.offset), int(made.size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	}
	if err != nil {
		err = fmt.Errorf("a buffer's memory: %w", err)
	}
	return made, bytes, err
}

// add makes another buffer.
func (c *drmCard) add() error {
	made, bytes, err := c.make(c.mode.width(), c.mode.height())
	if err != nil {
		return err
	}
	added := drmAdd{width: made.width, height: made.height, line: made.line, bits: 32, depth: 24, handle: made.handle}
	if err := drmCall(c.file, drmAddBuffer, &added); err != nil {
		return fmt.Errorf("a buffer to be shown: %w", err)
	}
	c.buffers = append(c.buffers, &drmBuffer{added.id, int(made.line), bytes})
	return nil
}

// point has the card show a pointer above what it shows.
func (c *drmCard) point() error {
	made, bytes, err := c.make(wire.PointerSide, wire.PointerSide)
	if err != nil {
		return err
	}
	draw(bytes, int(made.line), wire.PointerSide, wire.PointerSide, wire.PointerFrame)
	for i := 3; i < len(bytes); i += 4 {
		bytes[i] = 0xff // nothing is seen through it
	}
	const picture = 1
	if err := drmCall(c.file, drmSetPointer, &drmPointer{what: picture, controller: c.controller, width: made.width, height: made.height, handle: made.handle}); err != nil {
		return err
	}
	return c.await()
}

// show has the card show a buffer, and returns when the host has all of it.
func (c *drmCard) show(b *drmBuffer) error {
	var keep runtime.Pinner
	defer keep.Unpin()
	keep.Pin(c.connector)
	set := drmController{connectors: address(c.connector), nConnectors: 1, id: c.controller, buffer: b.id, set: 1, mode: c.mode}
	if err := drmCall(c.file, drmSetController, &set); err != nil {
		return err
	}
	return c.await()
}

// await returns when the host has done all that it was asked for: the kernel waits for none of it,
// but knows when the host has made a resource, which it does in its turn.
func (c *drmCard) await() error {
	const flat, bgrx = 2, 2 // a texture of two dimensions, and a format
	last := drmResource{target: flat, format: bgrx, width: 1, height: 1, depth: 1, layers: 1}
	if err := drmCall(c.file, drmMakeResource, &last); err != nil {
		return fmt.Errorf("a resource: %w", err)
	}
	err := drmCall(c.file, drmWait, &drmHandle{handle: last.handle})
	return errors.Join(err, drmCall(c.file, drmClose, &drmHandle{handle: last.handle}))
}

func address[T any](of *T) uint64 { return uint64(uintptr(unsafe.Pointer(of))) }
