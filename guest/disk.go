package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// diskMiB is the size of a disk's image, most of which is a hole.
const diskMiB = 16

// serialOf is the serial by which the worker block finds the disk of a device: virtio-blk's have
// 20 bytes.
func serialOf(device string) string {
	const most = 20
	serial := "drover-" + device
	return serial[:min(len(serial), most)]
}

// imagePath is the raw image of the disk of that device.
func (r *Resources) imagePath(device string) string {
	return filepath.Join(r.Dir, "guest-"+device+".img")
}

// ownImagePath is the raw image of the disk of that device which one QEMU has of its own.
func (r *Resources) ownImagePath(device, owner string) string {
	return filepath.Join(r.Dir, "guest-"+device+"."+owner+".img")
}

func makeImage(device, path string) error {
	err := os.WriteFile(path, nil, 0o600)
	if err == nil {
		err = os.Truncate(path, diskMiB<<20)
	}
	if err != nil {
		return fmt.Errorf("guest: the image of %s: %w", device, err)
	}
	return nil
}

// usbDisk is one behind a USB controller, which is looked at as well.
func usbDisk() Device {
	d := diskDevice("usb-storage", "a USB disk, behind its controller", []string{"xhci_pci", "usb_storage", "sd_mod"},
		"-device", "qemu-xhci,id=guest-storage-bus", "-device", "usb-storage,bus=guest-storage-bus.0,drive=guest-usb-storage,serial="+serialOf("usb-storage"))
	d.Workers = append(d.Workers, "usb")
	return d
}

// scsiDisk is a disk behind a SCSI controller, by QEMU's name, that has a driver of its own.
func scsiDisk(controller, doc, module string) Device {
	return diskDevice(controller, "a disk behind "+doc, []string{module, "sd_mod"},
		"-device", controller+",id=guest-"+controller+"-bus", "-device", "scsi-hd,bus=guest-"+controller+"-bus.0,drive=guest-"+controller+",serial="+serialOf(controller))
}

// diskDevice is a disk on a raw image that both sides share, as on storage that two hosts
// share: QEMU locks it, and only the side with the guest writes to it. The worker block finds
// it by its serial. The args have the device itself, on the drive guest-NAME.
func diskDevice(name, doc string, modules []string, args ...string) Device {
	return Device{
		Name: name, Doc: doc, Modules: modules, Workers: []string{"block"},
		Prepare: func(r *Resources) error { return makeImage(name, r.imagePath(name)) },
		Args: func(r *Resources) []string {
			return append([]string{"-drive", "if=none,format=raw,id=guest-" + name + ",file=" + escaped(r.imagePath(name))}, args...)
		},
	}
}

// localDiskDevice is a disk on a raw image of which each QEMU has one of its own, as on the disks
// of two hosts: what is on it has to be moved with the guest. The args have the device itself, on
// the block node guest-NAME.
func localDiskDevice(name, doc string, modules []string, args ...string) Device {
	return Device{
		Name: name, Doc: doc, Modules: modules, Workers: []string{"block"}, Node: "guest-" + name,
		Prepare: func(r *Resources) error {
			for _, owner := range r.Owners {
				if err := makeImage(name, r.ownImagePath(name, owner)); err != nil {
					return err
				}
			}
			return nil
		},
		Args: func(r *Resources) []string {
			file := escaped(r.ownImagePath(name, r.Owner))
			return append([]string{"-blockdev", "driver=raw,node-name=guest-" + name + ",file.driver=file,file.filename=" + file}, args...)
		},
	}
}

// escaped is a path as an option's value.
func escaped(path string) string { return strings.ReplaceAll(path, ",", ",,") }
