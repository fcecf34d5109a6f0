package record

import (
	"slices"
	"strings"
	"time"
)

// What was done on purpose to the guest, or to its stream, on its way. A check that a run can't
// be held to asks here why, so that what counts as such is written once.

// isPostcopy says whether the guest moved before its RAM had.
func (r *Record) isPostcopy() bool {
	return r.Source != nil && !first(r.Source.Events, "postcopy-active").IsZero()
}

// wentStraight says whether nothing interrupted the last migration.
func (r *Record) wentStraight() bool {
	return count(statuses(r.leavingEvents()), "postcopy-paused") == 0
}

// staged says whether the guest waited for somebody else than QEMU: stopped before it
// was sent, in a file, or on a destination that was told to wait.
func (r *Record) staged() bool {
	onSource, there := r.leavingEvents(), r.Destination.Events
	waited := r.Waits && !first(there, "RESUME").Before(first(there, "completed"))
	return waited || first(onSource, "STOP").Before(first(onSource, "setup")) ||
		first(there, "active").After(first(onSource, "completed"))
}

// linkStalled says whether the link was stalled for a time: then it decides when the guest runs.
func (r *Record) linkStalled() bool {
	return r.took("stall link for ")
}

// heldUp says whether a step of the run kept the sides from each other, so that what takes
// long is not QEMU's doing.
func (r *Record) heldUp() bool {
	return r.took("stall ", "hold ", "fault ", "limit link", "tap held", "listen nobody", "hand over", "load", "cut ", "reset link", "enter ")
}

// took says whether the run took a step whose name begins so.
func (r *Record) took(prefixes ...string) bool {
	return slices.ContainsFunc(r.Steps, func(s StepFacts) bool {
		return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(s.Name, prefix) })
	})
}

// resetAfter says whether the guest was reset on the source when it had told for the last time that
// it lives, or up to a second before: it may have been on its way still.
func (r *Record) resetAfter(last time.Time) bool {
	return slices.ContainsFunc(r.Source.Events, func(e EventFacts) bool {
		return e.Name == "RESET" && e.Time.After(last.Add(-time.Second))
	})
}

// wasSuspended says whether the guest was suspended (ACPI S3): it does not run by itself on arrival.
func (r *Record) wasSuspended() bool {
	return r.Source != nil && len(named(r.Source.Events, "SUSPEND")) > 0
}

// keptState is the run state of a guest that did not run when it was sent and can't be let
// run without booting, "" for others.
func (r *Record) keptState() string {
	switch {
	case r.Unlaunched:
		return "prelaunch"
	case r.Source != nil && len(named(r.Source.Events, "SHUTDOWN")) > 0:
		return "shutdown"
	}
	return ""
}
