//go:build linux

package main

import (
	"context"
	"fmt"
	"time"
)

// displayWorker drives a VGA itself, for no kernel of a cloud has a driver for one: it sets a
// mode and some colours, and fills what is shown, as worker memory fills its pages.
type displayWorker struct{}

func (displayWorker) Name() string { return "display" }

// What the device is, and where in its third region its registers are (docs/specs/standard-vga.rst
// of QEMU).
const (
	displayVendor, displayDevice = "0x1234", "0x1111"
	displaySize                  = 0x600
	displayPalette               = 0x400 - 0x3c0 // and the number of a VGA's port
	displayModes                 = 0x500         // registers of 16 bits
)

const (
	displayEvery   = 25 * time.Millisecond
	displayVerify  = 16 // pages, each time
	displayWrite   = 4
	displayColours = 16
)

// A displayMode is a register that says how is shown what there is.
type displayMode struct {
	name     string
	register int
	value    uint16
}

// displayMode640 is 640 to 480 of 32 bits, from the memory's beginning on. Bit 6 says that it is
// in one piece, and bit 7 to leave what is in it.
func displayMode640() []displayMode {
	return []displayMode{
		{"width", 1, 640},
		{"height", 2, 480},
		{"bits", 3, 32},
		{"enabled", 4, 1 | 1<<6 | 1<<7},
		{"first column", 8, 0},
		{"first line", 9, 0},
	}
}

func (displayWorker) Run(ctx context.Context, w *Witness) error {
	folder, err := findPCI(pciFolder, displayVendor, displayDevice)
	if err != nil {
		return err
	}
	const size = 640 * 480 * 4
	shown, err := mapPCI(folder, 0, size)
	if err != nil {
		return err
	}
	regs, err := mapPCI(folder, 2, displaySize)
	if err != nil {
		return err
	}
	d := &display{regs: regs, told: map[string]uint16{}}
	d.set()
	m := &filledMemory{name: "the display's memory", bytes: shown, pages: make([]filledPage, size/pageSize)}
	for i := range m.pages {
		m.write(i)
	}
	if start, err := regionStart(readWord(folder, "resource"), 0); err == nil {
		w.Set("first-page", start)
	}
	next := 0 // page to be written
	for ctx.Err() == nil {
		for at := 0; at < len(m.pages) && ctx.Err() == nil; at += displayVerify {
			for i := at; i < min(at+displayVerify, len(m.pages)); i++ {
				m.verify(i, w)
				w.Add("verified", 1)
			}
			for range displayWrite {
				m.write(next)
				next = (next + 1) % len(m.pages)
				w.Add("written", 1)
			}
			time.Sleep(displayEvery)
		}
		d.look(w)
		w.Round()
	}
	return nil
}

// displayRegisters are those of its third region.
type displayRegisters interface {
	get8(at int) byte
	put8(at int, v byte)
	get16(at int) uint16
	put16(at int, v uint16)
}

// A display is how the worker knows it.
type display struct {
	regs displayRegisters
	told map[string]uint16 // what was wrong, and complained of
}

func colour(i, part int) byte { return byte(7*i+13*part) & 0x3f }

// set sets the mode and the colours.
func (d *display) set() {
	d.regs.put16(displayModes+2*4, 0)
	for _, m := range displayMode640() {
		d.regs.put16(displayModes+2*m.register, m.value)
	}
	d.regs.put8(displayPalette+0x3c8, 0)
	for i := range displayColours {
		for part := range 3 {
			d.regs.put8(displayPalette+0x3c9, colour(i, part))
		}
	}
}

// look holds the mode and the colours against what was set.
func (d *display) look(w *Witness) {
	for _, m := range displayMode640() {
		d.expect("mode's "+m.name, m.value, d.regs.get16(displayModes+2*m.register), w)
	}
	d.regs.put8(displayPalette+0x3c7, 0)
	for i := range displayColours {
		for part := range 3 {
			d.expect(fmt.Sprintf("colour %d's part %d", i, part), uint16(colour(i, part)), uint16(d.regs.get8(displayPalette+0x3c9)), w)
		}
	}
	w.Add("registers", uint64(len(displayMode640())+3*displayColours))
}

func (d *display) expect(name string, want, found uint16, w *Witness) {
	if told, ok := d.told[name]; found != want && !(ok && told == found) {
		d.told[name] = found
		w.Complain("the display: the %s changed: expected %#x, found %#x", name, want, found)
	}
}
