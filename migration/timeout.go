package migration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/drover-vm/drover/migration/record"
)

// StepTimeout is how long a step may take that doesn't say so itself, on a
// machine that boots the guest in bootTime. What a step waits for comes within a
// second or two; what hangs is to be found, and looked into, within half a minute.
const StepTimeout = 10 * time.Second

// bootTime is how long a guest may take to its first heartbeat before the machine
// is taken for slow. It is 0.2 to 0.5 s for a PC under TCG, 4 s for ppc64, and 12 s
// under a KVM that is itself emulated.
const bootTime = 2 * time.Second

// MostStretch bounds what a slow or busy host is given: nothing takes longer than this many
// times what it may take on a quiet one, so that a step of ten seconds ends within two
// minutes. Time in which drover itself did not run is not counted. What ends there has not
// failed: nobody can tell, for the host was too busy.
const MostStretch = 12

// linuxBootTime is the same for Linux, until its workers have looked at all that they have. It
// is 2 to 3 s for a PC under TCG.
const linuxBootTime = 3500 * time.Millisecond

// linuxBootTimeout is how long Linux may take to boot. It is 20 s for one that shares two
// processors with forty others.
const linuxBootTimeout = 2 * time.Minute

func (s Step) timeout() time.Duration { return cmp.Or(s.Timeout, StepTimeout) }

// Budget is how long the whole run may take, which is what its steps may.
func (s Scenario) Budget() (sum time.Duration) {
	for _, step := range s.All() {
		sum += step.timeout()
	}
	return sum
}

// noteSlowdown takes from the time that the guest took to boot by how much everything
// may take longer here.
func (r *run) noteSlowdown(boot time.Duration) {
	usual := bootTime
	if r.linux != nil {
		usual = linuxBootTime
	}
	r.slowdown = min(max(1, boot.Seconds()/usual.Seconds()), MostStretch)
}

// Stretch is the time that something may take on this machine which takes d on others: at
// most [MostStretch] times d.
func (p *Pair) Stretch(d time.Duration) time.Duration { return p.run.stretch(d) }

func (r *run) stretch(d time.Duration) time.Duration {
	return time.Duration(float64(d) * max(1, r.slowdown)).Round(time.Second / 10)
}

// AtMost is the context of a wait whose end without what was waited for is a fact. The
// time is stretched on a slow machine, by [MostStretch] at most, and goes on only while drover
// itself runs.
func (p *Pair) AtMost(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	return p.run.atMost(ctx, timeout)
}

// PollAtMost is [Poll] for at most that time, as [Pair.AtMost] has it. What was looked for and did
// not come is no error, but for whoever measures what the last look found: only what look fails
// with is one, and the end of ctx.
func (p *Pair) PollAtMost(ctx context.Context, timeout time.Duration, what string, look func() (bool, error)) error {
	wait, cancel := p.AtMost(ctx, timeout)
	defer cancel()
	err := Poll(wait, what, look)
	if wait.Err() != nil && ctx.Err() == nil {
		return nil
	}
	return err
}

func (r *run) atMost(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	return r.clock.withTimeout(ctx, r.stretch(timeout), MostStretch*timeout)
}

// bounded is the context of one step.
func (r *run) bounded(ctx context.Context, s Step) (context.Context, context.CancelFunc) {
	if s.Phase == record.PhaseBoot && r.linux != nil {
		return r.clock.withTimeout(ctx, max(r.stretch(s.timeout()), linuxBootTimeout), max(MostStretch*s.timeout(), linuxBootTimeout))
	}
	return r.atMost(ctx, s.timeout())
}

// A timeoutError says that a step took longer than it may. It is a
// [context.DeadlineExceeded].
type timeoutError struct {
	after time.Duration
	// Where the host was too busy to give it its time: that, and what it had of it.
	of, had time.Duration
}

func (e *timeoutError) Error() string {
	if e.of == 0 {
		return fmt.Sprintf("timed out after %s", e.after)
	}
	return fmt.Sprintf("timed out after %s, the most that a busy host is given (it had %s of %s)", e.after, e.had.Round(time.Second/10), e.of)
}
func (e *timeoutError) Unwrap() error { return context.DeadlineExceeded }

// cutShort is the error of a wait that ended before it had its time: that nothing came is
// no fact then. It is nil for any other.
func cutShort(ctx context.Context) error {
	if e, ok := errors.AsType[*timeoutError](context.Cause(ctx)); ok && e.of > 0 {
		return e
	}
	return nil
}

// A HostError is a failure over how fast something was, which a busy host explains: such a
// run can't be judged, where a quiet host's has failed.
type HostError struct{ Cause error }

func (e *HostError) Error() string { return e.Cause.Error() }
func (e *HostError) Unwrap() error { return e.Cause }

// pollEvery is the pause between two looks at something that QEMU has no event for.
const pollEvery = time.Millisecond

// Poll looks once a millisecond, until there is what was looked for, look fails, or ctx
// ends; the error then says what was waited for. It is for what QEMU has no event for.
func Poll(ctx context.Context, what string, look func() (bool, error)) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		found, err := look()
		if err != nil && ctx.Err() != nil {
			return waitingFor(ctx, what)
		}
		if found || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return waitingFor(ctx, what)
		}
	}
}

// waitingFor is the error of a wait that its context has ended.
func waitingFor(ctx context.Context, what string) error {
	return fmt.Errorf("%w waiting for %s", context.Cause(ctx), what)
}
