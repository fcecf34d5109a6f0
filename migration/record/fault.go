package record

import (
	"cmp"
	"slices"
	"time"
)

// FaultFacts are what was done to a migration on purpose, and what became of it and
// of the guest on the source.
type FaultFacts struct {
	What    string    // cut at byte 1000 of connection 1
	At      time.Time // when it happened
	Status  string    // of the migration, on the source, once it had noticed
	Noticed time.Time
	Desc    string // the source's error-desc
	// Unnamed says that QEMU need not report why: after a fault at switchover or in
	// postcopy, 5.2 and 7.2 don't.
	Unnamed bool `json:",omitempty"`
	// Twice says that the source may report twice on end that it failed: with multifd, 7.2
	// and 10.0 do, once for the channel and once for the migration.
	Twice bool `json:",omitempty"`
	// What the workload works on, as found on the source, stopped, after it had
	// noticed. Nil where the guest is not to run there again.
	RAM *WorkloadFacts `json:",omitempty"`
}

// judgeFault: a migration into which a fault was injected fails soon, reports why, and
// costs the guest nothing.
func judgeFault(r *Record) (Outcome, string) {
	f := r.Fault
	if f == nil || f.Noticed.IsZero() || f.At.IsZero() || f.Status == "" || f.What == "" || r.Source == nil {
		return unknown("whether the source noticed what was done to the migration")
	}
	took := ms(f.Noticed.Sub(f.At))
	switch {
	case took > r.allow(noticedWithin):
		return r.late("the source's migration went to %s only %.1f s after it was %s", f.Status, took/1000, f.What)
	case took < -r.allow(noticedBefore):
		return unsure("the source's migration went to %s %.1f s before it was %s", f.Status, -took/1000, f.What)
	case !slices.Contains(statuses(r.Source.Events), f.Status):
		return unsure("the source's migration went to %s when it was %s, and none of its events says so", f.Status, f.What)
	case f.Desc == "" && !f.Unnamed:
		return fail("the source's migration went to %s when it was %s, and its error-desc is empty", f.Status, f.What)
	}
	if twice := repeated(r.Source); twice != "" && !f.Twice {
		return fail("the source reported %s twice on end after its migration was %s", twice, f.What)
	}
	if f.RAM == nil && f.Status != "postcopy-paused" && r.Ends != Lost {
		return unknown("the workload's memory on the source after the migration was " + f.What)
	}
	if f.RAM != nil {
		if outcome, witness := f.RAM.judge(r.program(), r.Pages); outcome != Pass {
			return outcome, "on the source, after the migration was " + f.What + ": " + witness
		}
	}
	return pass("%s within %.2f s of being %s: %s", f.Status, max(0, took)/1000, f.What, cmp.Or(f.Desc, "no reason is reported"))
}

// repeated is the first migration status that a side reported twice on end, in all that
// it reported, "" where there is none.
func repeated(s *SideFacts) string {
	last := ""
	for _, status := range statuses(s.Events) {
		if status == last {
			return status
		}
		last = status
	}
	return ""
}
