package record

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/fixtures"
)

// pulsing returns a record of a guest that says itself what it sees of its machine, of four
// vCPUs: it was asked before it moved, and after.
func pulsing() *Record { return pulsingAs(fixtures.Pulse) }

// pulsingAs is one whose guest is that kind of pulse.
func pulsingAs(program string) *Record { return pulsingFrom(good(), program) }

// pulsingOnPPC64 is one of a pseries machine, which has more RAM, and pulsingByXIVE one whose guest
// has its other interrupt controller.
func pulsingOnPPC64() *Record { return pulsingOnPSeries(fixtures.Pulse) }
func pulsingByXIVE() *Record  { return pulsingOnPSeries(fixtures.PulseXIVE) }

func pulsingOnPSeries(program string) *Record {
	r := good()
	r.Arch = "ppc64"
	p, err := fixtures.Named(program, r.Arch)
	if err != nil {
		panic(err)
	}
	more := uint64(p.MemoryMiB-r.MemoryMiB) << 20
	r.MemoryMiB = p.MemoryMiB
	for _, of := range []*MemoryFacts{r.Memory, r.Exact} {
		of.Size, of.Compared = of.Size+more, of.Compared+more
	}
	r.Stillness.Pages += int(more >> 12)
	r.Migration.Source = r.Migration.reply(map[string]any{"total": 157818880 + more, "duplicate": 13067 + more>>12})
	return pulsingFrom(r, p.Name)
}

// pulsingFrom makes another of a record.
func pulsingFrom(r *Record, program string) *Record {
	r.Program = program
	p := r.program()
	r.Memory.Left = p.Scratch
	for _, s := range p.Scratch {
		r.Memory.Compared -= s.Len()
	}
	source := PulseFacts{Side: "source", Running: true, Status: "running", VCPUs: 4, Seconds: 0.1}
	for _, of := range p.Table {
		w := PulseWord{Name: of.Name}
		switch of.Kind {
		case fixtures.CountsUp:
			w = PulseWord{Name: of.Name, Source: 10, First: 10, Last: 12}
		case fixtures.HasThatMany:
			w = PulseWord{Name: of.Name, Source: 4, First: 4, Last: 4}
		}
		source.Words = append(source.Words, w)
	}
	destination := source
	destination.Side, destination.Arrived, destination.Slow = "destination", true, true
	destination.Words = append([]PulseWord(nil), source.Words...)
	for i, of := range p.Table {
		if of.Kind == fixtures.CountsUp {
			destination.Words[i] = PulseWord{Name: of.Name, Source: math.MaxUint32, First: math.MaxUint32, Last: 1}
		}
	}
	r.Pulse, r.Gathers = []PulseFacts{source, destination}, []Fact{FactPulse}
	return r
}

func TestPulseThatGoesOnPasses(t *testing.T) {
	for _, r := range []*Record{pulsing(), pulsingOnPPC64(), pulsingByXIVE()} {
		result := Judged(r)
		require.Equal(t, Pass, result.Outcome, result.Reason)
	}
}

func TestWhatComesOnceASecondIsJudgedWhereItWasWaitedFor(t *testing.T) {
	r := pulsing()
	for i, of := range r.program().Table {
		if of.Slow {
			r.Pulse[0].Words[i].Last = r.Pulse[0].Words[i].First
		}
	}
	require.Equal(t, Pass, Judged(r).Outcome)
	r.Pulse[0].Slow = true
	require.Contains(t, Judged(r).Reason, "the real-time clock's alarm has stopped on the source")
}

// doctoredPulses are a record for each witness of each guest program, and some that lack what
// there is to judge.
func doctoredPulses() []doctored {
	const check = "pulse"
	all := []doctored{
		{check, "the guest is paused", pulsing, func(r *Record) {
			r.Pulse[1] = PulseFacts{Side: "destination", Status: "paused", VCPUs: 4, Arrived: true}
		}, Fail, []string{"destination", "does not run", "paused"}},
		{check, "it was so on the source already", pulsing, func(r *Record) {
			at := len(r.Pulse[1].Words) - 1
			r.Pulse[1].Words[at].Source, r.Pulse[1].Words[at].Last = 1, 1
		}, Fail, []string{"as on the source already"}},
		{check, "a bit that nothing stands for", pulsing, func(r *Record) {
			at := slices.IndexFunc(r.Pulse[1].Words, func(w PulseWord) bool { return w.Name == "devices" })
			r.Pulse[1].Words[at].Last = 1 << 31
		}, Fail, []string{"changed on the destination: bit 31"}},
		{check, "several things at once", pulsing, func(r *Record) {
			r.Pulse[1].Words[0].Last, r.Pulse[1].Words[1].Last = r.Pulse[1].Words[0].First, r.Pulse[1].Words[1].First
		}, Fail, []string{"; "}},
		{check, "nobody looked, and was to", pulsing, func(r *Record) { r.Pulse = nil }, Unknown, []string{"no Pulse"}},
		{check, "a guest program that says nothing", nil, func(r *Record) { r.Pulse = pulsing().Pulse }, Unknown, []string{`declare "guest pulse"`}},
		{check, "on no side", pulsing, func(r *Record) { r.Pulse[0].Side = "" }, Unknown, []string{"no side"}},
		{check, "of no vCPU", pulsing, func(r *Record) { r.Pulse[0].VCPUs = 0 }, Unknown, []string{"0 vCPUs"}},
		{check, "a word is missing", pulsing, func(r *Record) { r.Pulse[1].Words = r.Pulse[1].Words[1:] }, Unknown, []string{"was not gathered"}},
		{check, "a word more", pulsing, func(r *Record) {
			r.Pulse[1].Words = append(r.Pulse[1].Words, PulseWord{Name: "the weather"})
		}, Unknown, []string{"the weather"}},
		{check, "a word of a vCPU that is not there", pulsing, func(r *Record) { r.Pulse[1].VCPUs = 1 }, Unknown, []string{"was not gathered"}},
		{check, "for no time that there is", pulsing, func(r *Record) { r.Pulse[1].Seconds = math.NaN() }, Unknown, []string{"NaN"}},
	}
	return slices.Concat(all, doctoredWords(check, pulsing), doctoredWords(check, pulsingOnPPC64), doctoredWords(check, pulsingByXIVE))
}

// doctoredWords are a record for each witness of a guest program.
func doctoredWords(check string, pulsing func() *Record) (all []doctored) {
	for i, of := range pulsing().program().Table {
		word := func(change func(w *PulseWord)) func(r *Record) {
			return func(r *Record) { change(&r.Pulse[1].Words[i]) }
		}
		switch of.Kind {
		case fixtures.CountsUp:
			all = append(all, doctored{check, of.Name + " stops", pulsing, word(func(w *PulseWord) {
				if w.Last = w.First + 1; of.Slow {
					w.Last = w.First
				}
			}), Fail, []string{of.Name + " has stopped on the destination: 4294967295 " + of.Unit}},
				doctored{check, of.Name + " goes back", pulsing, word(func(w *PulseWord) { w.Last = w.First - 1 }), Fail, []string{of.Name + " has stopped on the destination: 4294967295 " + of.Unit}},
				doctored{check, of.Name + " is older than on the source", pulsing, word(func(w *PulseWord) { w.Source = 5 }), Fail, []string{of.Name + " went back on the way to the destination: 4294967295 " + of.Unit + " on arrival, 5 on the source"}})
		case fixtures.MustStay0:
			all = append(all, doctored{check, of.Name, pulsing, word(func(w *PulseWord) { w.Last = 3 }), Fail, []string{of.Name + " on the destination: 3, expected 0"}})
		case fixtures.HasThatMany:
			all = append(all, doctored{check, of.Name, pulsing, word(func(w *PulseWord) { w.Last = 1 }), Fail, []string{of.Name + " are 1 on the destination, expected 4"}})
		case fixtures.WrongBits:
			for bit, name := range of.Bits {
				all = append(all, doctored{check, fmt.Sprintf("%s: %s", of.Name, name), pulsing, word(func(w *PulseWord) {
					w.Last, w.Expected, w.Found, w.Bit = 1<<bit, 0xa1, 0xb2, uint32(bit)
				}), Fail, []string{of.Name + " changed on the destination: " + name + " (expected 0xa1, found 0xb2)"}})
			}
		}
	}
	return all
}

// TestEditedPulseDoesNotPass: what a guest program said in a real run can't be left out or made
// something else, but for what it counted, and for how long it was watched.
func TestEditedPulseDoesNotPass(t *testing.T) {
	told := regexp.MustCompile(`^\.Pulse(\[\])?(\.(Seconds|Arrived|Slow|Words\[\]\.(Source|First|Last|Expected|Found|Bit)))? `)
	var root any
	require.NoError(t, json.Unmarshal(saved(t)["10.0-pulse-precopy"], &root))
	edits := 0
	edit(root, []any{nil, -1, 0, 1e18, "x", []any{}}, func(path, how string) {
		if !strings.HasPrefix(path, ".Pulse") {
			return
		}
		edits++
		text, err := json.Marshal(root)
		require.NoError(t, err)
		r, err := decode(text)
		if err != nil || told.MatchString(path+" "+how) {
			return
		}
		require.NotEqual(t, Pass, Judged(r).Outcome, "%s became %s", path, how)
	})
	require.Greater(t, edits, 50)
}
