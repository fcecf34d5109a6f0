//go:build linux

package main

import (
	"context"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// vcpusWorker has a thread on each vCPU that wakes up by the vCPU's own timer again and again,
// and hands a token on to the next vCPU's by a futex. Each looks at all others, for it is the
// one that stands still that can't complain. A vCPU that its host gives no time to is slow like
// the others, so only one that stands still while another goes on is complained of.
type vcpusWorker struct{}

func (vcpusWorker) Name() string { return "vcpus" }

const (
	vcpuBeat  = 20 * time.Millisecond
	vcpuRound = 10 // beats of each
	// A vCPU that stands still has not beaten for so long, and for so many times as long as any
	// that went on again, while the one that looks has beaten so many times.
	vcpuStill = 4 * time.Second
	vcpuTimes = 4
	vcpuBeats = 100
	// An interrupt that waits for all vCPUs comes at one of so many beats.
	vcpuBarrier = 25
)

// What futex and membarrier are told.
const (
	futexWait              = 0 | 128 // of this process only
	futexWake              = 1 | 128
	membarrierExpedited    = 1 << 3
	membarrierRegistration = 1 << 4
)

// A vcpu is one of those that are watched.
type vcpu struct {
	number     int
	beats      atomic.Uint64
	seen       uint64       // the beats when the first vCPU last looked whether all go on
	token      uint32       // 1 where it has come, which wakes its thread
	handed     atomic.Int64 // when that was, by CLOCK_MONOTONIC; 0 once the thread has it
	beatsThen  atomic.Uint64
	complained atomic.Bool
}

// A watch is how one vCPU's thread sees another.
type watch struct {
	beats uint64
	since time.Duration // it has not beaten
	own   uint64        // beats of the one that looks, then
}

func (vcpusWorker) Run(ctx context.Context, w *Witness) error {
	numbers := vcpusOnline()
	w.Set("vcpus", uint64(len(numbers)))
	all := make([]*vcpu, len(numbers))
	for i, n := range numbers {
		all[i] = &vcpu{number: n}
	}
	v := &vcpus{all: all, rounds: newRounds(len(all), w), w: w, barrier: membarrier(membarrierRegistration)}
	all[0].token = 1
	return onEach(numbers, func(i int) { v.beat(ctx, i) })
}

type vcpus struct {
	all     []*vcpu
	rounds  *rounds
	w       *Witness
	barrier bool         // membarrier can interrupt the other vCPUs
	longest atomic.Int64 // time for which one stood still that went on again
}

func (v *vcpus) beat(ctx context.Context, i int) {
	own, others := v.all[i], make([]watch, len(v.all))
	timer := v.w.UsesTimer(own.number)
	defer v.w.NotUsed(timer)
	next := clock(clockMonotonic)
	began := next
	for k := range others {
		others[k] = watch{v.all[k].beats.Load(), began, own.beats.Load()}
	}
	for ctx.Err() == nil {
		next = max(next+vcpuBeat, clock(clockMonotonic))
		timer.Ask()
		v.wait(i, next)
		timer.Serve()
		now, beats := clock(clockMonotonic), own.beats.Add(1)
		v.w.Add("beats", 1)
		v.w.Max("longest-late-us", uint64(max(now-next, 0).Microseconds()))
		for k := range others {
			if k != i {
				v.look(&others[k], own, v.all[k], now)
			}
		}
		if beats%vcpuRound == 0 {
			v.rounds.done(i)
		}
	}
}

// wait waits until the vCPU's own timer says that it is time, and hands the token on where it
// comes meanwhile: the first vCPU does so once for each beat, so that it does not go around all
// the time. That a token wakes the thread is no beat, for a vCPU may have lost its timer.
func (v *vcpus) wait(i int, until time.Duration) {
	own := v.all[i]
	for woken := true; woken; {
		word := uint32(0)
		if i == 0 {
			word = atomic.LoadUint32(&own.token) // there it rests
		}
		woken = !timedOut(&own.token, word, max(until-clock(clockMonotonic), time.Millisecond))
		if i != 0 {
			v.handOn(i)
		}
	}
	if i == 0 && len(v.all) > 1 {
		v.handOn(0)
	}
}

// handOn hands the token on, where it is there.
func (v *vcpus) handOn(i int) {
	own, to := v.all[i], v.all[(i+1)%len(v.all)]
	if !atomic.CompareAndSwapUint32(&own.token, 1, 0) {
		return
	}
	if handed := time.Duration(own.handed.Swap(0)); handed != 0 {
		v.w.Max("longest-handover-us", uint64(max(clock(clockMonotonic)-handed, 0).Microseconds()))
	}
	if i == 0 && v.allGoOn() && v.barrier && own.beats.Load()%vcpuBarrier == 0 && membarrier(membarrierExpedited) {
		v.w.Add("barriers", 1)
	}
	to.beatsThen.Store(to.beats.Load())
	to.handed.Store(int64(clock(clockMonotonic)))
	atomic.StoreUint32(&to.token, 1)
	_, _, _ = syscall.RawSyscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(&to.token)), futexWake, 1, 0, 0, 0)
	v.w.Add("handovers", 1)
}

// allGoOn says whether each vCPU has beaten since it was last asked. An interrupt that waits for
// one that stands still would keep the vCPU that sent it as well, and nobody be left to complain.
func (v *vcpus) allGoOn() bool {
	all := true
	for _, c := range v.all[1:] {
		beats := c.beats.Load()
		all = all && beats != c.seen
		c.seen = beats
	}
	return all
}

// look complains of a vCPU that stands still while the one that looks goes on, and of a token
// that has not reached one which does not.
func (v *vcpus) look(seen *watch, own, other *vcpu, now time.Duration) {
	most := max(vcpuStill, vcpuTimes*time.Duration(v.longest.Load()))
	if beats := other.beats.Load(); beats != seen.beats {
		v.longest.Store(max(v.longest.Load(), int64(now-seen.since)))
		*seen = watch{beats, now, own.beats.Load()}
		handed := time.Duration(other.handed.Load())
		if handed != 0 && now-handed > most && beats-other.beatsThen.Load() > vcpuBeats && other.complained.CompareAndSwap(false, true) {
			v.w.Complain("a futex's wake-up has not reached vCPU %d for %.1f s: expected its thread to have it, found that it beat %d times meanwhile without it",
				other.number, (now - handed).Seconds(), beats-other.beatsThen.Load())
		}
		return
	}
	still, beats := now-seen.since, own.beats.Load()-seen.own
	v.w.Max("longest-still-us", uint64(max(still, 0).Microseconds()))
	if still > most && beats > vcpuBeats && other.complained.CompareAndSwap(false, true) {
		v.w.Complain("vCPU %d has stood still for %.1f s: expected its number of beats to grow, found %d all the time, while vCPU %d beat %d times",
			other.number, still.Seconds(), seen.beats, own.number, beats)
	}
}

// timedOut waits until the word is another than that, somebody wakes who waits for it, or the
// time has passed, which it says.
func timedOut(word *uint32, value uint32, most time.Duration) bool {
	ts := syscall.NsecToTimespec(int64(most))
	_, _, errno := syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWait, uintptr(value), uintptr(unsafe.Pointer(&ts)), 0, 0)
	return errno == syscall.ETIMEDOUT
}

// membarrier says whether the kernel did what was asked for.
func membarrier(what uintptr) bool {
	number, known := map[string]uintptr{"amd64": 324, "arm64": 283, "riscv64": 283, "s390x": 356, "ppc64le": 365}[runtime.GOARCH]
	if !known {
		return false
	}
	_, _, errno := syscall.Syscall(number, what, 0, 0)
	return errno == 0
}
