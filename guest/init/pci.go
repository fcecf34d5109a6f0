//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// pciFolder is where the kernel shows the PCI devices.
const pciFolder = "/sys/bus/pci/devices"

// findPCI is the folder of the PCI device with these numbers, which it lets answer: so a worker
// can use one that the kernel has no driver for.
func findPCI(in, vendor, device string) (folder string, err error) {
	all, _ := filepath.Glob(filepath.Join(in, "*"))
	for _, folder := range all {
		if readWord(folder, "vendor") == vendor && readWord(folder, "device") == device {
			return folder, os.WriteFile(filepath.Join(folder, "enable"), []byte("1"), 0)
		}
	}
	return "", fmt.Errorf("there is no PCI device %s:%s", vendor, device)
}

func readWord(folder, name string) string {
	text, _ := os.ReadFile(filepath.Join(folder, name))
	return strings.TrimSpace(string(text))
}

// mapPCI maps so much of one of a device's regions, from its beginning on.
func mapPCI(folder string, region, size int) (registers, error) {
	start, err := regionStart(readWord(folder, "resource"), region)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", folder, err)
	}
	f, err := os.OpenFile(filepath.Join(folder, "resource"+strconv.Itoa(region)), os.O_RDWR|syscall.O_SYNC, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	page := os.Getpagesize()
	into := int(start % uint64(page)) // a region may be smaller than a page
	all, err := syscall.Mmap(int(f.Fd()), 0, (into+size+page-1)/page*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return all[into : into+size], nil
}

// regionStart is where a region lies, by the kernel's table: a line for each, with its first and
// its last address.
func regionStart(table string, region int) (uint64, error) {
	lines := strings.Split(table, "\n")
	if region >= len(lines) {
		return 0, fmt.Errorf("it has no region %d", region)
	}
	first, _, _ := strings.Cut(lines[region], " ")
	start, err := strconv.ParseUint(first, 0, 64)
	if err != nil || start == 0 {
		return 0, fmt.Errorf("its region %d has no address: %q", region, lines[region])
	}
	return start, nil
}

// registers are a device's, in memory: each is read and written as a whole. They are mapped until
// the guest ends.
type registers []byte

func (r registers) get8(at int) byte       { return *(*byte)(unsafe.Pointer(&r[at])) }
func (r registers) put8(at int, v byte)    { *(*byte)(unsafe.Pointer(&r[at])) = v }
func (r registers) get16(at int) uint16    { return *(*uint16)(unsafe.Pointer(&r[at])) }
func (r registers) put16(at int, v uint16) { *(*uint16)(unsafe.Pointer(&r[at])) = v }
func (r registers) put32(at int, v uint32) { *(*uint32)(unsafe.Pointer(&r[at])) = v }
