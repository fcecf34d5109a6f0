//go:build linux && (amd64 || arm64)

package main

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"time"
)

// cpuWorker has threads, one on each vCPU, that fill the registers with values which follow from
// a number, loop for some milliseconds without touching memory, and then look whether they are
// still in them.
//
// The option cpu is the share of the time in which they do, in percent.
type cpuWorker struct{}

// cpuWorkers is the worker, where there is assembly for it.
func cpuWorkers() []Worker { return []Worker{cpuWorker{}} }

func (cpuWorker) Name() string { return "cpu" }

const (
	cpuShare = 10                    // percent
	cpuHold  = 10 * time.Millisecond // a time: the collector of the Go runtime waits as long
	cpuCalls = 3                     // times in a row, so that a thread has the vCPU for long
)

// A registerSet is what the assembly for an architecture holds, on one thread.
type registerSet interface {
	// hold fills the registers, loops so many times, and returns those that have another
	// value then.
	hold(seed, spins uint64) []register
	// size is how many registers it holds.
	size() int
}

// A part is a register's place in an area that has many: that of XSAVE, or one of SVE's.
type part struct {
	name      string
	at, bytes int
}

// A register has a value, the lowest byte first.
type register struct {
	name        string
	want, found []byte
}

func (r register) String() string {
	return fmt.Sprintf("%s: expected %s, found %s", r.name, hexadecimal(r.want), hexadecimal(r.found))
}

// hexadecimal writes a number whose lowest byte is first.
func hexadecimal(bytes []byte) string {
	reversed := slices.Clone(bytes)
	slices.Reverse(reversed)
	return fmt.Sprintf("%#x", reversed)
}

// compare adds a register to those that are wrong, where it is.
func compare(wrong []register, name string, want, found []byte) []register {
	if slices.Equal(want, found) {
		return wrong
	}
	return append(wrong, register{name, slices.Clone(want), slices.Clone(found)})
}

func (cpuWorker) Run(ctx context.Context, w *Witness) error {
	vcpus, share := vcpusOnline(), min(max(number(w.Option("cpu"), cpuShare), 1), 100)
	all := newRounds(len(vcpus), w)
	return onEach(vcpus, func(i int) {
		registers := newRegisterSet()
		w.Set("registers", uint64(registers.size()))
		spins, seed := uint64(10_000), uint64(vcpus[i])<<32
		for ctx.Err() == nil {
			began := clock(clockMonotonic)
			for range cpuCalls {
				seed++
				start := clock(clockMonotonic)
				for _, r := range registers.hold(seed, spins) {
					w.Complain("a register of vCPU %d changed in the %.1f ms in which a thread held it: %s",
						vcpus[i], float64((clock(clockMonotonic)-start).Microseconds())/1000, r)
				}
				spins = spinsFor(spins, clock(clockMonotonic)-start)
			}
			took := clock(clockMonotonic) - began
			w.Add("holds", cpuCalls)
			w.Add("held-us", uint64(max(took, 0).Microseconds()))
			all.done(i)
			pause := min(took, 2*cpuCalls*cpuHold) * time.Duration(100-share) / time.Duration(share)
			rest(ctx, min(pause, time.Second))
		}
	})
}

// spinsFor is how many times to loop so that it takes cpuHold, where so many took that long. A
// busy host, and a guest that was paused, make it take longer: so it changes slowly.
func spinsFor(spins uint64, took time.Duration) uint64 {
	switch {
	case took < cpuHold/2:
		return spins * 2
	case took > 2*cpuHold && spins > 20_000:
		return spins / 2
	}
	return spins
}

// mixed are numbers without a pattern, each of which follows from the last.
type mixed uint64

func (m *mixed) next() uint64 {
	*m += 0x9e3779b97f4a7c15
	x := uint64(*m)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return bits.RotateLeft64(x, 31)
}

func (m *mixed) fill(bytes []byte) {
	for i := range bytes {
		bytes[i] = byte(m.next() >> 20)
	}
}
