package migration

import (
	"context"
	"sync"
	"time"

	"github.com/drover-vm/drover/migration/internal/procfs"
)

const (
	// clockTick is how often a run's clock looks at the time.
	clockTick = 10 * time.Millisecond
	// clockStopped is the pause between two looks from which on drover is taken to have
	// been stopped in between (Ctrl-Z, a suspended host, a starved cgroup).
	clockStopped = 500 * time.Millisecond
	// shareEvery is how often it looks at how much of the host others take.
	shareEvery = 50 // ticks
	// leastRate bounds how slow it goes beside others.
	leastRate = 1.0 / 50
)

// A clock counts the time that a run has: that in which drover itself runs, and of that the
// part of the host that others leave. What waits for QEMU is bounded by it: QEMU isn't to
// blame for what happens while nobody looks, nor for a lack of CPU time.
type clock struct {
	mu      sync.Mutex
	run     time.Duration // of the run, since it was started
	stopped time.Duration // in which drover did not run
	awake   time.Duration // in which it did
	cut     int           // waits that ended before they had their time
	rate    float64       // of a second that passes, as much is the run's: 1 on a quiet host
	waits   map[*wait]bool
	end     chan struct{}
	ended   sync.WaitGroup
	usage   usage
}

// A wait is a context that ends when the clock comes to its deadline, or drover has been
// awake for so long, whatever the host gave it.
type wait struct {
	timeout, most    time.Duration
	deadline, latest time.Duration
	cancel           context.CancelCauseFunc
}

func newClock() *clock { return &clock{rate: 1, waits: map[*wait]bool{}, end: make(chan struct{})} }

func startClock() *clock {
	c := newClock()
	c.usage.look()
	c.ended.Go(c.tick)
	return c
}

func (c *clock) tick() {
	tick := time.NewTicker(clockTick)
	defer tick.Stop()
	last := time.Now()
	for ticks := 1; ; ticks++ {
		select {
		case <-tick.C:
			now := time.Now()
			c.pass(now.Sub(last))
			last = now
			if ticks%shareEvery == 0 {
				rate := c.usage.look()
				c.mu.Lock()
				c.rate = rate
				c.mu.Unlock()
			}
		case <-c.end:
			return
		}
	}
}

// pass lets time pass.
func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d >= clockStopped {
		c.stopped += d
		d = clockTick
	}
	c.awake += d
	c.run += time.Duration(float64(d) * c.rate)
	for w := range c.waits {
		switch {
		case w.deadline <= c.run:
			w.cancel(&timeoutError{after: w.timeout})
		case w.latest <= c.awake:
			c.cut++
			w.cancel(&timeoutError{after: w.most, of: w.timeout, had: c.run - w.deadline + w.timeout})
		default:
			continue
		}
		delete(c.waits, w)
	}
}

// stop ends the clock.
func (c *clock) stop() {
	close(c.end)
	c.ended.Wait()
}

// withTimeout is context.WithTimeoutCause by this clock, and ends when drover has been awake
// for most at the latest. Its error is context.Canceled, and its cause a [*timeoutError].
func (c *clock) withTimeout(ctx context.Context, timeout, most time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &wait{timeout: timeout, most: most, cancel: cancel}
	c.mu.Lock()
	w.deadline, w.latest = c.run+timeout, c.awake+most
	c.waits[w] = true
	c.mu.Unlock()
	return ctx, func() {
		c.mu.Lock()
		delete(c.waits, w)
		c.mu.Unlock()
		cancel(context.Canceled)
	}
}

// stoppedFor is how long drover did not run.
func (c *clock) stoppedFor() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopped
}

// cutShort is how many waits ended before they had their time, for the host was too busy.
func (c *clock) cutShort() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cut
}

// A usage is how much of the host's CPUs a run has used, and others have.
type usage struct {
	mu   sync.Mutex
	pids map[int]time.Duration // of the run's QEMUs, and what each has used by the last look

	at         time.Time
	busy, ours time.Duration // at the last look
}

// watch counts a QEMU as the run's.
func (u *usage) watch(pid int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.pids == nil {
		u.pids = map[int]time.Duration{}
	}
	u.pids[pid] = 0
}

// own is what drover and the run's QEMUs have used, also those that have ended.
func (u *usage) own() time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	sum, _ := procfs.CPUOf(0)
	for pid, used := range u.pids {
		if now, err := procfs.CPUOf(pid); err == nil && now >= used {
			used = now
			u.pids[pid] = used
		}
		sum += used
	}
	return sum
}

// look is how much of the host others have left since the last look: 1 is all of it.
func (u *usage) look() float64 {
	host, err := procfs.HostCPU()
	own, now := u.own(), time.Now()
	capacity := now.Sub(u.at) * time.Duration(host.CPUs)
	others := host.Busy - u.busy - (own - u.ours)
	first := u.at.IsZero()
	u.at, u.busy, u.ours = now, host.Busy, own
	if err != nil || first || capacity <= 0 {
		return 1
	}
	return min(max(1-float64(others)/float64(capacity), leastRate), 1)
}
