package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// diskMiB is the size of a disk's image, most of which is a hole.
const diskMiB = 16

// imagePath is the raw image of the disk of that device.
func (r *Resources) imagePath(device string) string {
	return filepath.Join(r.Dir, "guest-"+device+".img")
}

// usbDisk is one behind a USB controller, which is looked at as well.
func usbDisk() Device {
	d := diskDevice("usb-storage", "a USB disk, behind its controller", []string{"xhci_pci", "usb_storage", "sd_mod"},
		"-device", "qemu-xhci,id=guest-storage-bus", "-device", "usb-storage,bus=guest-storage-bus.0,drive=guest-usb-storage,serial=drover-usb-storage")
	d.Workers = append(d.Workers, "usb")
	return d
}

// diskDevice is a disk on a raw image that both sides share, as on storage that two hosts
// share: QEMU locks it, and only the side with the guest writes to it. The worker block finds
// it by its serial. The args have the device itself, on the drive guest-NAME.
func diskDevice(name, doc string, modules []string, args ...string) Device {
	return Device{
		Name: name, Doc: doc, Modules: modules, Workers: []string{"block"},
		Prepare: func(r *Resources) error {
			path := r.imagePath(name)
			err := os.WriteFile(path, nil, 0o600)
			if err == nil {
				err = os.Truncate(path, diskMiB<<20)
			}
			if err != nil {
				return fmt.Errorf("guest: the image of %s: %w", name, err)
			}
			return nil
		},
		Args: func(r *Resources) []string {
			return append([]string{"-drive", "if=none,format=raw,id=guest-" + name + ",file=" + strings.ReplaceAll(r.imagePath(name), ",", ",,")}, args...)
		},
	}
}
