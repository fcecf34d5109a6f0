//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// inputWorker listens to the keyboards and tablets that drover gave the guest. It counts, of each
// device's NAME, how often a key or button was pressed (NAME-presses) and released
// (NAME-releases), and says where the pointer is (NAME-x, NAME-y). Only drover knows what it
// should have heard.
type inputWorker struct{}

func (inputWorker) Name() string { return "input" }

const (
	inputFolder = "/sys/class/input"
	inputEvery  = 50 * time.Millisecond // that a look at a device waits for what comes
	inputFound  = 5 * time.Second       // that the kernel may take to find a device
	inputSize   = 24                    // bytes of a struct input_event: a time, a type, a code, a value
	inputMost   = 64                    // events that are read at once
)

// The kernel's types of events, and codes of axes.
const (
	inputKey  = 1
	inputAbs  = 3
	inputAbsX = 0
	inputAbsY = 1
)

// An inputDevice is one that is listened to.
type inputDevice struct {
	name string
	from interface {
		Read(p []byte) (int, error)
		SetReadDeadline(t time.Time) error
	}
}

func (inputWorker) Run(ctx context.Context, w *Witness) error {
	var devices []*inputDevice
	for _, name := range w.Devices("input") {
		f, err := openInput(serialOf(name))
		if err != nil {
			return err
		}
		defer f.Close()
		devices = append(devices, &inputDevice{name, f})
		for _, count := range []string{"presses", "releases", "x", "y"} {
			w.Add(name+"-"+count, 0)
		}
	}
	for ctx.Err() == nil {
		for _, d := range devices {
			if err := d.listen(w); err != nil {
				return err
			}
		}
		w.Add("looks", 1)
		w.Round()
	}
	return nil
}

// openInput opens the device with that serial, when the kernel has found it.
func openInput(serial string) (*os.File, error) {
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		if name := findInput(inputFolder, serial); name != "" {
			f, err := os.Open(filepath.Join("/dev/input", name))
			if !errors.Is(err, os.ErrNotExist) { // its file comes last
				return f, err
			}
		}
		if time.Since(began) > inputFound {
			return nil, fmt.Errorf("no input device has the serial %s", serial)
		}
	}
}

// findInput is the kernel's name of the device with that serial, "" for none.
func findInput(in, serial string) string {
	all, _ := filepath.Glob(filepath.Join(in, "event*"))
	for _, folder := range all {
		if readWord(filepath.Join(folder, "device"), "uniq") == serial {
			return filepath.Base(folder)
		}
	}
	return ""
}

// listen counts what comes from a device for a while. The error is that there will be nothing more.
func (d *inputDevice) listen(w *Witness) error {
	buf := make([]byte, inputMost*inputSize)
	if err := d.from.SetReadDeadline(time.Now().Add(inputEvery)); err != nil {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	n, err := d.from.Read(buf)
	for event := buf[:n]; len(event) >= inputSize; event = event[inputSize:] {
		d.count(event, w)
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%s: expected to hear of what is done with it, found %w", d.name, err)
	}
	return nil
}

// count counts an event.
func (d *inputDevice) count(event []byte, w *Witness) {
	kind, code := binary.NativeEndian.Uint16(event[16:]), binary.NativeEndian.Uint16(event[18:])
	switch value := binary.NativeEndian.Uint32(event[20:]); {
	case kind == inputKey && value == 1:
		w.Add(d.name+"-presses", 1)
	case kind == inputKey && value == 0:
		w.Add(d.name+"-releases", 1)
	case kind == inputAbs && code == inputAbsX:
		w.Set(d.name+"-x", uint64(value))
	case kind == inputAbs && code == inputAbsY:
		w.Set(d.name+"-y", uint64(value))
	}
}
