//go:build linux

package main

import (
	"context"
	"time"
)

// clockWorker reads the kernel's clocks all the time. None that may not go back does, nobody sets
// CLOCK_REALTIME, and the longest time between two looks is how long the guest was paused, as it
// sees that itself.
type clockWorker struct{}

func (clockWorker) Name() string { return "clock" }

// Between two looks, and how many make a round.
const (
	clockEvery = time.Millisecond
	clockRound = 20
)

func (clockWorker) Run(ctx context.Context, w *Witness) error {
	clocks := []struct {
		name string
		id   uintptr
		last time.Duration
	}{{"CLOCK_MONOTONIC", clockMonotonic, 0}, {"CLOCK_MONOTONIC_RAW", clockMonotonicRaw, 0}, {"CLOCK_BOOTTIME", clockBoottime, 0}}
	for i := range clocks {
		clocks[i].last = clock(clocks[i].id)
	}
	lastVDSO := time.Now()
	longest, realtime := time.Duration(0), &setClock{}
	for ctx.Err() == nil {
		for range clockRound {
			for i := range clocks {
				c := &clocks[i]
				now := clock(c.id)
				if now < c.last {
					w.Complain("%s went back: it was %d ns, and then %d ns", c.name, c.last, now)
				}
				if c.id == clockMonotonic {
					longest = max(longest, now-c.last)
				}
				c.last = now
			}
			realtime.look(w)
			now := time.Now()
			if d := now.Sub(lastVDSO); d < 0 {
				w.Complain("the clock that the vDSO reads went back by %d ns", -d)
			}
			lastVDSO = now
			time.Sleep(clockEvery)
		}
		w.Add("looks", clockRound)
		w.Set("longest-gap-us", uint64(longest.Microseconds()))
		if w.Round() {
			longest = 0
		}
	}
	return nil
}

// realtimeSlack is by how much CLOCK_REALTIME may go on otherwise than CLOCK_BOOTTIME: the kernel
// makes both of one counter, and nobody in this guest sets or slews the time.
const realtimeSlack = time.Millisecond

// A setClock is how far CLOCK_REALTIME is ahead of CLOCK_BOOTTIME, which counts while the guest is
// suspended as well: between the two bounds, by all looks so far.
type setClock struct {
	known    bool
	from, to time.Duration
}

func (c *setClock) look(w *Witness) {
	before := clock(clockBoottime)
	now := clock(clockRealtime)
	after := clock(clockBoottime)
	c.take(w, now-after, now-before)
}

// take takes what a look found: the bounds are as far apart as it took.
func (c *setClock) take(w *Witness, from, to time.Duration) {
	switch {
	case !c.known:
	case from > c.to+realtimeSlack:
		w.Complain("CLOCK_REALTIME was set: it is %d ms ahead of what it was against CLOCK_BOOTTIME", (from - c.to).Milliseconds())
	case to < c.from-realtimeSlack:
		w.Complain("CLOCK_REALTIME was set: it is %d ms behind what it was against CLOCK_BOOTTIME", (c.from - to).Milliseconds())
	default:
		c.from, c.to = max(c.from, from), min(c.to, to)
		return
	}
	c.known, c.from, c.to = true, from, to
}
