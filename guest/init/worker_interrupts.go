//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// interruptsWorker looks at how many interrupts the kernel has counted of what the other workers
// use: their devices, and the timer of each vCPU. One that interrupts no longer while a worker
// waits for it, or is served, has gone quiet. What no worker uses may be as quiet as it likes.
type interruptsWorker struct{}

func (interruptsWorker) Name() string { return "interrupts" }

const (
	interruptsEvery = 200 * time.Millisecond
	// A round waits so long for an interrupt of each.
	interruptsRound = 2 * time.Second
	// One that is quiet has been so long, while the worker itself went on, and so many times as
	// long as any that was not quiet for good.
	interruptsQuiet = 4 * time.Second
	interruptsTimes = 4
	// Looks before one of which the kernel counts none is complained of.
	interruptsFound = 10
)

func timerOf(vcpu int) string { return "the timer of vCPU " + strconv.Itoa(vcpu) }

func (interruptsWorker) Run(ctx context.Context, w *Witness) error {
	watched := &interrupts{w: w, seen: map[*use]*interrupted{}, last: clock(clockMonotonic)}
	// What is used since the last look has been looked at when drover asks.
	w.whenAsked(func() { _ = watched.lookNow() }) // the next look says what is wrong
	for ctx.Err() == nil {
		if err := watched.lookNow(); err != nil {
			return err
		}
		rest(ctx, interruptsEvery)
	}
	return nil
}

// interrupts are what the worker knows of each use.
type interrupts struct {
	w       *Witness
	looking sync.Mutex
	last    time.Duration // when it was looked
	seen    map[*use]*interrupted
	longest time.Duration // that one was quiet that went on again
	waited  time.Duration // in this round
}

// An interrupted is what it knows of one.
type interrupted struct {
	count, served uint64        // when it was looked at last
	total         uint64        // that were counted, however often the kernel began anew
	quiet         time.Duration // it has been, in use
	grown         bool          // in this round
	looks         int           // at which there was no line for it
	complained    bool
}

func (i *interrupts) lookNow() error {
	i.looking.Lock()
	defer i.looking.Unlock()
	now := clock(clockMonotonic)
	all := i.w.uses.now()
	text, err := os.ReadFile("/proc/interrupts")
	if err != nil {
		return err
	}
	counted := parseInterrupts(string(text))
	if len(counted.cpus) == 0 {
		return errors.New("/proc/interrupts names no vCPU")
	}
	// A worker that got no time has not seen what happened in it.
	i.look(all, counted, min(now-i.last, 2*interruptsEvery))
	i.last = now
	return nil
}

// look looks at each, once more, after such a time.
func (i *interrupts) look(all []*use, counted countedInterrupts, after time.Duration) {
	i.waited += after
	still, seen := false, map[*use]*interrupted{}
	for _, u := range all {
		one := i.seen[u]
		if one == nil {
			one = &interrupted{}
		}
		seen[u] = one
		i.lookAt(u, one, counted, after)
		still = still || !one.grown
	}
	for u := range i.seen {
		if seen[u] == nil {
			i.w.Set("waits:"+u.name, 0)
		}
	}
	i.seen = seen
	i.w.Add("looks", 1)
	if still && i.waited < interruptsRound {
		return
	}
	i.waited = 0
	for _, one := range seen {
		one.grown = false
	}
	i.w.Round()
}

func (i *interrupts) lookAt(u *use, one *interrupted, counted countedInterrupts, after time.Duration) {
	served, waits := u.served.Load(), u.waits.Load()
	count, found := counted.of(u)
	if !found {
		if one.looks++; one.looks == interruptsFound {
			i.w.Complain("expected /proc/interrupts to count the interrupts of %s, found no line of %s in it", u.name, u.device)
		}
		return
	}
	i.w.Set("uses:"+u.name, served)
	i.w.Set("waits:"+u.name, map[bool]uint64{true: 1}[waits])
	switch {
	case count > one.count:
		one.total += count - one.count
		i.longest = max(i.longest, one.quiet)
		one.quiet, one.grown, one.complained = 0, true, false
	case count < one.count: // the kernel counts anew after a suspend, and not those of a vCPU that is gone
		one.total += count
		one.quiet = 0
	case served == one.served && !waits: // nobody uses it
		one.quiet, one.grown = 0, true
	default:
		one.quiet += after
		i.w.Max("longest-quiet-us", uint64(one.quiet.Microseconds()))
	}
	i.w.Set("irqs:"+u.name, one.total)
	if one.quiet > max(interruptsQuiet, interruptsTimes*i.longest) && !one.complained {
		one.complained = true
		why := "a worker waits for one"
		if !waits {
			why = fmt.Sprintf("a worker has been served %d times", served)
		}
		i.w.Complain("no interrupt of %s has come for %.1f s: expected their number to grow, found %d all the time, while %s", u.name, one.quiet.Seconds(), count, why)
	}
	one.count, one.served = count, served
}

// countedInterrupts is what /proc/interrupts says.
type countedInterrupts struct {
	cpus  []int // the number of each column's
	lines []interruptLine
}

// An interruptLine is one of its lines.
type interruptLine struct {
	label  string // in front of the colon: a number, or a kind
	counts []uint64
	names  []string // the words behind the counts
}

func parseInterrupts(text string) (c countedInterrupts) {
	for line := range strings.Lines(text) {
		label, rest, ok := strings.Cut(line, ":")
		if !ok && len(c.cpus) == 0 {
			for word := range strings.FieldsSeq(line) {
				if n, err := strconv.Atoi(strings.TrimPrefix(word, "CPU")); err == nil {
					c.cpus = append(c.cpus, n)
				}
			}
			continue
		}
		l := interruptLine{label: strings.TrimSpace(label)}
		for word := range strings.FieldsSeq(rest) {
			n, err := strconv.ParseUint(word, 10, 64)
			if err == nil && len(l.counts) < len(c.cpus) && len(l.names) == 0 {
				l.counts = append(l.counts, n)
				continue
			}
			l.names = append(l.names, strings.Trim(word, ","))
		}
		c.lines = append(c.lines, l)
	}
	return c
}

// of is how many interrupts of what is used are counted, and whether there is a line for it. On
// s390x the kernel counts those of all virtio devices together.
func (c countedInterrupts) of(u *use) (sum uint64, found bool) {
	if u.device == "" {
		return c.timer(u.vcpu)
	}
	together, all := uint64(0), false
	for _, l := range c.lines {
		switch {
		case l.isOf(u.device), slices.Contains(u.irqs, l.label):
			sum, found = sum+l.sum(), true
		case l.label == "VIR", l.label == "VAI":
			together, all = together+l.sum(), true
		}
	}
	if found {
		return sum, true
	}
	return together, all
}

// timer is how often a vCPU's own timer has interrupted it.
func (c countedInterrupts) timer(vcpu int) (sum uint64, found bool) {
	for _, l := range c.lines {
		if !l.isTimer() {
			continue
		}
		for column, n := range l.counts {
			if c.cpus[column] == vcpu {
				sum, found = sum+n, true
			}
		}
	}
	return sum, found
}

func (l interruptLine) isTimer() bool {
	if l.label == "LOC" || l.label == "CLK" { // x86_64 and ppc64; s390x
		return true
	}
	for _, name := range l.names {
		if name == "arch_timer" || name == "riscv-timer" {
			return true
		}
	}
	return false
}

// isOf says whether it is a device's line, or that of one of its queues: virtio1-input is of
// virtio1, and of virtio10 it is not.
func (l interruptLine) isOf(device string) bool {
	for _, name := range l.names {
		rest, ok := strings.CutPrefix(name, device)
		if ok && (rest == "" || rest[0] < '0' || rest[0] > '9') {
			return true
		}
	}
	return false
}

func (l interruptLine) sum() (sum uint64) {
	for _, n := range l.counts {
		sum += n
	}
	return sum
}
