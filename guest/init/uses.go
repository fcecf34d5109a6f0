//go:build linux

package main

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// uses are what a guest's workers use at the time, and are interrupted by: the worker interrupts
// watches that they are.
type uses struct {
	mu  sync.Mutex
	all []*use
}

// A use is a device, or a vCPU's timer, that a worker uses.
type use struct {
	name   string // that a person knows it by
	device string // the kernel's name, or its PCI address; empty for a timer
	irqs   []string
	vcpu   int // whose timer it is
	served atomic.Uint64
	waits  atomic.Bool // for what it has asked for
}

// Uses says that the worker uses a device, which the kernel calls by that name, until End.
func (w *Witness) Uses(name, device string) *use {
	return w.uses.add(&use{name: name, device: device, irqs: irqsOf(pciFolder, device)})
}

// UsesTimer says that the worker waits for a vCPU's timer again and again, until End.
func (w *Witness) UsesTimer(vcpu int) *use { return w.uses.add(&use{name: timerOf(vcpu), vcpu: vcpu}) }

// NotUsed says that the worker no longer uses it.
func (w *Witness) NotUsed(u *use) {
	w.uses.mu.Lock()
	defer w.uses.mu.Unlock()
	w.uses.all = slices.DeleteFunc(w.uses.all, func(other *use) bool { return other == u })
}

func (u *uses) add(one *use) *use {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all = append(u.all, one)
	return one
}

func (u *uses) now() []*use {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.all)
}

// Ask notes that the worker now waits for something that comes with an interrupt.
func (u *use) Ask() { u.waits.Store(true) }

// Serve notes that it has come.
func (u *use) Serve() {
	u.served.Add(1)
	u.waits.Store(false)
}

// irqsOf are the numbers of a PCI device's interrupts, none where it is no PCI device's address.
func irqsOf(folder, device string) (numbers []string) {
	all, _ := filepath.Glob(filepath.Join(folder, device, "msi_irqs", "*"))
	for _, name := range all {
		numbers = append(numbers, filepath.Base(name))
	}
	switch irq := readWord(filepath.Join(folder, device), "irq"); {
	case len(numbers) > 0, irq == "":
	case irq == "0": // the channels of a PC's IDE controller have the ISA bus's
		numbers = append(numbers, "14", "15")
	default:
		numbers = append(numbers, irq)
	}
	return numbers
}

// deviceOf is the kernel's name of the device that what is at a place in /sys belongs to, by which
// /proc/interrupts has it, or its PCI address; empty where it is neither.
func deviceOf(place string) string {
	path, err := filepath.EvalSymlinks(place)
	if err != nil {
		return ""
	}
	device, named := "", regexp.MustCompile(`^(virtio|nvme)\d+|^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9]$`)
	for part := range strings.SplitSeq(path, string(filepath.Separator)) {
		if found := named.FindString(part); found != "" {
			device = found
		}
	}
	return device
}
