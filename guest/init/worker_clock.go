//go:build linux

package main

import (
	"context"
	"time"
)

// clockWorker reads the kernel's clocks all the time. None that may not go back does, and the
// longest time between two looks is how long the guest was paused, as it sees that itself.
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
	longest := time.Duration(0)
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
