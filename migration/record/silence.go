package record

import "strings"

// judgeSilence demands that no QEMU has reported an error since the migration began.
// One whose connection was lost on the way may.
func judgeSilence(r *Record) (Outcome, string) {
	for _, side := range []struct {
		name string
		*SideFacts
	}{{"source", r.Source}, {"destination", r.Destination}} {
		if side.SideFacts == nil {
			return unknown("what the " + side.name + " said")
		}
		for line := range strings.Lines(strings.TrimPrefix(side.Stderr, side.SaidBefore)) {
			if line = strings.TrimSpace(line); isError(line) && !r.mayComplain(line) {
				return fail("the %s complained: %q", side.name, line)
			}
		}
	}
	return pass("no QEMU reported an error")
}

// isError says whether a line of QEMU's error output is what error_report writes: its
// name, and what is wrong. Warnings say so, and qemu-io's answers begin otherwise.
func isError(line string) bool {
	name, said, _ := strings.Cut(line, " ")
	return strings.HasSuffix(name, ":") && name != "warning:" && name != "info:" &&
		!strings.HasPrefix(said, "warning:") && !strings.HasPrefix(said, "info:")
}

// mayComplain says whether a complaint is known, and tells of nothing that is wrong: when
// all has come, a source of 10.0 may close the connection for urgent pages without a
// farewell while the destination still reads it.
func (r *Record) mayComplain(line string) bool {
	return r.isPostcopy() && strings.HasSuffix(line, "The TLS connection was non-properly terminated.")
}

// wentStraight says whether nothing interrupted the last migration.
func (r *Record) wentStraight() bool {
	return r.Source != nil && count(statuses(since(r.Source.Began, r.Source.Events)), "postcopy-paused") == 0
}
