package record

import (
	"fmt"
	"slices"
	"strings"

	"github.com/drover-vm/drover/fixtures"
)

// A Run is a stretch of pages whose byte has the same value.
type Run struct {
	Address uint64
	Pages   int
	Value   byte
}

// WorkloadFacts are the memory that the workload works on, as found on the
// stopped destination.
type WorkloadFacts struct {
	Range  fixtures.Range
	Stride uint64
	Parts  int   `json:",omitempty"` // how many vCPUs go over a part of the range each; 0 is 1
	Runs   []Run // the first MaxListed; none reaches beyond its part
	Pages  int   // in all runs
	More   int   `json:",omitempty"` // runs beyond those listed
	// Bytes of those pages that nobody counts up and that are not zero.
	Stray      []Reading `json:",omitempty"` // the first MaxListed
	StrayTotal int       `json:",omitempty"`
	// Of a program that fills whole pages Value of a run is its pages' generation, modulo 256,
	// and these are the bytes of pages that are of none.
	Wrong      []WrongByte `json:",omitempty"` // the first MaxListed
	WrongTotal int         `json:",omitempty"`
}

// A WrongByte is one that is not what follows from its page and generation.
type WrongByte struct {
	Address         uint64
	Expected, Found byte
}

// HotPages is over how many pages a workload goes that is to be hot: TCG has them in its
// TLB all the time, which has room for 256.
const HotPages = 64

// judgeWorkload holds the workload's memory against what the guest program
// promises: the bytes are equal, except that they may go down by one (modulo
// 256) once, going up, where the program was. Which of them are wrong is
// decided by what leaves the fewest wrong, so that a single bad page is named
// wherever it lies, and not everything behind it.
func judgeWorkload(r *Record) (Outcome, string) {
	p := r.program()
	outcome, witness := r.Workload.judge(p, r.Pages)
	if ram := r.ram(); outcome == Pass && ram < r.Workload.Range.End-p.RAMStart {
		return unsure("the workload is %v, and the guest has %d bytes of RAM", r.Workload.Range, ram)
	}
	return outcome, witness
}

// Judge holds the workload's memory against what the guest program promises.
func (w *WorkloadFacts) Judge(p fixtures.Program) (Outcome, string) { return w.judge(p, 0) }

func (w *WorkloadFacts) judge(p fixtures.Program, over int) (Outcome, string) {
	if w == nil || w.Pages == 0 || len(w.Runs) == 0 {
		return unknown("the workload's memory")
	}
	if wrong := w.incomplete(p, over); wrong != "" {
		return Unknown, wrong
	}
	if total := max(w.WrongTotal, len(w.Wrong)); total > 0 {
		if len(w.Wrong) == 0 {
			return fail("%d bytes are not those of their pages", total)
		}
		b := w.Wrong[0]
		return fail("%d bytes are not those of their pages; the first: at %#x expected %d, found %d", total, b.Address, b.Expected, b.Found)
	}
	fits := w.fits()
	if w.More > 0 || slices.ContainsFunc(fits, func(f partFit) bool { return f.wrong > 0 }) {
		return Fail, w.witness(fits)
	}
	if total := max(w.StrayTotal, len(w.Stray)); total > 0 {
		if len(w.Stray) == 0 {
			return fail("%d bytes beside the workload's are not zero", total)
		}
		s := w.Stray[0]
		return fail("%d bytes beside the workload's are not zero; the first: at %#x expected 0, found %d", total, s.Address, s.Value)
	}
	var all []string
	for _, f := range fits {
		all = append(all, f.right())
	}
	return pass("%s", strings.Join(all, "; "))
}

// incomplete is why these are not all pages that the program works on, each once; "" where
// they are. The scenario has the program write so many, over; 0 where that is not known.
func (w *WorkloadFacts) incomplete(p fixtures.Program, over int) string {
	switch {
	case p.Stride == 0:
		return "there is no guest program for the record's target, so its workload can't be known"
	case over > 0 && w.Range != p.Over(over).Workload():
		return fmt.Sprintf("the workload gathered is %v, and that of the guest program over %d pages %v", w.Range, over, p.Over(over).Workload())
	case over <= 0 && p.FillsPages() && (w.Range.Start != p.Start || w.Range.End <= p.Start || w.Range.End > p.End):
		return fmt.Sprintf("the workload gathered is %v, and that of the guest program is in %v", w.Range, p.Workload())
	case over <= 0 && !p.FillsPages() && w.Range != p.Workload() && w.Range != p.Over(HotPages).Workload():
		return fmt.Sprintf("the workload gathered is %v, and that of the guest program %v, or of its hot pages %v", w.Range, p.Workload(), p.Over(HotPages).Workload())
	case w.Parts != p.Parts:
		return fmt.Sprintf("the workload was gathered as that of %d vCPUs, and the guest program's is %d's", max(w.Parts, 1), max(p.Parts, 1))
	case w.Stride != p.Stride:
		return fmt.Sprintf("the workload was gathered each %d bytes, and the guest program works each %d", w.Stride, p.Stride)
	}
	if want := int(w.Range.Len() / w.Stride); w.Pages != want {
		return fmt.Sprintf("%d pages were gathered of %d", w.Pages, want)
	}
	if len(w.Runs) > MaxListed || len(w.Stray) > MaxListed || len(w.Wrong) > MaxListed || w.More < 0 || w.StrayTotal < 0 || w.WrongTotal < 0 {
		return fmt.Sprintf("%d stretches of equal bytes are listed and %d more, and %d other bytes of %d: no more than %d of a kind are", len(w.Runs), w.More, max(len(w.Stray), len(w.Wrong)), w.StrayTotal+w.WrongTotal, MaxListed)
	}
	at, pages := w.Range.Start, 0
	for _, run := range w.Runs {
		if run.Address != at || run.Pages <= 0 || run.Pages > w.Pages-pages {
			return fmt.Sprintf("%d pages are listed at %#x, where those from %#x on are expected", run.Pages, run.Address, at)
		}
		at, pages = at+uint64(run.Pages)*w.Stride, pages+run.Pages
	}
	if w.More == 0 && pages != w.Pages {
		return fmt.Sprintf("the pages from %#x on are not listed", at)
	}
	return ""
}

// A fit is one way in which the runs could have come about: value up to the
// run numbered edge, and one less from there.
type fit struct {
	value byte
	edge  int
	wrong int // pages that it doesn't explain
}

func (f fit) expected(run int) byte {
	if run >= f.edge {
		return f.value - 1
	}
	return f.value
}

// bestFit tries every value that occurs, and every edge between runs.
func bestFit(runs []Run) fit {
	best := fit{wrong: -1}
	tried := map[byte]bool{}
	for _, candidate := range runs {
		for _, value := range []byte{candidate.Value, candidate.Value + 1} {
			if tried[value] {
				continue
			}
			tried[value] = true
			if f := bestEdge(runs, value); best.wrong < 0 || f.wrong < best.wrong {
				best = f
			}
		}
	}
	return best
}

func bestEdge(runs []Run, value byte) fit {
	wrong := 0 // with the edge before the first run
	for _, r := range runs {
		if r.Value != value-1 {
			wrong += r.Pages
		}
	}
	best := fit{value: value, edge: 0, wrong: wrong}
	for i, r := range runs {
		switch r.Value {
		case value:
			wrong -= r.Pages
		case value - 1:
			wrong += r.Pages
		}
		if wrong < best.wrong || (wrong == best.wrong && i+1 == len(runs)) {
			best.edge, best.wrong = i+1, wrong
		}
	}
	return best
}

// hotPages is over how many pages the workload goes, where those may be hot.
func (r *Record) hotPages() int {
	if r.Pages > 0 {
		return r.Pages
	}
	return HotPages
}
