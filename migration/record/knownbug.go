package record

import (
	"fmt"
	"slices"
	"strings"

	"github.com/drover-vm/drover/fixtures"
)

// A bug is one of QEMU's that a guest may meet or not.
type bug struct {
	accel   string // that has it; of the source's QEMU
	hot     bool   // it takes a guest that writes the same pages all the time
	fixedIn int    // the first major version without it
	what    string
}

// bugs are those for which a loss is no failure of the run: known, and mended since. There
// are no others, whatever a record says.
func bugs() []bug {
	return []bug{
		// It does not look again, after a synchronisation of the dirty bitmap, at writes to
		// pages that stay in TCG's TLB (fixed by 03bfc2188f06).
		{accel: "tcg", hot: true, fixedIn: 9, what: "under TCG it loses writes to pages that the guest writes all the time"},
	}
}

// KnownBug is what a QEMU of that version is known to do to a guest under that accelerator;
// hot is whether the guest writes some pages all the time (fixtures.Program.Hot). "" for
// nothing.
func KnownBug(version, accel string, hot bool) string {
	accel, _, _ = strings.Cut(accel, ":") // "tcg: the default"
	side := SideFacts{Version: version}
	for _, b := range bugs() {
		if b.accel == accel && (hot || !b.hot) && side.olderThan(b.fixedIn) {
			return fmt.Sprintf("QEMU %s has a known bug, fixed in %d.0: %s", version, b.fixedIn, b.what)
		}
	}
	return ""
}

// KnownBugOf is what the source's QEMU is known to do to the guest of that record, by the
// facts that it holds; "" for nothing.
func KnownBugOf(r *Record) string {
	if r == nil || r.Source == nil {
		return ""
	}
	p := r.program()
	hot := p.Hot || r.isLinux() || r.Workload != nil && p.Stride > 0 && p.Over(r.hotPages()).Hot && r.Workload.Range == p.Over(r.hotPages()).Workload()
	return KnownBug(r.Source.Version, r.Accel, hot)
}

// lossOf says whether a check failed that fails when writes to hot pages are lost, and
// only for such pages.
func (r *Record) lossOf(check string) bool {
	if r.isLinux() {
		return r.linuxLossOf(check)
	}
	switch check {
	case "guest lives": // a paused guest has not lost what it wrote
		return r.Life != nil && r.Life.Running
	case "workload":
		return true
	case "exact memory":
		p := r.program()
		hot := append([]fixtures.Range{p.Workload()}, p.Scratch...)
		return r.Exact != nil && len(r.Exact.Different) > 0 && !slices.ContainsFunc(r.Exact.Different, func(d Difference) bool {
			return !slices.ContainsFunc(hot, func(h fixtures.Range) bool { return h.Contains(d.Address) })
		})
	}
	return false
}

// knownLoss is the bug that explains everything that did not pass; "" where there is none,
// or where the run did not claim it.
func (r *Record) knownLoss(all []way) (why string) {
	for _, w := range all {
		for _, v := range w.verdicts {
			if v.Outcome == Pass || v.Outcome == NotApplicable {
				continue
			}
			b := KnownBugOf(w.record)
			if b == "" || v.Outcome != Fail && !w.record.isLinux() || !w.record.lossOf(v.Check) {
				return ""
			}
			why = b
		}
	}
	if r.KnownBug == "" {
		return ""
	}
	return why
}
