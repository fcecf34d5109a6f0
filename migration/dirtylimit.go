package migration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drover-vm/drover/host"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/record"
)

// KVM can tell which pages a guest writes through a ring for each processor, and QEMU
// can hold a processor up that writes too many. All these need no more than a KVM that
// works, however slow, and whose ring can be trusted with a guest that gives it time.
func dirtyRing() []Scenario {
	return []Scenario{dirtyRingPrecopy, vcpuDirtyLimit, dirtyLimit}
}

const (
	withDirtyRing = "kvm,dirty-ring-size=4096"

	DirtyLimit Capability = "dirty-limit"

	VCPUDirtyLimit       Parameter = "vcpu-dirty-limit"          // MB a second, for each processor
	VCPUDirtyLimitPeriod Parameter = "x-vcpu-dirty-limit-period" // ms
)

// KVMDirtyRing is a /dev/kvm with dirty rings that lose nothing of what a guest program
// writes, which ends its turn on the processor often enough: with one that does, QEMU
// misses pages, and waits for entries where there will be none.
var KVMDirtyRing = Need{Host: func() string {
	switch kvm := host.KVMState(); {
	case !kvm.Usable:
		return fmt.Sprintf("no KVM here: %v", kvm.Err)
	case !kvm.DirtyRing:
		return "this host's KVM has no dirty ring, which came with Linux 5.11"
	}
	if err := host.DirtyRing(); err != nil {
		return err.Error()
	}
	return ""
}}

var vcpuDirtyLimitCommand = Need{Schema: "set-vcpu-dirty-limit", What: "limit for the pages that a processor may dirty"}

var dirtyRingPrecopy = Scenario{
	Name:  "dirty_ring",
	Doc:   "under KVM, which tells of dirty pages through a ring",
	Needs: []Need{KVMDirtyRing},
	Accel: withDirtyRing,
	Story: Steps{
		unhurried(), Set(MaxBandwidth, 1*GB),
		Boot(), SeeDirtyRing(), Listen(Unix), Migrate(), AwaitPass(1),
		atAnyDowntime(), AwaitSwitchover(),
	},
}

var vcpuDirtyLimit = Scenario{
	Name:  "vcpu_dirty_limit",
	Doc:   "a processor that may dirty only so much a second does no more, until the limit is lifted",
	Needs: []Need{KVMDirtyRing, vcpuDirtyLimitCommand},
	Accel: withDirtyRing,
	Ends:  record.OnSource,
	Story: Steps{
		Boot(), SeeDirtyRing(), LimitDirtying(noLimit), NoteDirtying(),
		LimitDirtying(20), AwaitDirtying(40 * MB), LimitDirtying(noLimit), AwaitFormerDirtying(), UnlimitDirtying(),
	},
}

var dirtyLimit = Scenario{
	Name:  "dirty_limit",
	Doc:   "a migration that limits what each processor may dirty, when the guest is ahead of it",
	Needs: []Need{KVMDirtyRing, {Capability: DirtyLimit}},
	Accel: withDirtyRing,
	Story: Steps{
		Enable(DirtyLimit), Set(VCPUDirtyLimitPeriod, 1000), Set(VCPUDirtyLimit, 20),
		unhurried(), Set(MaxBandwidth, 60*MB),
		Boot(), SeeDirtyRing(), Listen(Unix), Migrate(), NoteDirtying(), AwaitDirtying(40 * MB), SeeDirtyLimited(),
		Set(MaxBandwidth, 1*GB), atAnyDowntime(), AwaitSwitchover(),
	},
}

// SeeDirtyRing demands that both QEMUs have the thread that empties the rings.
func SeeDirtyRing() Step {
	return Step{Name: "see the dirty ring", Do: func(_ context.Context, p *Pair) error {
		for _, s := range p.Sides() {
			names, err := s.threadNames()
			if err != nil {
				return err
			}
			if !slices.Contains(names, "kvm-reaper") {
				return fmt.Errorf("the %s has no thread that empties a dirty ring; its threads are %s", s.Name(), strings.Join(names, ", "))
			}
		}
		return nil
	}}
}

// counters reads the byte of each page that the workload counts up.
func (p *Pair) counters(ctx context.Context, s *Side) ([]byte, error) {
	memory, err := s.Memory(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = memory.Close() }()
	scope := p.Program.Workload()
	all := make([]byte, scope.End-scope.Start)
	if _, err := memory.ReadAt(all, int64(scope.Start)); err != nil {
		return nil, err
	}
	var counters []byte
	for at := uint64(0); at < uint64(len(all)); at += p.Program.Stride {
		counters = append(counters, all[at])
	}
	return counters, nil
}

const (
	// dirtyingWatched is for how long the guest's writing is measured: QEMU holds a
	// processor up each time that its ring is full, the longer the lower the limit.
	dirtyingWatched = time.Second
	// dirtyingSeen is after how long it is looked at again: a byte comes round after 256.
	dirtyingSeen = 200 * time.Millisecond
)

// dirtying is how much memory the guest dirties, in bytes a second: a page for each
// byte that it counts up. It is seen from outside, in the guest's memory.
func (p *Pair) dirtying(ctx context.Context) (float64, error) {
	before, err := p.counters(ctx, p.Source)
	if err != nil {
		return 0, err
	}
	began, pages := time.Now(), 0
	again := time.NewTicker(dirtyingSeen)
	defer again.Stop()
	for {
		select {
		case <-again.C:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
		now, err := p.counters(ctx, p.Source)
		if err != nil {
			return 0, err
		}
		for i := range before {
			pages += int(now[i] - before[i])
		}
		before = now
		if watched := time.Since(began); watched >= dirtyingWatched {
			return float64(pages*pageSize) / watched.Seconds(), nil
		}
	}
}

// NoteDirtying keeps in mind how much the guest dirties.
func NoteDirtying() Step {
	return Step{Name: "note how much the guest dirties", Do: func(ctx context.Context, p *Pair) (err error) {
		p.dirtied, err = p.dirtying(ctx)
		return err
	}}
}

// AwaitDirtying waits until the guest dirties at most so many bytes a second. QEMU
// adjusts once a second.
func AwaitDirtying(most float64) Step {
	return Step{Name: fmt.Sprintf("await no more than %.0f MB dirtied a second", most/MB), Do: func(ctx context.Context, p *Pair) error {
		if p.dirtied <= 2*most {
			return &MissingError{fmt.Sprintf("this KVM is so slow that the guest dirties %.1f MB a second without a limit, and a limit shows from %.0f on", p.dirtied/MB, 2*most/MB)}
		}
		rate := fmt.Sprintf("at most %.0f MB a second", most/MB)
		return p.awaitDirtying(ctx, rate, func(now float64) bool { return now <= most }, record.AtMost(most/MB))
	}}
}

// AwaitFormerDirtying waits until the guest dirties at least half as much as before it
// was limited.
func AwaitFormerDirtying() Step {
	return Step{Name: "await the former speed", Do: func(ctx context.Context, p *Pair) error {
		least := p.dirtied / 2
		rate := fmt.Sprintf("at least %.0f MB a second", least/MB)
		return p.awaitDirtying(ctx, rate, func(now float64) bool { return now >= least }, record.AtLeast(least/MB))
	}}
}

func (p *Pair) awaitDirtying(ctx context.Context, rate string, met func(now float64) bool, bounds record.Bounds) error {
	for {
		now, err := p.dirtying(ctx)
		if err != nil {
			return fmt.Errorf("waiting for the guest to dirty %s; it dirtied %.0f without a limit: %w", rate, p.dirtied/MB, err)
		}
		if met(now) {
			p.measure("dirtied by the guest", now/MB, "MB a second", bounds)
			return nil
		}
	}
}

// noLimit is one that no guest reaches, in MB a second: pages are logged, and nobody is
// held up. To log them takes time of its own.
const noLimit = 1000000

// LimitDirtying sets the limit for each processor, in MB a second, and reads it back.
func LimitDirtying(rate int) Step {
	return Step{Name: fmt.Sprintf("set-vcpu-dirty-limit %d", rate), Do: func(ctx context.Context, p *Pair) error {
		if err := p.Source.tell(ctx, "set-vcpu-dirty-limit", map[string]any{"dirty-rate": rate}); err != nil {
			return err
		}
		limits, err := p.Source.dirtyLimits(ctx)
		if err != nil {
			return err
		}
		if len(limits) != 1 || limits[0].Limit != rate {
			return fmt.Errorf("the limit was set to %d MB a second and reads back %+v", rate, limits)
		}
		return nil
	}}
}

// UnlimitDirtying lifts the limit.
func UnlimitDirtying() Step {
	return Step{Name: "cancel-vcpu-dirty-limit", Do: func(ctx context.Context, p *Pair) error {
		if err := p.Source.tell(ctx, "cancel-vcpu-dirty-limit", nil); err != nil {
			return err
		}
		limits, err := p.Source.dirtyLimits(ctx)
		if err == nil && len(limits) > 0 {
			err = fmt.Errorf("the limit was lifted, and reads back %+v", limits)
		}
		return err
	}}
}

type dirtyRate struct {
	Limit   int `json:"limit-rate"`
	Current int `json:"current-rate"`
}

func (s *Side) dirtyLimits(ctx context.Context) (limits []dirtyRate, err error) {
	return limits, s.QMP().Execute(ctx, "query-vcpu-dirty-limit", nil, &limits)
}

// SeeDirtyLimited demands that the source says by how much it holds processors up.
func SeeDirtyLimited() Step {
	return Step{Name: "see the migration's limit", Do: func(ctx context.Context, p *Pair) error {
		info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
		if err != nil {
			return err
		}
		if info.DirtyLimitThrottle == nil {
			return errors.New("the guest dirties less, and query-migrate has no dirty-limit-throttle-time-per-round")
		}
		p.measure("time that processors are held up, a round", float64(*info.DirtyLimitThrottle), "µs", record.AtLeast(1))
		return nil
	}}
}
