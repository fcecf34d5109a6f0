//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// hostsWorker looks whether anybody is at the other ends of two virtio-serial ports, and counts
// how often there was somebody and nobody.
type hostsWorker struct{}

func (hostsWorker) Name() string { return "hosts" }

// The ports, as package guest calls them, and what the worker calls them.
var hostsPorts = map[string]string{"drover.leaving": "leaving", "drover.coming": "coming"}

const (
	hostsEvery = 10 * time.Millisecond
	hostsLooks = 25 // in a round: whoever has seen nothing in so many had the time to
)

func (hostsWorker) Run(ctx context.Context, w *Witness) error {
	ports := map[string]int{}
	for name, count := range hostsPorts {
		path, err := awaitPort(name)
		if err != nil {
			return err
		}
		fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		defer func() { _ = syscall.Close(fd) }()
		ports[count] = fd
	}
	for look := 1; ctx.Err() == nil; look++ {
		for count, fd := range ports {
			// Where nobody is the read is at its end, and where somebody is it would have to wait.
			switch n, err := syscall.Read(fd, make([]byte, 1)); {
			case n == 0 && err == nil:
				w.Add(count+"-closed", 1)
			case n == 1 || errors.Is(err, syscall.EAGAIN):
				w.Add(count+"-open", 1)
			default:
				w.Complain("the serial port drover.%s: a read failed: expected no error, found %v", count, err)
			}
		}
		if w.Add("looks", 1); look%hostsLooks == 0 {
			w.Round()
		}
		time.Sleep(hostsEvery)
	}
	return nil
}
