//go:build linux

package main

import (
	"io"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/drover-vm/drover/guest/wire"
)

// A talk numbers what is said, and writes it out in that order.
type talk struct {
	to    io.Writer
	mu    sync.Mutex
	last  uint64
	lines chan []byte
}

func newTalk(to io.Writer) *talk { return &talk{to: to, lines: make(chan []byte, 256)} }

// say queues a message. It waits where nobody reads the last ones.
func (t *talk) say(verb wire.Verb, body any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, err := wire.New(t.last+1, monotonic(), verb, body)
	if err != nil {
		return // no message of package wire is one that JSON can't say
	}
	t.last++
	t.lines <- l.Append(nil)
}

// write writes out what is said, as long as the guest runs.
func (t *talk) write() {
	for line := range t.lines {
		for len(line) > 0 {
			n, err := t.to.Write(line)
			line = line[n:]
			if err != nil {
				time.Sleep(time.Millisecond) // a port whose other end isn't there yet
			}
		}
	}
}

// monotonic is CLOCK_MONOTONIC, as the kernel itself says it.
func monotonic() time.Duration { return clock(clockMonotonic) }

// The kernel's clocks.
const (
	clockRealtime     = 0
	clockMonotonic    = 1
	clockMonotonicRaw = 4
	clockBoottime     = 7
)

// clock asks the kernel for a clock, by a system call and not through the vDSO.
func clock(id uintptr) time.Duration {
	var ts syscall.Timespec
	_, _, _ = syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, id, uintptr(unsafe.Pointer(&ts)), 0)
	return time.Duration(ts.Nano())
}
