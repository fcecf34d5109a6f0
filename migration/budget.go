package migration

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// StepPatience is how long a step may take that doesn't say so itself, on a
// machine that boots the guest in bootTime. What a step waits for comes within a
// second or two; what hangs is to be found, and looked into, within half a minute.
const StepPatience = 10 * time.Second

// bootTime is how long a guest may take to its first heartbeat before the machine
// is taken for slow. It is 0.2 to 0.5 s for a PC under TCG, 4 s for ppc64, and 12 s
// under a KVM that is itself emulated.
const bootTime = 2 * time.Second

func (s Step) patience() time.Duration { return cmp.Or(s.Within, StepPatience) }

// Allow gives the step so much time instead.
func (s Step) Allow(within time.Duration) Step {
	s.Within = within
	return s
}

// Budget is how long the whole story may take, which is what its steps may.
func (s Scenario) Budget() (sum time.Duration) {
	for _, step := range s.Full() {
		sum += step.patience()
	}
	return sum
}

// notePace takes from the time that the guest took to boot by how much everything
// may take longer here.
func (r *run) notePace(boot time.Duration) {
	r.pace = max(1, boot.Seconds()/bootTime.Seconds())
}

// slow is the time that something may take on this machine which takes d on others.
func (r *run) slow(d time.Duration) time.Duration {
	return time.Duration(float64(d) * max(1, r.pace)).Round(time.Second / 10)
}

// bounded is the context of one step.
func (r *run) bounded(ctx context.Context, s Step) (context.Context, context.CancelFunc) {
	patience := r.slow(s.patience())
	return context.WithTimeoutCause(ctx, patience, fmt.Errorf("the %s that the step may take are over", patience))
}

// atMost is the context of a wait whose end without what was waited for is a fact.
func (r *run) atMost(ctx context.Context, patience time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, r.slow(patience))
}
