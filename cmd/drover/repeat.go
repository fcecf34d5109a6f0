package main

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/spf13/pflag"

	"github.com/drover-vm/drover/migration/record"
)

// repeats say how often the scenarios of a run are run, and in what order.
type repeats struct {
	count       int // 0: until one fails
	untilFail   bool
	shuffle     bool
	seed        uint64
	failedFirst bool
	set         *pflag.FlagSet
}

// mostRounds is how often scenarios are run again at the most.
const mostRounds = 1_000_000

// flags makes the flags.
func (r *repeats) flags(set *pflag.FlagSet) {
	r.set = set
	set.IntVar(&r.count, "count", 1, "run the scenarios this `number` of times, and print how often each failed that did not always (with --until-fail: at most so often)")
	set.BoolVar(&r.untilFail, "until-fail", false, "run the scenarios again and again, until one fails")
	set.Uint64Var(&r.seed, "shuffle", 0, "run the scenarios in an order that this `seed` makes, another one each time that they are run; the same seed makes the same orders")
	set.BoolVar(&r.failedFirst, "failed-first", false, "begin with the scenarios that failed when they were last run here")
}

func (r *repeats) check() error {
	r.shuffle = r.set.Changed("shuffle")
	switch {
	case r.count < 1:
		return usageError(fmt.Sprintf("--count must be at least 1, not %d", r.count))
	case r.count > mostRounds:
		return usageError(fmt.Sprintf("--count must not be more than %d, as %d is", mostRounds, r.count))
	case r.untilFail && !r.set.Changed("count"):
		r.count = 0
	}
	return nil
}

// repeated says whether a scenario may be run more than once.
func (r *repeats) repeated() bool { return r.count != 1 }

// rounds are the jobs of a run, in the order in which they begin. done may be called by
// several goroutines, all by one.
type rounds struct {
	repeats
	jobs   []job
	failed map[string]bool // in an earlier run, by name; these come first
	over   chan struct{}   // closed when no more jobs are to begin

	mu       sync.Mutex
	finished *sync.Cond
	ended    int // jobs that are done
	ran      int // of these, the ones that were not skipped
	end      func()
}

func newRounds(jobs []job, r repeats, failed map[string]bool) *rounds {
	all := &rounds{repeats: r, jobs: jobs, failed: failed, over: make(chan struct{})}
	all.finished = sync.NewCond(&all.mu)
	all.end = sync.OnceFunc(func() { close(all.over) })
	return all
}

// all yields the jobs of one round after the other. It ends by itself after count rounds,
// when done has seen what ends the run, or after a round in which every scenario was
// skipped: all others would be the same.
func (r *rounds) all() iter.Seq[job] {
	random := rand.New(rand.NewPCG(r.seed, 0))
	return func(yield func(job) bool) {
		for round := 0; r.count == 0 || round < r.count; round++ {
			if !r.worthwhile(round) {
				return
			}
			for _, j := range r.order(random) {
				if !yield(j) {
					return
				}
			}
		}
	}
}

// order is that of one round.
func (r *rounds) order(random *rand.Rand) []job {
	jobs := slices.Clone(r.jobs)
	if r.shuffle {
		random.Shuffle(len(jobs), func(i, j int) { jobs[i], jobs[j] = jobs[j], jobs[i] })
	}
	putFirst(jobs, func(j job) bool { return r.failed[j.name()] })
	return jobs
}

// worthwhile waits until a job of an earlier round was not skipped, and returns false when
// there is none.
func (r *rounds) worthwhile(round int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.ran == 0 && r.ended < round*len(r.jobs) {
		r.finished.Wait()
	}
	return r.ran > 0 || round == 0
}

// done takes the result of a job, nil where it could not run.
func (r *rounds) done(result *record.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended++
	if result == nil || result.Outcome != record.Skip {
		r.ran++
	}
	if r.untilFail && result != nil && result.Outcome != record.Skip && result.Outcome != record.Pass {
		r.end()
	}
	r.finished.Broadcast()
}
