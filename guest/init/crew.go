//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/drover-vm/drover/guest/wire"
)

// A crew are the workers of a guest.
type crew struct {
	talk     *talk
	hands    []*hand
	programs *programs
}

// A hand is a worker that may be told to rest.
type hand struct {
	worker  Worker
	witness *Witness

	mu   sync.Mutex
	stop context.CancelFunc // nil while it rests
	done chan struct{}
}

func newCrew(t *talk, o options) *crew {
	c, used := &crew{talk: t, programs: newPrograms(t, programsFolder)}, &uses{}
	for _, name := range o.workers {
		w, ok := workerOf(name)
		if !ok {
			t.say(wire.SaysProblem, wire.Problem{Text: fmt.Sprintf("there is no worker %q", name)})
			continue
		}
		c.hands = append(c.hands, &hand{worker: w, witness: &Witness{name: name, talk: t, options: o, uses: used, counts: map[string]uint64{}}})
	}
	return c
}

func (c *crew) names() (names []string) {
	for _, h := range c.hands {
		names = append(names, h.worker.Name())
	}
	return names
}

// startAll starts all but those that are to begin later, when what they watch is there.
func (c *crew) startAll(later []string) {
	for _, h := range c.hands {
		if slices.Contains(later, h.worker.Name()) {
			h.witness.rest(true)
			continue
		}
		h.start()
	}
}

func (h *hand) start() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stop != nil {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	h.stop, h.done = stop, done
	h.witness.rest(false)
	go func() {
		defer close(done)
		defer func() {
			if broken := recover(); broken != nil {
				h.witness.Complain("the worker itself broke: %v", broken)
			}
		}()
		if err := h.worker.Run(ctx, h.witness); err != nil && ctx.Err() == nil {
			h.witness.Complain("the worker can't watch: %v", err)
		}
	}()
}

func (h *hand) rest() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stop == nil {
		return
	}
	h.stop()
	<-h.done
	h.stop = nil
	h.witness.rest(true)
}

// obey does what drover says, as long as the guest runs.
func (c *crew) obey(from io.Reader) {
	var held []byte
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		held = append(held, buf[:n]...)
		var lines []wire.Line
		lines, _, held = wire.Cut(held)
		for _, l := range lines {
			c.take(l)
		}
		if n == 0 || err != nil && !errors.Is(err, io.EOF) {
			time.Sleep(5 * time.Millisecond) // the other end isn't there
		}
	}
}

func (c *crew) take(l wire.Line) {
	switch l.Verb {
	case wire.Put, wire.Run, wire.Kill:
		c.programs.take(l)
	default:
		var command wire.Command
		if l.Into(&command) == nil {
			c.do(command)
		}
	}
}

func (c *crew) do(command wire.Command) {
	switch command.Verb {
	case wire.Report:
		for _, h := range c.hands {
			h.witness.ask(command.Number)
		}
	case wire.Tell:
		for _, h := range c.hands {
			h.witness.tellNow(command.Number)
		}
	case wire.Start, wire.Stop:
		for _, h := range c.hands {
			if command.Worker != "" && command.Worker != h.worker.Name() {
				continue
			}
			if command.Verb == wire.Start {
				h.start()
			} else {
				h.rest()
			}
		}
	case wire.Finish:
		for _, h := range c.hands {
			h.rest()
		}
	case wire.Online:
		if err := onlineVCPUs(systemFolder); err != nil {
			c.talk.say(wire.SaysProblem, wire.Problem{Text: err.Error()})
		}
	}
	c.talk.say(wire.SaysDone, command)
	if command.Verb == wire.Suspend {
		if err := os.WriteFile("/sys/power/state", []byte("mem"), 0); err != nil { // it returns after wakeup
			c.talk.say(wire.SaysProblem, wire.Problem{Text: "suspend to RAM: " + err.Error()})
		}
	}
	if command.Verb == wire.Finish {
		time.Sleep(100 * time.Millisecond) // for the answer to go out: nothing tells when it has
		_ = syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
	}
}
