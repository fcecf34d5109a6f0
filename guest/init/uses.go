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
	device string // the kernel's name; empty for a timer
	vcpu   int    // whose timer it is
	served atomic.Uint64
	waits  atomic.Bool // for what it has asked for
}

// Uses says that the worker uses a device, which the kernel calls by that name, until End.
func (w *Witness) Uses(name, device string) *use {
	return w.uses.add(&use{name: name, device: device})
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

// deviceOf is the kernel's name of the device that what is at a place in /sys belongs to; empty
// where it is none that has interrupts of its own.
func deviceOf(place string) string {
	path, err := filepath.EvalSymlinks(place)
	if err != nil {
		return ""
	}
	device := ""
	for part := range strings.SplitSeq(path, string(filepath.Separator)) {
		if found := regexp.MustCompile(`^(virtio|nvme)\d+`).FindString(part); found != "" {
			device = found
		}
	}
	return device
}
