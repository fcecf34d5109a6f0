//go:build linux

package main

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

// watchdogWorker starts an i6300esb, for which not every kernel has a driver, and feeds it. One
// that is fed does not fire.
type watchdogWorker struct{}

func (watchdogWorker) Name() string { return "watchdog" }

// What the device is, and what it has (Intel 6300ESB I/O Controller Hub Datasheet, chapter 14).
const (
	watchdogVendor, watchdogDevice = "0x8086", "0x25ab"
	watchdogSize                   = 0x10
	// In its PCI configuration.
	watchdogConfig, watchdogLock = 0x60, 0x68
	watchdogNoInterrupt          = 3
	watchdogEnabled              = 1 << 1
	// In its region.
	watchdogFirst, watchdogSecond, watchdogReload = 0x00, 0x04, 0x0c
	watchdogFed                                   = 1 << 8
	watchdogFired                                 = 1<<9 | 1<<12
)

const (
	watchdogEvery = 200 * time.Millisecond
	watchdogStage = 30_000 // ms, and there are two of them
)

func (watchdogWorker) Run(ctx context.Context, w *Witness) error {
	folder, err := findPCI(pciFolder, watchdogVendor, watchdogDevice)
	if err != nil {
		return err
	}
	config, err := os.OpenFile(filepath.Join(folder, "config"), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer config.Close()
	regs, err := mapPCI(folder, 0, watchdogSize)
	if err != nil {
		return err
	}
	d := &watchdog{regs: regs}
	start := func() error {
		if _, err := config.WriteAt([]byte{watchdogNoInterrupt, 0}, watchdogConfig); err != nil {
			return err
		}
		d.set()
		_, err := config.WriteAt([]byte{watchdogEnabled}, watchdogLock)
		return err
	}
	defer func() { _, _ = config.WriteAt([]byte{0}, watchdogLock) }()
	if err := start(); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if d.look(w) {
			if err := start(); err != nil { // that has stopped it
				return err
			}
		}
		w.Round()
		rest(ctx, watchdogEvery)
	}
	return nil
}

// A watchdog is one that is fed.
type watchdog struct {
	regs registers
	fed  time.Duration // when it was last, by CLOCK_MONOTONIC
}

// unlock lets one register be written.
func (d *watchdog) unlock() {
	d.regs.put16(watchdogReload, 0x80)
	d.regs.put16(watchdogReload, 0x86)
}

// set sets it to two stages of 30 s, and forgets that it has fired.
func (d *watchdog) set() {
	d.unlock()
	d.regs.put32(watchdogFirst, watchdogStage)
	d.unlock()
	d.regs.put32(watchdogSecond, watchdogStage)
	d.unlock()
	d.regs.put16(watchdogReload, watchdogFired)
	d.feed()
}

func (d *watchdog) feed() {
	d.unlock()
	d.regs.put16(watchdogReload, watchdogFed)
	d.fed = clock(clockMonotonic)
}

// look looks whether it has fired, and feeds it.
func (d *watchdog) look(w *Witness) (fired bool) {
	since := clock(clockMonotonic) - d.fed
	fired = d.regs.get16(watchdogReload)&watchdogFired != 0
	if fired {
		w.Complain("the watchdog has fired: expected it not to for %d s after it was fed, found that %.1f s had passed", 2*watchdogStage/1000, since.Seconds())
	}
	d.feed()
	w.Add("fed", 1)
	w.Max("longest-unfed-us", uint64(since.Microseconds()))
	return fired
}
