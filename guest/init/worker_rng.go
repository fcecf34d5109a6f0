//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// rngWorker reads random numbers that the machine makes, and complains of those that are none:
// equal bytes, or the same ones again.
type rngWorker struct{}

func (rngWorker) Name() string { return "rng" }

const (
	rngBytes   = 32
	rngEvery   = 50 * time.Millisecond
	rngKept    = 64 // numbers that are held against the next
	rngTimeout = 3 * time.Second
	rngCurrent = "/sys/class/misc/hw_random/rng_current"
)

func (rngWorker) Run(ctx context.Context, w *Witness) error {
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		current, _ := os.ReadFile(rngCurrent)
		if strings.HasPrefix(string(current), "virtio_rng") {
			break
		}
		if time.Since(began) > rngTimeout {
			return fmt.Errorf("%s: expected virtio_rng, found %q", rngCurrent, strings.TrimSpace(string(current)))
		}
	}
	f, err := os.Open("/dev/hwrng")
	if err != nil {
		return err
	}
	defer f.Close()
	device := w.Uses("virtio-rng", rngDevice())
	defer w.NotUsed(device)
	var kept numbers
	for ctx.Err() == nil {
		device.Ask()
		kept.next(f, w)
		device.Serve()
		w.Round()
		time.Sleep(rngEvery)
	}
	return nil
}

// rngDevice is the kernel's name of the device.
func rngDevice() string {
	all, _ := filepath.Glob("/sys/bus/virtio/drivers/virtio_rng/virtio*")
	if len(all) == 0 {
		return ""
	}
	return filepath.Base(all[0])
}

// numbers are the last that came.
type numbers [][]byte

// next reads a number, and looks whether it is one.
func (n *numbers) next(from io.Reader, w *Witness) {
	found := make([]byte, rngBytes)
	if _, err := io.ReadFull(from, found); err != nil {
		w.Complain("the random number generator: expected %d bytes, found %v", rngBytes, err)
		return
	}
	w.Add("bytes", rngBytes)
	if bytes.Count(found, found[:1]) == len(found) {
		w.Complain("the random number generator: expected random bytes, found %d bytes %#02x", len(found), found[0])
		return
	}
	for i, old := range *n {
		if bytes.Equal(found, old) {
			w.Complain("the random number generator: expected other bytes than before, found %x again, as %d reads ago", found, len(*n)-i)
			return
		}
	}
	if *n = append(*n, found); len(*n) > rngKept {
		*n = (*n)[1:]
	}
}
