//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// dimmWorker does what the worker memory does, in pages that lie in a DIMM: a PC has those from 4
// GiB on, where guests as small as ours have nothing else. The kernel gives programs the memory
// first that it uses for what can be moved, which is the DIMM's.
type dimmWorker struct{}

func (dimmWorker) Name() string { return "dimm" }

const (
	dimmMiB   = 16
	dimmStart = 4 << 30 // guest-physical
)

func (dimmWorker) Run(ctx context.Context, w *Witness) error {
	bytes, free, err := mapDIMM(ctx)
	if err != nil {
		return err
	}
	defer free()
	watchMemory(ctx, w, bytes, func() {
		if n, err := pagesFrom(dimmStart, bytes); err == nil {
			w.Set("dimm-pages", uint64(n))
		}
	})
	return nil
}

// mapDIMM waits until there is a DIMM, and is memory of which at least a page lies in it.
func mapDIMM(ctx context.Context) (bytes []byte, free func(), err error) {
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if err := onlineMemory(systemFolder); err != nil {
			return nil, nil, err
		}
		if bytes, free, err = mapMemory(dimmMiB); err != nil {
			return nil, nil, err
		}
		n, err := pagesFrom(dimmStart, bytes)
		if n > 0 {
			return bytes, free, nil
		}
		free()
		if err == nil && time.Since(began) > onlineTimeout {
			err = fmt.Errorf("none of %d MiB lies in a DIMM: expected addresses from %#x on", dimmMiB, uint64(dimmStart))
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return nil, nil, err
		}
	}
}

// pagesFrom is how many pages of the memory lie at that guest-physical address or above.
func pagesFrom(start uint64, bytes []byte) (n int, err error) {
	known := false
	for _, physical := range physicalPages(bytes) {
		known = known || physical != 0
		if physical >= start {
			n++
		}
	}
	if !known {
		return 0, errors.New("the kernel does not say where memory lies (/proc/self/pagemap)")
	}
	return n, nil
}
