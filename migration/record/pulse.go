package record

import (
	"fmt"
	"slices"
	"strings"

	"github.com/drover-vm/drover/fixtures"
)

// PulseFacts are what a guest program says of its machine, in the words of its table
// (fixtures.Program.Table), at one look at a side.
type PulseFacts struct {
	Side    string
	Running bool   // by query-status
	Status  string // the run state
	VCPUs   int    // that the guest has, by QEMU's account
	// Arrived says that the guest came there by a migration: Source of each word is then what
	// the guest left on the source.
	Arrived bool
	// Seconds are between the first look, or where the guest has arrived its first moment
	// there, and the last.
	Seconds float64
	// Words are those that a guest with so many vCPUs writes, in the table's order; none of a
	// guest that does not run.
	Words []PulseWord `json:",omitempty"`
	// Slow says that what comes once a second was waited for as well; else it is not judged.
	Slow bool `json:",omitempty"`
}

// A PulseWord is what one word of the table held.
type PulseWord struct {
	Name   string
	Source uint32 // as the source's guest left it; elsewhere the same as First
	First  uint32 // at the first look
	Last   uint32
	// Of a bitmap that isn't 0, where two values tell: what the guest program expected and
	// found when it set the first bit, and which that is.
	Expected uint32 `json:",omitempty"`
	Found    uint32 `json:",omitempty"`
	Bit      uint32 `json:",omitempty"`
	// Of one whose program keeps them, and that isn't 0: the two words on top of its stack.
	Stack []uint32 `json:",omitempty"`
}

// leastMoves is by how much a word that counts up has to have grown: a round of the guest
// program begins with its count, so after two it has looked at everything.
const leastMoves = 2

// Moved says whether a word of the table that counts up has grown by enough, modulo 2^32:
// by 2, or by 1 where it is slow. Half of that, which none of them counts while it is watched,
// is the way back.
func (w PulseWord) Moved(of fixtures.Word) bool {
	moves := int32(w.Last - w.First)
	if of.Slow {
		return moves > 0
	}
	return moves >= leastMoves
}

// onlyWentBack says whether all is right, or would be if no word were older than what the
// source left.
func (f PulseFacts) onlyWentBack(p fixtures.Program) bool {
	return f.rightOnce(p, func(w *PulseWord) {
		if w.wentBack() {
			w.Source = w.First
		}
	})
}

// rightOnce says whether all is right once each word has been mended so.
func (f PulseFacts) rightOnce(p fixtures.Program, mend func(w *PulseWord)) bool {
	f.Words = slices.Clone(f.Words)
	for i := range f.Words {
		mend(&f.Words[i])
	}
	outcome, _ := f.Judge(p)
	return outcome == Pass
}

// wentBack says whether a word of a guest that has arrived is older than what the source left.
func (w PulseWord) wentBack() bool { return int32(w.First-w.Source) < 0 }

// mostVCPUs is more than any machine has.
const mostVCPUs = 1 << 16

func judgePulse(r *Record) (Outcome, string) {
	if len(r.Pulse) == 0 {
		return unknown("what the guest program says of its machine")
	}
	counted := 0
	for _, f := range r.Pulse {
		if outcome, witness := f.Judge(r.program()); outcome != Pass {
			return outcome, witness
		}
		counted = len(f.Words)
	}
	return pass("the guest program counts on, and has found nothing changed: %d witnesses at %d looks", counted, len(r.Pulse))
}

// Judge says whether all that the program counts went on, and nothing was found wrong. All
// that is not so is in the sentence.
func (f PulseFacts) Judge(p fixtures.Program) (Outcome, string) {
	switch {
	case p.Table == nil:
		return unsure("the guest program does not say what it sees of its machine: declare \"guest %s\"", fixtures.Pulse)
	case f.Side != "source" && f.Side != "destination":
		return unsure("the guest program's table was read on the %q, which is no side", f.Side)
	case !f.Running:
		return fail("the %s's guest does not run: its run state is %s", f.Side, f.Status)
	case f.Status != "running":
		return unsure("the %s's guest runs by query-status, and its run state is %q", f.Side, f.Status)
	case f.VCPUs < 1 || f.VCPUs > mostVCPUs:
		return unsure("the %s's guest has %d vCPUs by the record", f.Side, f.VCPUs)
	case !(f.Seconds >= 0): // nor is a number that is none
		return unsure("the %s's guest was watched for %g s", f.Side, f.Seconds)
	}
	var wrong []string
	words := f.Words
	for _, of := range p.Table {
		if !of.On(f.VCPUs) {
			continue
		}
		if len(words) == 0 || words[0].Name != of.Name {
			return unsure("what the %s's guest says of %q was not gathered", f.Side, of.Name)
		}
		if sentence := f.witness(of, words[0]); sentence != "" {
			wrong = append(wrong, sentence)
		}
		words = words[1:]
	}
	switch {
	case len(words) > 0:
		return unsure("the %s's guest says something of %q, which is not in the guest program's table", f.Side, words[0].Name)
	case len(wrong) > 0:
		return fail("%s", strings.Join(wrong, "; "))
	}
	return pass("%d words of the guest program's table on the %s are right", len(f.Words), f.Side)
}

// witness says what is wrong with a word, "" for nothing.
func (f PulseFacts) witness(of fixtures.Word, w PulseWord) string {
	switch {
	case of.Kind == fixtures.CountsUp && f.Arrived && w.wentBack():
		return fmt.Sprintf("%s went back on the way to the %s: %d %s on arrival, %d on the source in the end", of.Name, f.Side, w.First, of.Unit, w.Source)
	case of.Kind == fixtures.CountsUp && (w.Moved(of) || of.Slow && !f.Slow):
	case of.Kind == fixtures.CountsUp && f.Arrived:
		return fmt.Sprintf("%s has stopped on the %s: %d %s on arrival, %d %.1f s later (%d on the source in the end)", of.Name, f.Side, w.First, of.Unit, w.Last, f.Seconds, w.Source)
	case of.Kind == fixtures.CountsUp:
		return fmt.Sprintf("%s has stopped on the %s: %d %s, %d %.1f s later", of.Name, f.Side, w.First, of.Unit, w.Last, f.Seconds)
	case of.Kind == fixtures.HasThatMany && uint64(w.Last) != uint64(f.VCPUs):
		return fmt.Sprintf("%s are %d on the %s, expected %d", of.Name, w.Last, f.Side, f.VCPUs)
	case of.Kind == fixtures.MustStay0 && w.Last != 0:
		return fmt.Sprintf("%s on the %s: %d, expected 0", of.Name, f.Side, w.Last) + stack(w) + f.already(w)
	case of.Kind == fixtures.WrongBits && w.Last != 0:
		return f.wrongBits(of, w) + f.already(w)
	}
	return ""
}

// stack says what lay on top of the stack.
func stack(w PulseWord) string {
	if len(w.Stack) == 0 {
		return ""
	}
	return fmt.Sprintf(" (on top of its stack: %#x)", w.Stack)
}

// already says so of what the source's guest had noticed itself.
func (f PulseFacts) already(w PulseWord) string {
	if f.Arrived && w.Source != 0 {
		return ", as on the source already"
	}
	return ""
}

// wrongBits names what the bits of a bitmap stand for, and what the guest program expected
// and found where it noticed the first.
func (f PulseFacts) wrongBits(of fixtures.Word, w PulseWord) string {
	var all []string
	for bit := range uint32(32) {
		if w.Last>>bit&1 == 0 {
			continue
		}
		name := fmt.Sprintf("bit %d", bit)
		if int(bit) < len(of.Bits) {
			name = of.Bits[bit]
		}
		if bit == w.Bit && w.Expected != w.Found {
			name += fmt.Sprintf(" (expected %#x, found %#x)", w.Expected, w.Found)
		}
		all = append(all, name)
	}
	return fmt.Sprintf("%s changed on the %s: %s", of.Name, f.Side, strings.Join(all, ", "))
}
