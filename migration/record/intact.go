package record

import "time"

// FaultFacts are what was done to a migration on purpose, and what became of it and
// of the guest on the source.
type FaultFacts struct {
	What    string    // cut at byte 1000 of connection 1
	At      time.Time // when it happened
	Status  string    // of the migration, on the source, once it had noticed
	Noticed time.Time
	Desc    string // the source's error-desc
	// What the workload works on, as found on the source, stopped, after it had
	// noticed. Nil where the guest is not to run there again.
	RAM *WorkloadFacts `json:",omitempty"`
}

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
	case f.Desc == "":
		return fail("the source's migration went to %s when it was %s, and its error-desc says nothing", f.Status, f.What)
	}
	if f.RAM != nil {
		if outcome, witness := f.RAM.judge(); outcome != Pass {
			return outcome, "on the source, after the migration was " + f.What + ": " + witness
		}
	}
	return pass("%s within %.2f s of being %s: %s", f.Status, took.Seconds(), f.What, f.Desc)
}
