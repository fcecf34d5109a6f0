package record

import (
	"cmp"
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
	// Unnamed says that QEMU need not say why: when it is hurt at switchover or in
	// postcopy, 5.2 and 7.2 don't.
	Unnamed bool `json:",omitempty"`
	// Twice says that the source may say twice on end that it failed: with multifd, 7.2
	// and 10.0 do, once for the channel and once for the migration.
	Twice bool `json:",omitempty"`
	// What the workload works on, as found on the source, stopped, after it had
	// noticed. Nil where the guest is not to run there again.
	RAM *WorkloadFacts `json:",omitempty"`
}

// Lost is the ending of a story in which the guest dies with the destination: both
// sides have a part of it, and neither may run it.
const Lost Ending = "lost"

// noticePatience is how long a source may take to notice that its migration has
// failed. It is told by its own next write to a connection that is broken, or by what
// the destination says when it ends.
const noticePatience = 5 * time.Second

// judgeFault: a migration that was injured fails soon, says why, and costs the guest
// nothing.
func judgeFault(r *Record) (Outcome, string) {
	f := r.Fault
	if f == nil || f.Noticed.IsZero() {
		return unknown("whether the source noticed what was done to the migration")
	}
	took := f.Noticed.Sub(f.At)
	switch {
	case took > noticePatience:
		return fail("the source's migration went to %s only %.1f s after it was %s", f.Status, took.Seconds(), f.What)
	case f.Desc == "" && !f.Unnamed:
		return fail("the source's migration went to %s when it was %s, and its error-desc says nothing", f.Status, f.What)
	}
	if twice := repeated(r.Source); twice != "" && !f.Twice {
		return fail("the source said %s twice on end after its migration was %s", twice, f.What)
	}
	if f.RAM != nil {
		if outcome, witness := f.RAM.judge(); outcome != Pass {
			return outcome, "on the source, after the migration was " + f.What + ": " + witness
		}
	}
	return pass("%s within %.2f s of being %s: %s", f.Status, took.Seconds(), f.What, cmp.Or(f.Desc, "it does not say why"))
}

// repeated is the first migration status that a side said twice on end, in all that it
// said, "" where there is none.
func repeated(s *SideFacts) string {
	if s == nil {
		return ""
	}
	last := ""
	for _, status := range statuses(s.Events) {
		if status == last {
			return status
		}
		last = status
	}
	return ""
}
