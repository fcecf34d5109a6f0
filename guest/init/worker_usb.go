//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// usbWorker asks the USB devices that drover gave the guest who they are, again and again: what
// they answer goes through the controller each time, and does not change.
type usbWorker struct{}

func (usbWorker) Name() string { return "usb" }

const (
	usbFolder     = "/sys/bus/usb/devices"
	usbEvery      = 250 * time.Millisecond
	usbFound      = 5 * time.Second // that the kernel may take to find a device
	usbAnswer     = 5000            // ms that a device may take to answer
	usbDescriptor = 18              // bytes that say who it is
)

// A usbDevice is one that is asked.
type usbDevice struct {
	name string
	use  *use
	ask  func() ([]byte, error)
	told []byte
}

func (usbWorker) Run(ctx context.Context, w *Witness) error {
	var devices []*usbDevice
	for _, name := range w.Devices("usb") {
		folder := ""
		for began := time.Now(); folder == ""; time.Sleep(5 * time.Millisecond) {
			if folder = findUSB(usbFolder, serialOf(name)); folder == "" && time.Since(began) > usbFound {
				return fmt.Errorf("no USB device has the serial %s", serialOf(name))
			}
		}
		f, err := os.OpenFile(usbPath(folder), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		d := &usbDevice{name: name, use: w.Uses(name, deviceOf(folder)), ask: func() ([]byte, error) { return whoIs(f) }}
		defer w.NotUsed(d.use)
		devices = append(devices, d)
	}
	for ctx.Err() == nil {
		for _, d := range devices {
			d.look(w)
		}
		w.Round()
		rest(ctx, usbEvery)
	}
	return nil
}

// look asks a device who it is.
func (d *usbDevice) look(w *Witness) {
	d.use.Ask()
	found, err := d.ask()
	d.use.Serve()
	switch {
	case err != nil:
		w.Complain("%s: expected it to say who it is, found %v", d.name, err)
		return
	case d.told != nil && !bytes.Equal(d.told, found):
		w.Complain("%s: what it says of itself changed: expected %x, found %x", d.name, d.told, found)
	}
	d.told = found
	w.Add("answers", 1)
}

// findUSB is the folder of the device with that serial, "" for none.
func findUSB(in, serial string) string {
	all, _ := filepath.Glob(filepath.Join(in, "*"))
	for _, folder := range all {
		if readWord(folder, "serial") == serial {
			return folder
		}
	}
	return ""
}

// usbPath is the file through which a process can talk to a device.
func usbPath(folder string) string {
	bus, _ := strconv.Atoi(readWord(folder, "busnum"))
	device, _ := strconv.Atoi(readWord(folder, "devnum"))
	return fmt.Sprintf("/dev/bus/usb/%03d/%03d", bus, device)
}

// whoIs asks a device for its descriptor.
func whoIs(f *os.File) ([]byte, error) {
	answer := make([]byte, usbDescriptor)
	transfer := struct { // struct usbdevfs_ctrltransfer
		requestType, request byte
		value, index, length uint16
		timeout              uint32
		data                 unsafe.Pointer
	}{0x80, 6, 1 << 8, 0, usbDescriptor, usbAnswer, unsafe.Pointer(&answer[0])}
	const control = 0xc0185500 // USBDEVFS_CONTROL
	n, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), control, uintptr(unsafe.Pointer(&transfer)))
	if errno != 0 {
		return nil, errno
	}
	return answer[:n], nil
}
