package record

// A Misfit is a stretch of the workload's pages that hold another byte than expected.
type Misfit struct {
	Run
	Expected byte
}

// Misfits returns the listed stretches of pages that are wrong, in order of address, by
// the explanation that leaves the fewest pages wrong. Where More is above 0 there may be
// others that are not listed. A nil receiver has none.
func (w *WorkloadFacts) Misfits() (wrong []Misfit) {
	if w == nil || len(w.Runs) == 0 {
		return nil
	}
	for _, f := range w.fits() {
		for i, r := range f.runs {
			if want := f.expected(i); r.Value != want {
				wrong = append(wrong, Misfit{r, want})
			}
		}
	}
	return wrong
}
