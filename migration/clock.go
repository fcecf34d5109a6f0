package migration

import (
	"context"
	"sync"
	"time"
)

const (
	// clockTick is how often a run's clock looks at the time.
	clockTick = 10 * time.Millisecond
	// clockStopped is the pause between two looks from which on drover is taken to have
	// been stopped in between (Ctrl-Z, a suspended host, a starved cgroup).
	clockStopped = 500 * time.Millisecond
)

// A clock counts the time in which drover itself runs. What waits for QEMU is bounded by
// it: QEMU isn't to blame for what happens while nobody looks.
type clock struct {
	mu      sync.Mutex
	awake   time.Duration // since it was started
	stopped time.Duration // in which drover did not run
	waits   map[*wait]bool
	end     chan struct{}
	ended   sync.WaitGroup
}

// A wait is a context that ends when the clock comes to its deadline.
type wait struct {
	deadline time.Duration
	cancel   context.CancelCauseFunc
	cause    error
}

func startClock() *clock {
	c := &clock{waits: map[*wait]bool{}, end: make(chan struct{})}
	c.ended.Go(c.run)
	return c
}

func (c *clock) run() {
	tick := time.NewTicker(clockTick)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-tick.C:
			now := time.Now()
			c.pass(now.Sub(last))
			last = now
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
	for w := range c.waits {
		if w.deadline <= c.awake {
			w.cancel(w.cause)
			delete(c.waits, w)
		}
	}
}

// stop ends the clock.
func (c *clock) stop() {
	close(c.end)
	c.ended.Wait()
}

// withTimeout is context.WithTimeoutCause by this clock. Its error is context.Canceled,
// and its cause the one given.
func (c *clock) withTimeout(ctx context.Context, timeout time.Duration, cause error) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &wait{cancel: cancel, cause: cause}
	c.mu.Lock()
	w.deadline = c.awake + timeout
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
