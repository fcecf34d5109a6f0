package record

import "fmt"

// judgeWorkload holds the workload's memory against what the guest program
// promises: the bytes are equal, except that they may go down by one (modulo
// 256) once, going up, where the program stood. Which of them are wrong is
// decided by what leaves the fewest wrong, so that a single bad page is named
// wherever it lies, and not everything behind it.
func judgeWorkload(r *Record) (Outcome, string) { return r.Workload.judge() }

func (w *WorkloadFacts) judge() (Outcome, string) {
	if w == nil || w.Pages == 0 || len(w.Runs) == 0 {
		return unknown("the workload's memory")
	}
	if want := int((w.Range.End - w.Range.Start) / w.Stride); w.Pages != want {
		return Unknown, fmt.Sprintf("%d pages were gathered of %d", w.Pages, want)
	}
	fit := bestFit(w.Runs)
	if w.More > 0 || fit.wrong > 0 {
		return Fail, fit.witness(w)
	}
	if w.StrayTotal > 0 {
		if len(w.Stray) == 0 {
			return fail("%d bytes beside the workload's are not zero", w.StrayTotal)
		}
		s := w.Stray[0]
		return fail("%d bytes beside the workload's are not zero; the first: at %#x expected 0, found %d", w.StrayTotal, s.Address, s.Value)
	}
	if fit.edge == len(w.Runs) {
		return pass("all %d pages hold %d", w.Pages, fit.value)
	}
	return pass("%d pages hold %d, and from %#x on %d", w.Pages, fit.value, w.Runs[fit.edge].Address, fit.value-1)
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

func (f fit) witness(w *WorkloadFacts) string {
	for i, r := range w.Runs {
		if want := f.expected(i); r.Value != want {
			text := fmt.Sprintf("the byte at %#x is wrong: expected %d, found %d", r.Address, want, r.Value)
			if f.edge > 0 && f.edge < len(w.Runs) {
				text += fmt.Sprintf(" (the workload stood at %#x)", w.Runs[f.edge].Address)
			}
			if w.More > 0 {
				return fmt.Sprintf("%s; there are %d stretches of equal bytes, where two are expected", text, len(w.Runs)+w.More)
			}
			return fmt.Sprintf("%s; %d of %d pages are wrong", text, f.wrong, w.Pages)
		}
	}
	return fmt.Sprintf("there are %d stretches of equal bytes, where two are expected", len(w.Runs)+w.More)
}
