//go:build linux

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAUSBDeviceThatChangesIsNoticed(t *testing.T) {
	w, r := aWitness(t, nil)
	answers := [][]byte{{18, 1}, {18, 1}, {18, 2}, nil, {18, 2}}
	d := &usbDevice{name: "usb-tablet", use: &use{}, ask: func() ([]byte, error) {
		next := answers[0]
		if answers = answers[1:]; next == nil {
			return nil, syscall.ENODEV
		}
		return next, nil
	}}
	inBackground(t, func() {
		for range 5 {
			d.look(w)
		}
	})
	require.Equal(t, []string{
		"usb-tablet: what it says of itself changed: expected 1201, found 1202",
		"usb-tablet: expected it to say who it is, found no such device",
	}, complaints(t, r, 2))
}

func TestAUSBDeviceIsFoundByItsSerial(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"pci/usb1/serial": "0000:00:04.0\n", "pci/usb1/1-1/serial": "drover-usb-storage\n", "pci/usb1/1-1/busnum": "1\n", "pci/usb1/1-1/devnum": "2\n",
		"pci/usb1/1-1/1-1:1.0/host0/target0/0/model": "", "ata/host1/target1/1/model": "",
	} {
		file := filepath.Join(folder, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	for disk, place := range map[string]string{"sda": "ata/host1/target1/1", "sdb": "pci/usb1/1-1/1-1:1.0/host0/target0/0"} {
		require.NoError(t, os.MkdirAll(filepath.Join(folder, "block", disk), 0o755))
		require.NoError(t, os.Symlink(filepath.Join(folder, place), filepath.Join(folder, "block", disk, "device")))
	}
	require.Equal(t, "sdb", findDisk(filepath.Join(folder, "block"), "drover-usb-storage"))
	found := findUSB(filepath.Join(folder, "pci/usb1"), "drover-usb-storage")
	require.Equal(t, filepath.Join(folder, "pci/usb1/1-1"), found)
	require.Equal(t, "/dev/bus/usb/001/002", usbPath(found))
	require.Empty(t, findUSB(filepath.Join(folder, "pci/usb1"), "drover-usb-tablet"))
}
