package record

import (
	"maps"
	"slices"
	"strings"
)

// usesWithoutInterrupt is how often a device may have served a worker between two looks without
// a further interrupt: what it was interrupted for before the first may be noted after it.
const usesWithoutInterrupt = 3

// judgeInterrupts wants what was used between two looks, or is waited for, to have interrupted
// its vCPU: irqs:NAME are how often it has, uses:NAME how often it has served a worker, and
// waits:NAME is 1 where a worker waits for it.
func judgeInterrupts(r *Record, w *WorkerFacts) (Outcome, string) {
	var used []string
	timers := 0
	for _, count := range slices.Sorted(maps.Keys(w.After)) {
		name, counted := strings.CutPrefix(count, "irqs:")
		before, there := w.Before[count]
		if !counted || !there { // it is new
			continue
		}
		after, uses, waits := w.After[count], w.After["uses:"+name], w.After["waits:"+name] > 0
		uses -= min(uses, w.Before["uses:"+name])
		switch {
		case after > before:
			used = append(used, name)
			if strings.HasPrefix(name, "the timer of vCPU ") {
				timers++
			}
		case waits, uses > usesWithoutInterrupt:
			why := "while a worker waits for one"
			if !waits {
				why = "though it has served a worker"
			}
			return r.late("%s no longer interrupts the guest on the %s: its interrupts were %d, and then %d, %s", name, r.Linux.Side, before, after, why)
		}
	}
	if timers == 0 {
		return unknown("how often a vCPU's timer has interrupted it")
	}
	return pass("interrupts went on of %s", strings.Join(used, ", "))
}
