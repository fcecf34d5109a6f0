package steps

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/procfs"
	"github.com/drover-vm/drover/migration/internal/ram"
	"github.com/drover-vm/drover/migration/record"
)

// KVM can report which pages a guest writes through a ring for each vCPU, and QEMU can
// hold up a vCPU that writes too many.
func dirtyVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name:    "expect dirty-ring",
			Doc:     "Both QEMUs have the thread that empties KVM's dirty rings.",
			Example: "expect dirty-ring", Step: do(ExpectDirtyRing),
		},
		{
			Name: "set-vcpu-dirty-limit", Args: "RATE",
			Doc:     "Limits how much each vCPU of the source may dirty, in MB a second, and reads the limit back.",
			Example: "set-vcpu-dirty-limit 20",
			Step:    func(a *migration.Args) migration.Step { return SetVCPUDirtyLimit(a.Int("the limit, in MB a second")) },
		},
		{
			Name:    "cancel-vcpu-dirty-limit",
			Doc:     "Lifts the limit on what each vCPU of the source may dirty, and reads that back.",
			Example: "cancel-vcpu-dirty-limit", Step: do(CancelVCPUDirtyLimit),
		},
		{
			Name:    "note dirty-rate",
			Doc:     "Measures how much memory the guest dirties, to hold a limited one against it.",
			Example: "note dirty-rate", Step: do(NoteDirtyRate),
		},
		{
			Name: "await dirty-rate", Args: "RATE",
			Doc:     "Waits until the guest dirties at most so much a second; a host on which it never dirtied twice as much can't do the scenario.",
			Example: "await dirty-rate 40MB/s",
			Step:    func(a *migration.Args) migration.Step { return AwaitDirtyRate(a.Rate("the most")) },
		},
		{
			Name:    "await former-dirty-rate",
			Doc:     "Waits until the guest dirties at least half as much a second as when that was noted.",
			Example: "await former-dirty-rate", Step: do(AwaitFormerDirtyRate),
		},
		{
			Name:    "expect dirty-limit-throttle",
			Doc:     "For how long the source says that it holds vCPUs up, and that they take to fill their dirty ring, is in keeping with what the guest dirties now, and did when that was noted.",
			Example: "expect dirty-limit-throttle", Step: do(ExpectDirtyLimitThrottle),
		},
	}
}

// ExpectDirtyRing demands that both QEMUs have the thread that empties the rings.
func ExpectDirtyRing() migration.Step {
	return step("expect dirty-ring", func(_ context.Context, p *migration.Pair) error {
		for _, s := range p.Sides() {
			names, err := procfs.ThreadNames(s.PID())
			if err != nil {
				return err
			}
			if !slices.Contains(names, "kvm-reaper") {
				return fmt.Errorf("the %s has no thread that empties a dirty ring; its threads are %s", s.Name(), strings.Join(names, ", "))
			}
		}
		return nil
	})
}

// pageCounters reads the byte of each page that the workload counts up.
func pageCounters(ctx context.Context, p *migration.Pair, s *migration.Side) ([]byte, error) {
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
	// dirtyRateWatched is for how long the guest's writing is measured: QEMU holds a
	// vCPU up each time that its ring is full, the longer the lower the limit.
	dirtyRateWatched = time.Second
	// dirtyRateEvery is after how long it is looked at again: a counter wraps around at 256.
	dirtyRateEvery = 200 * time.Millisecond
)

// dirtyRate is how much memory the guest dirties, in bytes a second: a page for each
// byte that it counts up. It is seen from outside, in the guest's memory.
func dirtyRate(ctx context.Context, p *migration.Pair) (float64, error) {
	before, err := pageCounters(ctx, p, p.Source)
	if err != nil {
		return 0, err
	}
	began, pages := time.Now(), 0
	again := time.NewTicker(dirtyRateEvery)
	defer again.Stop()
	for {
		select {
		case <-again.C:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
		now, err := pageCounters(ctx, p, p.Source)
		if err != nil {
			return 0, err
		}
		for i := range before {
			pages += int(now[i] - before[i])
		}
		before = now
		if watched := time.Since(began); watched >= dirtyRateWatched {
			return float64(pages*ram.PageSize) / watched.Seconds(), nil
		}
	}
}

// notedDirtyRate is how much the guest dirtied when that was noted, in bytes a second; nil
// where it was not.
var notedDirtyRate migration.Slot[*float64]

// NoteDirtyRate measures how much the guest dirties, to hold what comes against it.
func NoteDirtyRate() migration.Step {
	return migration.Step{Name: "note dirty-rate", Wants: []string{"boot"}, Do: func(ctx context.Context, p *migration.Pair) error {
		now, err := dirtyRate(ctx, p)
		*notedDirtyRate.Of(p) = &now
		return err
	}}
}

// afterDirtyRate is a step that wants the guest's dirty rate to have been noted.
func afterDirtyRate(name string, do func(ctx context.Context, p *migration.Pair, noted float64) error) migration.Step {
	return migration.Step{Name: name, Wants: []string{"note dirty-rate"}, Do: func(ctx context.Context, p *migration.Pair) error {
		noted := *notedDirtyRate.Of(p)
		if noted == nil {
			return errors.New("the guest's dirty rate was not noted before")
		}
		return do(ctx, p, *noted)
	}}
}

// AwaitDirtyRate waits until the guest dirties at most so many bytes a second. QEMU
// adjusts once a second.
func AwaitDirtyRate(most float64) migration.Step {
	return afterDirtyRate(fmt.Sprintf("await dirty-rate %.0fMB/s", most/MB), func(ctx context.Context, p *migration.Pair, noted float64) error {
		if noted <= 2*most {
			return &migration.UnsupportedError{What: fmt.Sprintf("this KVM is so slow that the guest dirties %.1f MB a second without a limit, and a limit shows from %.0f on", noted/MB, 2*most/MB)}
		}
		rate := fmt.Sprintf("at most %.0f MB a second", most/MB)
		return awaitDirtyRate(ctx, p, noted, rate, func(now float64) bool { return now <= most }, record.AtMost(most/MB))
	})
}

// AwaitFormerDirtyRate waits until the guest dirties at least half as much as before it
// was limited.
func AwaitFormerDirtyRate() migration.Step {
	return afterDirtyRate("await former-dirty-rate", func(ctx context.Context, p *migration.Pair, noted float64) error {
		least := noted / 2
		rate := fmt.Sprintf("at least %.0f MB a second", least/MB)
		return awaitDirtyRate(ctx, p, noted, rate, func(now float64) bool { return now >= least }, record.AtLeast(least/MB))
	})
}

func awaitDirtyRate(ctx context.Context, p *migration.Pair, noted float64, rate string, met func(now float64) bool, bounds record.Bounds) error {
	for {
		now, err := dirtyRate(ctx, p)
		if err != nil {
			return fmt.Errorf("waiting for the guest to dirty %s; it dirtied %.0f without a limit: %w", rate, noted/MB, err)
		}
		if met(now) {
			p.Measure("dirtied by the guest", now/MB, "MB a second", bounds)
			return nil
		}
	}
}

// SetVCPUDirtyLimit sets the limit for each vCPU, in MB a second, and reads it back. One
// that no guest reaches has pages logged, which takes time of its own, and holds nobody up.
func SetVCPUDirtyLimit(rate int) migration.Step {
	return migration.Step{Name: fmt.Sprintf("set-vcpu-dirty-limit %d", rate), Gives: []string{"set-vcpu-dirty-limit"}, Do: func(ctx context.Context, p *migration.Pair) error {
		if err := p.Source.Execute(ctx, "set-vcpu-dirty-limit", map[string]any{"dirty-rate": rate}); err != nil {
			return err
		}
		limits, err := dirtyLimits(ctx, p.Source)
		if err != nil {
			return err
		}
		if len(limits) != 1 || limits[0].Limit != rate {
			return fmt.Errorf("the limit was set to %d MB a second and reads back %+v", rate, limits)
		}
		return nil
	}}
}

// CancelVCPUDirtyLimit lifts the limit.
func CancelVCPUDirtyLimit() migration.Step {
	return migration.Step{Name: "cancel-vcpu-dirty-limit", Wants: []string{"set-vcpu-dirty-limit"}, Do: func(ctx context.Context, p *migration.Pair) error {
		if err := p.Source.Execute(ctx, "cancel-vcpu-dirty-limit", nil); err != nil {
			return err
		}
		limits, err := dirtyLimits(ctx, p.Source)
		if err == nil && len(limits) > 0 {
			err = fmt.Errorf("the limit was cancelled, and reads back %+v", limits)
		}
		return err
	}}
}

// A vcpuDirtyLimit is what query-vcpu-dirty-limit reports of a vCPU, in MB a second.
type vcpuDirtyLimit struct {
	Limit   int `json:"limit-rate"`
	Current int `json:"current-rate"`
}

func dirtyLimits(ctx context.Context, s *migration.Side) (limits []vcpuDirtyLimit, err error) {
	return limits, s.QMP().Execute(ctx, "query-vcpu-dirty-limit", nil, &limits)
}

// By what factor a time that the source reports may be another than the guest's writing says: the
// limit is adjusted once a second, and a busy host has the guest write in bursts. How long a ring
// takes to fill is by the most that the source ever found in a second.
const (
	dirtyLimitOff = 4
	ringFullLess  = 20
)

// ExpectDirtyLimitThrottle holds for how long the source says that it holds vCPUs up, and that they
// take to fill their rings, against what the guest dirties now, and did when that was noted.
func ExpectDirtyLimitThrottle() migration.Step {
	expect := afterDirtyRate("expect dirty-limit-throttle", func(ctx context.Context, p *migration.Pair, noted float64) error {
		ring, err := dirtyRing(p)
		if err != nil {
			return err
		}
		now, err := dirtyRate(ctx, p)
		if err != nil {
			return err
		}
		info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
		if err != nil {
			return err
		}
		if info.DirtyLimitThrottle == nil || info.DirtyLimitRingFull == nil {
			// A guest that gets little CPU dirties less than the limit by itself.
			return &migration.HostError{Cause: errors.New("the guest dirties less, and query-migrate has no dirty-limit-throttle-time-per-round")}
		}
		// Of a vCPU that is held up for longer than it was looked at, nothing was seen.
		round := ring / max(now, ring/dirtyRateWatched.Seconds()/2)
		around := func(seconds, less float64) record.Bounds {
			return record.Between(seconds*1e6/less, seconds*1e6*dirtyLimitOff)
		}
		p.Measure("time that vCPUs are held up, a round", float64(*info.DirtyLimitThrottle), "µs", around(round, dirtyLimitOff))
		p.Measure("time in which a vCPU fills its dirty ring", float64(*info.DirtyLimitRingFull), "µs", around(ring/noted, ringFullLess))
		return nil
	})
	expect.Wants = append([]string{"migrate", "enable dirty-limit"}, expect.Wants...)
	return expect
}

var dirtyRingSize = regexp.MustCompile(`\bdirty-ring-size=(\d+)`)

// dirtyRing is how many bytes a vCPU dirties until its ring is full: an entry is a page.
func dirtyRing(p *migration.Pair) (float64, error) {
	size := dirtyRingSize.FindStringSubmatch(p.Facts.Accel)
	if size == nil {
		return 0, fmt.Errorf("there is no dirty ring: the accelerator is %s", p.Facts.Accel)
	}
	entries, err := strconv.Atoi(size[1])
	return float64(entries) * ram.PageSize, err
}
