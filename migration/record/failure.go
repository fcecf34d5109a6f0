package record

import "slices"

// FailureFacts are what the source reports of a migration that did not move its guest.
type FailureFacts struct {
	Status string
	Desc   string `json:",omitempty"` // why it failed, in QEMU's words
}

// judgeFailure: a migration that leaves its guest where it is has ended so, or never
// begun.
func judgeFailure(r *Record) (Outcome, string) {
	if r.Source == nil || r.Destination == nil {
		return unknown("what both sides did")
	}
	if ran := named(r.Destination.Events, "RESUME"); len(ran) > 0 {
		return fail("the destination ran at %s, and the guest was to stay on the source", clock(ran[0].Time))
	}
	last := ""
	if had := statuses(r.Source.Events); len(had) > 0 {
		last = had[len(had)-1]
	}
	switch f := r.Failure; {
	case f == nil:
		return unknown("what the source reports of the migration")
	case last != "" && f.Status != last:
		return fail("the source's query-migrate reports the status %q, and its last event was %s", f.Status, last)
	case f.Status != last && f.Status != "none":
		return unsure("the source's query-migrate reports the status %q, and no event told of it", f.Status)
	case !slices.Contains([]string{"", "none", "failed", "cancelled"}, f.Status):
		return fail("the source's migration status is %s, expected failed or cancelled: its guest was to stay", f.Status)
	case f.Status == "failed" && f.Desc == "":
		return fail("the source's migration status is failed, and its query-migrate does not say why")
	case f.Desc != "":
		return pass("the source's migration status is %s: %s", f.Status, f.Desc)
	default:
		return pass("the source's migration status is %q", f.Status)
	}
}
