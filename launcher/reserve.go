package launcher

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/drover-vm/drover/host"
	"github.com/drover-vm/drover/internal/cachedir"
)

// SlotsVariable is the environment variable that says how many slots for VMs
// the user has on this machine; 0 means any number: nobody waits.
const SlotsVariable = "DROVER_SLOTS"

// What a machine can take where SlotsVariable says nothing. That is generous:
// it keeps a machine from being overloaded, not from being busy.
const (
	slotsPerCPU   = 8
	fewestSlots   = 16
	slotMemoryMiB = 256 // of the machine's memory, for each slot
)

// A Reservation is slots for VMs that need each other, of those that this machine has.
// The zero value has none: it is for VMs that are not to be counted.
type Reservation struct {
	slots []*os.File // each locked
	once  sync.Once
}

// Reserve waits until the machine has slots for VMs of all those configurations
// at once, among those of all the user's processes, and reserves those. Two VMs
// that are reserved one by one could each wait for the other's slot for ever;
// so whoever needs several reserves them together, hands the Reservation to
// Launch in each Config, and releases it when all are closed.
//
// A VM takes a slot, and more where its memory is more than a slot's part of
// the machine's. What is more than the whole machine takes all of it. The slots
// are locked files in the user's cache folder ($DROVER_CACHE, else ~/.cache), so
// those of a process that is killed are free. Where there is no such folder, or one
// that another user can change, nobody is counted, and nothing is touched there.
// DROVER_SLOTS sets the number of slots, 0 turns this off.
//
// Reservations are served one after another, so a large one isn't starved by
// small ones. The error is that of ctx, and its cause.
func Reserve(ctx context.Context, configs ...Config) (*Reservation, error) {
	m := thisMachine()
	want := 0
	for _, c := range configs {
		want += m.slotsOf(c.withDefaults())
	}
	return m.reserve(ctx, want, false)
}

// reserveOne is Reserve for a VM that came without a Reservation.
func reserveOne(ctx context.Context, c Config) (*Reservation, error) {
	m := thisMachine()
	return m.reserve(ctx, m.slotsOf(c), true)
}

// Release frees the slots. Only the first call does anything.
func (r *Reservation) Release() {
	r.once.Do(func() {
		for _, f := range r.slots {
			release(f)
		}
	})
}

// machine is what there is to share.
type machine struct {
	slots     int    // 0 = nobody counts
	memoryMiB int    // of a slot
	dir       string // of the locked files
}

func thisMachine() machine {
	m := machine{slots: max(fewestSlots, slotsPerCPU*int(math.Ceil(host.Processors().Usable())))}
	memory := host.MemoryState()
	total := memory.Total
	if memory.Limit > 0 {
		total = min(total, memory.Limit)
	}
	totalMiB := int(total >> 20)
	m.slots = max(2, min(m.slots, totalMiB/slotMemoryMiB)) // a pair always fits
	if n, err := strconv.Atoi(os.Getenv(SlotsVariable)); err == nil && n >= 0 {
		m.slots = n
	}
	if m.slots > 0 {
		m.memoryMiB = totalMiB / m.slots
	}
	folder, err := cachedir.Folder(os.Getenv)
	name, nameErr := os.Hostname() // a home may be shared among machines
	if err != nil || nameErr != nil {
		return machine{}
	}
	m.dir = filepath.Join(folder, "slots", filepath.Base(name))
	return m
}

// slotsOf is how many slots a VM takes.
func (m machine) slotsOf(c Config) int {
	if m.memoryMiB == 0 {
		return 1
	}
	return max(1, (c.MemoryMiB+m.memoryMiB-1)/m.memoryMiB)
}

// reserve waits for want slots. A process that may pass doesn't wait where it
// holds a slot already: else a few processes with one VM each, that all want
// another, would wait for ever.
func (m machine) reserve(ctx context.Context, want int, mayPass bool) (*Reservation, error) {
	want = min(want, m.slots)
	if want == 0 {
		return &Reservation{}, nil
	}
	q, err := m.queue()
	if err != nil {
		return &Reservation{}, nil // no place to count in
	}
	defer q.leave()
	for {
		switch {
		case mayPass && q.holding():
			return &Reservation{}, nil
		case q.collect(want):
			return &Reservation{slots: q.take()}, nil
		}
		if err := q.wait(ctx); err != nil {
			return nil, fmt.Errorf("launcher: waiting for %d of the %d slots that this machine has for VMs: %w; %s sets their number", want, m.slots, err, SlotsVariable)
		}
	}
}
