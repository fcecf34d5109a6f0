package record

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/drover-vm/drover/fixtures"
)

// A bug is one of QEMU's that a guest may meet or not.
type bug struct {
	arch    string // of the guest that meets it; "" is any
	accel   string // that has it, of the source's QEMU; "" is any
	hot     bool   // it takes a guest that writes the same pages all the time
	needs   Fact   // it is seen only by a run that gathers this; "" is any
	program string // which guest program shows it; "" is any
	since   int    // the first major version with it; 0 is all older ones
	fixedIn int    // the first major version without it; 0 where none is known
	last    int    // then the last major version that is known to have it: a newer one shows itself
	what    string
	// loses says whether a check failed that fails where the bug was met, and only in the way
	// that it does then.
	loses func(r *Record, check string) bool
}

// bugs are those for which a loss is no failure of the run. There are no others, whatever a
// record says.
func bugs() []bug {
	return []bug{
		// It does not look again, after a synchronisation of the dirty bitmap, at writes to
		// pages that stay in TCG's TLB (fixed by 03bfc2188f06).
		{
			accel: "tcg", hot: true, fixedIn: 9, loses: (*Record).lostHotWrites,
			what: "under TCG it loses writes to pages that the guest writes all the time",
		},
		// vmstate_s390_cpu has env.psw.mask, and neither env.cc_op nor what it is computed from.
		{
			arch: "s390x", accel: "tcg", needs: FactRegisters, last: 11, loses: (*Record).lostConditionCode,
			what: "under TCG the condition code of a vCPU does not arrive",
		},
		// hreg_store_msr lets no guest change the bit since 678b6f1af75e, and cpu_post_load,
		// which inverts every bit first to have them all set anew, is such a guest.
		{
			arch: "ppc64", accel: "tcg", needs: FactRegisters, since: 9, last: 11, loses: (*Record).lostMachineCheckEnable,
			what: "under TCG the bit ME of a vCPU's MSR does not arrive",
		},
		// ps2_queue goes around at 16 bytes, and ps2_common_post_load at the 256 of the buffer:
		// what stands behind the turn is read from where nothing was ever written.
		{
			needs: FactPulse, fixedIn: 7, loses: (*Record).lostKeys,
			what: "of what waits in the PS/2 keyboard's queue, the bytes behind its turn do not arrive",
		},
		// notdirty_write looks whether a page is dirty, and then lets the TLB write to it unseen: a
		// synchronisation of the dirty bitmap between these two leaves it so until the next. It
		// takes a host that gives the vCPU's thread no CPU just there.
		{
			accel: "tcg", needs: FactPulse, last: 11, loses: (*Record).lostLastWrites,
			what: "under TCG on a busy host a page may arrive without what was last written to it",
		},
		// The clock is loaded before the interrupt controllers, and its timer runs while the
		// destination waits for their part of the stream: the interrupt that it raises is gone when
		// they are loaded, and register C, which says that it came, keeps the next from being raised.
		{
			program: fixtures.PulseAlarm, since: 10, last: 11, loses: (*Record).lostAlarm,
			what: "a PC's real-time clock whose alarm comes while the devices' state is on its way may never raise another",
		},
	}
}

// in reports whether a version of QEMU has the bug.
func (b bug) in(version string) bool {
	side := SideFacts{Version: version}
	newest := b.fixedIn
	if newest == 0 {
		newest = b.last + 1
	}
	return side.olderThan(newest) && !side.olderThan(b.since)
}

// String is a clause, behind a version.
func (b bug) String() string {
	if b.fixedIn == 0 {
		return "has a known bug: " + b.what
	}
	return fmt.Sprintf("has a known bug, fixed in %d.0: %s", b.fixedIn, b.what)
}

// bugsOf are those that the source's QEMU may show to that record's guest; hot is whether
// the guest writes some pages all the time (fixtures.Program.Hot).
func (r *Record) bugsOf(hot bool) (all []bug) {
	if r == nil || r.Source == nil {
		return nil
	}
	accel, _, _ := strings.Cut(r.Accel, ":") // "tcg: the default"
	for _, b := range bugs() {
		gathered := b.needs == "" || slices.Contains(r.Gathers, b.needs) || r.isLeg // which does not say what it gathers
		if (b.accel == "" || b.accel == accel) && (b.arch == "" || b.arch == r.Arch) && (b.program == "" || b.program == r.Program) && (hot || !b.hot) && gathered && b.in(r.Source.Version) {
			all = append(all, b)
		}
	}
	return all
}

// KnownBug is what the source's QEMU is known to do to the guest of that record, by its
// target, accelerator, version and what is gathered of it; hot is whether the guest writes
// some pages all the time (fixtures.Program.Hot). "" for nothing.
func KnownBug(r *Record, hot bool) string { return namesOf(r, r.bugsOf(hot)) }

func namesOf(r *Record, all []bug) string {
	var clauses []string
	for _, b := range all {
		if clause := b.String(); !slices.Contains(clauses, clause) {
			clauses = append(clauses, clause)
		}
	}
	if clauses == nil {
		return ""
	}
	return "QEMU " + r.Source.Version + " " + strings.Join(clauses, ", and ")
}

// MissesHotWrites says whether the source's QEMU is known not to see each write to a page
// that its guest writes all the time: it then believes that there is less to send than there
// is. hot is as for [KnownBug].
func MissesHotWrites(r *Record, hot bool) bool {
	return slices.ContainsFunc(r.bugsOf(hot), func(b bug) bool { return b.hot })
}

// knownBugs are what the source's QEMU is known to do to the guest of that record, by the
// facts that it holds.
func (r *Record) knownBugs() []bug {
	if r == nil || r.Source == nil {
		return nil
	}
	p := r.program()
	return r.bugsOf(p.Hot || r.isLinux() || r.Workload != nil && p.Stride > 0 && p.Over(r.hotPages()).Hot && r.Workload.Range == p.Over(r.hotPages()).Workload())
}

// KnownBugOf is their text; "" for none.
func KnownBugOf(r *Record) string { return namesOf(r, r.knownBugs()) }

// lostHotWrites says whether a check failed that fails when writes to hot pages are lost,
// and only for such pages.
func (r *Record) lostHotWrites(check string) bool {
	if r.isLinux() {
		return r.linuxLossOf(check)
	}
	switch check {
	case "guest lives": // a paused guest has not lost what it wrote
		return r.Life != nil && r.Life.Running
	case "workload":
		return true
	case "memory": // a firmware that has lost what lay on its stacks writes anywhere before it dies
		outcome, _ := judgeLife(r)
		return r.program().PromEnv != "" && outcome == Fail && r.Life.Running
	case "exact memory":
		p := r.program()
		hot := append([]fixtures.Range{p.Workload()}, p.Scratch...)
		return r.Exact != nil && len(r.Exact.Different) > 0 && !slices.ContainsFunc(r.Exact.Different, func(d Difference) bool {
			return !slices.ContainsFunc(hot, func(h fixtures.Range) bool { return h.Contains(d.Address) })
		})
	}
	return false
}

// lostConditionCode says whether of all registers only the PSW differs, and of that only the
// condition code, which is 0 on the destination.
func (r *Record) lostConditionCode(check string) bool {
	return check == "registers" && r.everyDifference(onlyPSW, func(source, destination uint64) bool {
		const conditionCode = 3 << 44
		return destination == source&^conditionCode
	})
}

// lostMachineCheckEnable says whether of all registers only the MSR differs, and of that
// only ME, which is 0 on the destination.
func (r *Record) lostMachineCheckEnable(check string) bool {
	return check == "registers" && r.everyDifference(onlyMSR, func(source, destination uint64) bool {
		const machineCheckEnable = 1 << 12
		return destination == source&^machineCheckEnable
	})
}

// lostKeys says whether all that the guest program has noticed is an answer of the keyboard
// whose last bytes are 0.
func (r *Record) lostKeys(check string) bool {
	if check != "pulse" {
		return false
	}
	const one, two = 0xff, 0xffff // bytes of the answer
	p, lost := r.program(), false
	bitsOf := func(name string) []string {
		i := slices.IndexFunc(p.Table, func(of fixtures.Word) bool { return of.Name == name })
		if i < 0 {
			return nil
		}
		return p.Table[i].Bits
	}
	for _, f := range r.Pulse {
		right := f.rightOnce(p, func(w *PulseWord) {
			bit := slices.Index(bitsOf(w.Name), fixtures.KeyboardQueue)
			if bit >= 0 && w.Bit == uint32(bit) && w.Expected != w.Found && (w.Found == w.Expected&^one || w.Found == w.Expected&^two) {
				w.Last &^= 1 << bit
				lost = true
			}
		})
		if !right {
			return false
		}
	}
	return lost
}

// lostLastWrites says whether, on a busy host, all that the guest program has noticed is counts
// that are older than what the source left.
func (r *Record) lostLastWrites(check string) bool {
	if check != "pulse" || r.busy() == "" {
		return false
	}
	return !slices.ContainsFunc(r.Pulse, func(f PulseFacts) bool { return !f.onlyWentBack(r.program()) })
}

// lostAlarm says whether all that is wrong is an alarm which has stopped on the destination, its
// clock's only interrupt, where the devices' state may have been on its way for long.
func (r *Record) lostAlarm(check string) bool {
	if check != "pulse" || r.busy() == "" && !r.linkStalled() {
		return false
	}
	return !slices.ContainsFunc(r.Pulse, func(f PulseFacts) bool {
		return !f.rightOnce(r.program(), func(w *PulseWord) {
			if f.Arrived && w.Name == fixtures.RTCAlarm && w.Last == w.First {
				w.Last++
			}
		})
	})
}

// What CompareRegisters says of a PSW or an MSR: the value and the rest of the line, of both
// sides.
var (
	onlyPSW = regexp.MustCompile(`^the source has (?:CPU#\d+ )?PSW=mask([0-9a-f]{16})addr([0-9a-f]{16}), the destination mask([0-9a-f]{16})addr([0-9a-f]{16})$`)
	onlyMSR = regexp.MustCompile(`^the source has (?:CPU#\d+ )?MSR=([0-9a-f]{16})(HID\w*), the destination ([0-9a-f]{16})(HID\w*)$`)
)

// everyDifference says whether each register that differs is of that form, with the same
// behind its value on both sides, and the values as like says.
func (r *Record) everyDifference(form *regexp.Regexp, like func(source, destination uint64) bool) bool {
	if r.Registers == nil || len(r.Registers.Different) == 0 {
		return false
	}
	return !slices.ContainsFunc(r.Registers.Different, func(sentence string) bool {
		m := form.FindStringSubmatch(sentence)
		if m == nil || m[2] != m[4] {
			return true
		}
		source, err1 := strconv.ParseUint(m[1], 16, 64)
		destination, err2 := strconv.ParseUint(m[3], 16, 64)
		return err1 != nil || err2 != nil || !like(source, destination)
	})
}

// knownLoss is the bugs that explain everything that did not pass; "" where there is
// something else, or where no migration of the run claims any.
func (r *Record) knownLoss(all []way) string {
	var of *Record
	var met []bug
	for _, w := range all {
		for _, v := range w.verdicts {
			if v.Outcome == Pass || v.Outcome == NotApplicable {
				continue
			}
			if v.Outcome == Unknown && r.Error != "" {
				continue // what the steps were to gather that did not come any more
			}
			known := w.record.knownBugs()
			i := slices.IndexFunc(known, func(b bug) bool { return (v.Outcome == Fail || w.record.isLinux()) && b.loses(w.record, v.Check) })
			if i < 0 {
				return ""
			}
			of, met = w.record, append(met, known[i])
		}
	}
	if of == nil || !slices.ContainsFunc(all, func(w way) bool { return w.record.KnownBug != "" }) {
		return ""
	}
	return namesOf(of, met)
}
