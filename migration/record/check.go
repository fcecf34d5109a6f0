package record

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// An Outcome is what a check, or a whole run, comes to.
type Outcome string

const (
	Pass    Outcome = "pass"
	Fail    Outcome = "fail"
	Unknown Outcome = "unknown" // the facts to judge by are not there
	Skip    Outcome = "skip"    // the host or the QEMU lacks what it takes
)

// A Verdict is the outcome of one check, with one sentence of witness.
type Verdict struct {
	Check   string
	Outcome Outcome
	Witness string
}

// A Check judges a record. Judge is a pure function.
type Check struct {
	Name string
	Doc  string // what holds where it passes
	Ends []Ending
	// Asked says whether the record calls for the check; nil means that each does.
	Asked func(r *Record) bool
	Judge func(r *Record) (Outcome, string)
}

// Checks returns the standard checks, in the order in which they are judged.
// The first asks whether the run can be judged at all.
func Checks() []Check {
	moved, stayed := []Ending{OnDestination}, []Ending{OnSource}
	everywhere := []Ending{OnDestination, OnSource, NoGuest, Lost}
	return []Check{
		{"story", "every step of the scenario did what it says", everywhere, nil, judgeStory},
		{"guest lives", "the workload's counter changes and its console speaks", append(moved, stayed...), nil, judgeLife},
		{"one life", "the source stopped once, before the destination ran, and never ran again", moved, nil, judgeOneLife},
		{"events", "the migration's statuses came in an order that they may have, on both sides", moved, nil, judgeSequence},
		{"reported", "what QEMU says of the migration agrees with its events and with the link", moved, func(r *Record) bool { return r.Migration != nil }, judgeReported},
		{"counts", "what the source reports of RAM adds up", moved, func(r *Record) bool { return r.Migration != nil }, judgeCounts},
		{"bandwidth", "no more went over the link than max-bandwidth allows", moved, func(r *Record) bool { return len(r.Paced) > 0 }, judgeBandwidth},
		{"failure", "a source whose migration failed says why", stayed, nil, judgeFailure},
		{"fault", "a migration that was injured ends soon and says why, and the guest's RAM is as it was", everywhere, func(r *Record) bool { return r.Fault != nil }, judgeFault},
		{"standstill", "the guest stood still as long as both sides, the console and the limit say", moved, (*Record).stoodStill, judgeStandstill},
		{"quickest move", "a guest that moved several times stood still no longer than its pages take, at least once", moved, (*Record).movedOften, judgeQuickest},
		{"silence", "no QEMU reported an error while the guest moved", moved, (*Record).wentStraight, judgeSilence},
		{"stopped is still", "nothing changes on a destination that has been stopped", moved, nil, judgeStillness},
		{"workload", "the workload's invariant holds on every page, and all else in them is zero", moved, nil, judgeWorkload},
		{"memory", "RAM outside the workload's range equals the source's", moved, nil, judgeMemory},
		{"exact memory", "every byte of RAM was the same on both sides before the guest ran again", moved, func(r *Record) bool { return r.Exact != nil }, judgeExact},
		{"registers", "the processors' registers were the same on both sides before the guest ran again", moved, func(r *Record) bool { return r.Registers != nil }, judgeRegisters},
		{"measures", "what was measured lies within its bounds", everywhere, func(r *Record) bool { return len(r.Measures) > 0 }, judgeMeasures},
		{"devices", "what was written to devices' registers on the source stands in them where the guest is", append(moved, stayed...), func(r *Record) bool { return len(r.Devices) > 0 }, judgeDevices},
		{"clean end", "both QEMUs exit with status 0 when told to quit, and nothing is left", everywhere, nil, judgeEnd},
	}
}

// Judge applies to the record, and to those of its legs, every check that its ending
// calls for. A check that panics is unknown, never passed.
func Judge(r *Record) []Verdict {
	var verdicts []Verdict
	for i, leg := range r.Legs {
		for _, v := range Judge(leg) {
			v.Check = fmt.Sprintf("leg %d: %s", i+1, v.Check)
			verdicts = append(verdicts, v)
		}
	}
	for _, c := range Checks() {
		for _, e := range c.Ends {
			if e == r.Ends && (c.Asked == nil || c.Asked(r)) {
				verdicts = append(verdicts, c.apply(r))
			}
		}
	}
	return verdicts
}

func (c Check) apply(r *Record) (v Verdict) {
	v.Check = c.Name
	defer func() {
		if broken := recover(); broken != nil {
			v.Outcome, v.Witness = Unknown, fmt.Sprintf("the check itself broke: %v", broken)
		}
	}()
	v.Outcome, v.Witness = c.Judge(r)
	return v
}

// Worst is the outcome of a run: fail where any check failed, else unknown
// where any is unknown, else pass. A run without verdicts is unknown.
func Worst(verdicts []Verdict) Outcome {
	if len(verdicts) == 0 {
		return Unknown
	}
	worst := Pass
	for _, v := range verdicts {
		switch {
		case v.Outcome == Fail:
			return Fail
		case v.Outcome != Pass:
			worst = Unknown
		}
	}
	return worst
}

func unknown(what string) (Outcome, string) { return Unknown, what + " was not gathered" }

func fail(format string, args ...any) (Outcome, string) { return Fail, fmt.Sprintf(format, args...) }

func pass(format string, args ...any) (Outcome, string) { return Pass, fmt.Sprintf(format, args...) }

func judgeStory(r *Record) (Outcome, string) {
	if r.Error != "" {
		return Fail, r.Error
	}
	if len(r.Steps) == 0 {
		return unknown("any step")
	}
	return pass("%d steps in %.2f s", len(r.Steps), r.Seconds)
}

func judgeLife(r *Record) (Outcome, string) {
	if r.Life == nil {
		return unknown("whether the guest lives")
	}
	for _, l := range r.EarlierLives {
		if outcome, witness := l.Judge(); outcome != Pass {
			return outcome, witness
		}
	}
	return r.Life.Judge()
}

// Judge says whether the guest lives.
func (l LifeFacts) Judge() (Outcome, string) {
	switch {
	case !l.Running:
		return fail("the %s does not run: its status is %s", l.Side, l.Status)
	case l.Before == l.After:
		return fail("the byte at %#x on the %s stayed %d for %.1f s, where the workload counts it up", l.Before.Address, l.Side, l.Before.Value, l.Seconds)
	case l.Unexpected != "":
		return fail("the %s's console says %q, where the workload only says its heartbeat", l.Side, l.Unexpected)
	case l.Heartbeats == 0:
		return fail("the %s's console says nothing, where the workload says its heartbeat", l.Side)
	}
	return pass("the byte at %#x went from %d to %d, and the console spoke", l.Before.Address, l.Before.Value, l.After.Value)
}

func judgeOneLife(r *Record) (Outcome, string) {
	if r.Stand == nil || r.Source == nil || r.Destination == nil {
		return unknown("what became of the source")
	}
	if lost := r.Source.EventsLost + r.Destination.EventsLost; lost > 0 {
		return Unknown, fmt.Sprintf("%d events were lost", lost)
	}
	source := since(r.Source.leaving(), r.Source.Events)
	stops, resumes := named(source, "STOP"), named(r.Destination.Events, "RESUME")
	if len(stops) != 1 {
		return fail("the source stopped %d times, where once was expected", len(stops))
	}
	if len(resumes) != 1 {
		return fail("the destination resumed %d times, where once was expected", len(resumes))
	}
	if again := named(source, "RESUME"); len(again) > 0 {
		return fail("the source ran again at %s, after it had given its guest away", clock(again[0].Time))
	}
	if !stops[0].Time.Before(resumes[0].Time) {
		return fail("the destination ran from %s, and the source stopped only at %s", clock(resumes[0].Time), clock(stops[0].Time))
	}
	return judgeStand(r.Stand, r.SharedRAM, resumes[0].Time.Sub(stops[0].Time))
}

func judgeStand(s *StandFacts, shared bool, gap time.Duration) (Outcome, string) {
	switch {
	case s.Status != "postmigrate" || s.Running:
		return fail("the source's status at completion is %s, expected postmigrate", runState(s.Status, s.Running))
	case s.StatusAtEnd == "":
		return unknown("the source's status at the end")
	case s.StatusAtEnd != "postmigrate" || s.RunningEnd:
		return fail("the source's status at the end is %s, expected postmigrate", runState(s.StatusAtEnd, s.RunningEnd))
	case s.Before != s.After && !shared:
		return fail("the byte at %#x on the source went from %d to %d after the migration, so its guest ran", s.Before.Address, s.Before.Value, s.After.Value)
	}
	return pass("the source stopped %s before the destination ran, and stands in postmigrate", gap)
}

func runState(status string, running bool) string {
	if running {
		return status + " (running)"
	}
	return status
}

func named(events []EventFacts, name string) []EventFacts {
	var found []EventFacts
	for _, e := range events {
		if e.Name == name {
			found = append(found, e)
		}
	}
	return found
}

// since leaves out the events before the time given.
func since(began time.Time, events []EventFacts) []EventFacts {
	return slices.DeleteFunc(slices.Clone(events), func(e EventFacts) bool { return e.Time.Before(began) })
}

// leaving is when the guest was first made to leave.
func (s *SideFacts) leaving() time.Time {
	if !s.Stopped.IsZero() {
		return s.Stopped
	}
	return s.Began
}

func clock(t time.Time) string { return t.Format("15:04:05.000000") }

func judgeStillness(r *Record) (Outcome, string) {
	s := r.Stillness
	switch {
	case s == nil || s.Pages == 0:
		return unknown("whether the stopped destination stands still")
	case s.Changed > 0:
		return fail("%d of %d pages changed within %.2f s on the destination, which had been stopped; the first: that at %#x",
			s.Changed, s.Pages, s.Seconds, s.First)
	case s.Running:
		return fail("the destination's status is %s (running), and it had been stopped", s.Status)
	}
	return pass("no byte of %d pages changed within %.2f s", s.Pages, s.Seconds)
}

func judgeMemory(r *Record) (Outcome, string) {
	return r.Memory.judge("RAM outside the workload")
}

func judgeExact(r *Record) (Outcome, string) {
	return r.Exact.judge("all of RAM, before the guest ran again,")
}

func (m *MemoryFacts) judge(what string) (Outcome, string) {
	switch {
	case m == nil || m.Compared == 0:
		return unknown("the memory of both sides")
	case m.DifferentTotal > 0 && len(m.Different) > 0:
		d := m.Different[0]
		return fail("%d bytes of %s differ; the first: at %#x the source has %#02x and the destination %#02x",
			m.DifferentTotal, what, d.Address, d.Source, d.Destination)
	case m.DifferentTotal > 0:
		return fail("%d bytes of %s differ", m.DifferentTotal, what)
	}
	return pass("%d bytes of %s are the same on both sides", m.Compared, what)
}

func judgeEnd(r *Record) (Outcome, string) {
	t := r.Teardown
	if t == nil || len(t.Exits) == 0 {
		return unknown("how the QEMUs ended")
	}
	for _, e := range t.Exits {
		if !e.Clean {
			return fail("the %s ended with %s when told to quit, expected exit status 0: %s", e.Side, e.State, e.Reason)
		}
	}
	if len(t.Left) > 0 {
		return fail("left behind: %s", strings.Join(t.Left, ", "))
	}
	return pass("exit status 0, and nothing left behind")
}
