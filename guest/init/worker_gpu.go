//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"path/filepath"
	"time"

	"github.com/drover-vm/drover/guest/wire"
)

// gpuWorker shows frame after frame through a virtio-gpu: each is drawn in memory of the guest, of
// which QEMU then makes its own copy, and shows that.
type gpuWorker struct{}

func (gpuWorker) Name() string { return "gpu" }

const (
	gpuFolder = "/sys/class/drm"
	gpuFound  = 5 * time.Second // that the kernel may take to find it
	gpuEvery  = 50 * time.Millisecond
)

// Run draws into two buffers in turn, so that QEMU never copies one that is being drawn, and clears
// what QEMU has: then the picture is nowhere but in QEMU's copy, which has to move.
func (gpuWorker) Run(ctx context.Context, w *Witness) error {
	card, err := openCard(gpuFolder, gpuFound, 2)
	if err != nil {
		return err
	}
	defer card.Close()
	device := w.Uses("virtio-gpu", deviceOf(filepath.Join(gpuFolder, card.name)))
	defer w.NotUsed(device)
	pointer := w.Option("gpu-pointer")
	for frame := uint32(1); ctx.Err() == nil; frame = frame%wire.MaxFrame + 1 {
		b := card.buffers[int(frame)%len(card.buffers)]
		draw(b.bytes, b.line, card.mode.width(), card.mode.height(), frame)
		device.Ask()
		began := time.Now()
		if err := card.show(b); err != nil {
			w.Complain("virtio-gpu: expected frame %d to be shown, found %v", frame, err)
		} else {
			device.Serve()
			clear(b.bytes)
			w.Add("frames", 1)
			w.Max("longest-us", uint64(time.Since(began).Microseconds()))
		}
		if pointer != "" {
			if err := card.point(); err != nil {
				w.Complain("virtio-gpu: expected a pointer to be shown, found %v", err)
			}
			pointer = ""
		}
		w.Round()
		rest(ctx, gpuEvery)
	}
	return nil
}

// draw draws a frame into a buffer whose lines are so many bytes apart.
func draw(buffer []byte, line, width, height int, frame uint32) {
	for y := range height {
		row := buffer[y*line:][:4*width]
		for x := range width {
			binary.LittleEndian.PutUint32(row[4*x:], wire.Pixel(frame, y*width+x))
		}
	}
}
