package record

import (
	"time"

	"github.com/drover-vm/drover/fixtures"
)

// A Reading is one byte of guest memory.
type Reading struct {
	Address uint64
	Value   byte
}

// LifeFacts say whether the guest runs: two readings of the first byte that
// the workload counts up, and what the console brought in the meantime.
type LifeFacts struct {
	Side        string
	Running     bool   // by query-status
	Status      string // its run state
	Before      Reading
	After       Reading
	Seconds     float64 // between the readings
	Heartbeats  int     // on the console since it began to run there
	Unexpected  string  `json:",omitempty"` // what else was on the console
	PassSeconds float64 `json:",omitempty"` // how long one pass of the workload takes
	// Beats are the signs of life of a Linux guest, which has no such byte and whose console is
	// its kernel's: Heartbeats counts them. Nil for other guests.
	Beats *BeatFacts `json:",omitempty"`
	// Of a workload that several vCPUs share, the first byte of each further vCPU's part.
	Others []CounterFacts `json:",omitempty"`
}

// CounterFacts are two readings of a byte that a vCPU counts up.
type CounterFacts struct {
	VCPU          int
	Before, After Reading
}

// BeatFacts are the numbers of the last sign of life that had come when the look began, and
// when it ended; 0 where none had.
type BeatFacts struct{ Before, After uint64 }

// StandFacts are what the source did after it had given its guest away.
type StandFacts struct {
	Status      string // run state at completion
	Running     bool
	StatusAtEnd string // run state when everything else was done
	RunningEnd  bool
	Before      Reading // the workload's first byte at completion
	After       Reading // and at the end
}

// ProgramName is what a record's Program is for a guest program.
func ProgramName(p fixtures.Program) string {
	if p.Name == fixtures.Incrementer && p.Arch != "ppc64" {
		return ""
	}
	return p.Name
}

// program is the guest program that such a guest runs; its zero value where there is
// none for the target.
func (r *Record) program() fixtures.Program {
	name := r.Program
	if name == "" && r.Arch == "ppc64" { // which had no other when records had no name
		name = fixtures.Forth
	}
	p, err := fixtures.Named(name, r.Arch)
	if err != nil {
		return fixtures.Program{}
	}
	return p
}

func judgeLife(r *Record) (Outcome, string) {
	if r.Life == nil {
		return unknown("whether the guest lives")
	}
	want := "destination"
	if r.Ends == OnSource {
		want = "source"
	}
	for _, l := range append(r.EarlierLives[:len(r.EarlierLives):len(r.EarlierLives)], *r.Life) {
		if r.isLinux() != (l.Beats != nil) {
			return unsure("the guest's signs of life on the %s are not those of its kind", l.Side)
		}
		if outcome, witness := l.Judge(); outcome != Pass {
			return outcome, witness
		}
		if l.Side != "source" && l.Side != "destination" {
			return unsure("the guest was seen on the %q, which is no side", l.Side)
		}
		if outcome, witness := l.judgeOthers(r.program()); outcome != Pass {
			return outcome, witness
		}
		if counter := r.program().Counter(); l.Before.Address != counter || l.After.Address != counter {
			return unsure("the bytes at %#x and %#x on the %s were read, and the workload's counter is at %#x", l.Before.Address, l.After.Address, l.Side, counter)
		}
	}
	if r.Life.Side != want {
		return unsure("the guest was seen on the %q, and the %s is where it is to be", r.Life.Side, want)
	}
	return r.Life.Judge()
}

// judgeOthers says whether the vCPUs that share the workload go on, the first left out.
func (l LifeFacts) judgeOthers(p fixtures.Program) (Outcome, string) {
	parts := p.PartRanges()
	if len(l.Others) != len(parts)-1 {
		return unsure("%d vCPUs beside the first were looked at on the %s, and the guest program works on %d", len(l.Others), l.Side, len(parts)-1)
	}
	for i, o := range l.Others {
		switch at := parts[i+1].Start; {
		case o.VCPU != i+1 || o.Before.Address != at || o.After.Address != at:
			return unsure("of vCPU %d the bytes at %#x and %#x on the %s were read, and vCPU %d's counter is at %#x", o.VCPU, o.Before.Address, o.After.Address, l.Side, i+1, at)
		case o.Before == o.After:
			return fail("vCPU %d has stopped on the %s: the byte at %#x stayed %d for %.1f s, where it counts it up", o.VCPU, l.Side, at, o.Before.Value, l.Seconds)
		}
	}
	return Pass, ""
}

// Judge says whether the guest lives.
func (l LifeFacts) Judge() (Outcome, string) {
	switch {
	case !l.Running:
		return fail("the %s does not run: its status is %s", l.Side, l.Status)
	case l.Status != "running":
		return unsure("the %s runs by query-status, and its status is %q", l.Side, l.Status)
	case l.Beats != nil:
		return l.judgeBeats()
	case l.Before.Address != l.After.Address:
		return unsure("the byte at %#x on the %s was read, and then that at %#x", l.Before.Address, l.Side, l.After.Address)
	case l.Before == l.After:
		return fail("the byte at %#x on the %s stayed %d for %.1f s, where the workload counts it up", l.Before.Address, l.Side, l.Before.Value, l.Seconds)
	case l.Unexpected != "":
		return fail("on the %s's console is %q, where the workload's heartbeat is expected", l.Side, l.Unexpected)
	case l.Heartbeats == 0:
		return fail("nothing is on the %s's console, where the workload's heartbeat is expected", l.Side)
	case l.Heartbeats < 0 || l.Seconds < 0:
		return unsure("%d heartbeats in %g s were gathered on the %s", l.Heartbeats, l.Seconds, l.Side)
	}
	return pass("the byte at %#x went from %d to %d, and its console brought a heartbeat", l.Before.Address, l.Before.Value, l.After.Value)
}

func judgeOneSide(r *Record) (Outcome, string) {
	if r.Stand == nil && !r.Replaced || r.Source == nil || r.Destination == nil {
		return unknown("what became of the source")
	}
	if r.Source.Began.IsZero() {
		return unknown("when the migration was asked for")
	}
	source := since(r.Source.leaving(), r.Source.Events)
	stops, resumes := named(source, "STOP"), named(r.Destination.Events, "RESUME")
	switch {
	case r.Unlaunched && len(stops) > 0:
		return fail("the source stopped %d times a guest that had never run", len(stops))
	case r.Unlaunched && len(resumes) == 1:
		return r.judgeSource(resumes[0].Time.Sub(r.Source.Began))
	case !r.Unlaunched && len(stops) != 1:
		return fail("the source stopped %d times, expected once", len(stops))
	}
	if len(resumes) != 1 {
		return fail("the destination resumed %d times, expected once", len(resumes))
	}
	if again := named(source, "RESUME"); len(again) > 0 {
		return fail("the source ran again at %s, after it had given its guest away", clock(again[0].Time))
	}
	if !stops[0].Time.Before(resumes[0].Time) {
		return fail("the destination ran from %s, and the source stopped only at %s", clock(resumes[0].Time), clock(stops[0].Time))
	}
	return r.judgeSource(resumes[0].Time.Sub(stops[0].Time))
}

// judgeSource judges what the source did after it had given its guest away.
func (r *Record) judgeSource(gap time.Duration) (Outcome, string) {
	s, counter := r.Stand, r.program().Counter()
	switch {
	case s == nil: // its process is the destination's
		return pass("the source stopped %s before the destination ran, which its process executed in its place", gap)
	case s.Status != "postmigrate" || s.Running:
		return fail("the source's status at completion is %s, expected postmigrate", runState(s.Status, s.Running))
	case s.StatusAtEnd == "":
		return unknown("the source's status at the end")
	case s.StatusAtEnd != "postmigrate" || s.RunningEnd:
		return fail("the source's status at the end is %s, expected postmigrate", runState(s.StatusAtEnd, s.RunningEnd))
	case s.Before.Address != counter || s.After.Address != counter:
		return unsure("the bytes at %#x and %#x on the source were read, and the workload's counter is at %#x", s.Before.Address, s.After.Address, counter)
	case s.Before != s.After && !r.sharesRAM():
		return fail("the byte at %#x on the source went from %d to %d after the migration, so its guest ran", s.Before.Address, s.Before.Value, s.After.Value)
	}
	return pass("the source stopped %s before the destination ran, and is in postmigrate", gap)
}

func runState(status string, running bool) string {
	if running {
		return status + " (running)"
	}
	return status
}
