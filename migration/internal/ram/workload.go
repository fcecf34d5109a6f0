package ram

import (
	"slices"

	"github.com/drover-vm/drover/fixtures"

	"github.com/drover-vm/drover/migration/record"
)

// Workload reads what the range holds that the program works on, in the first VM's memory.
func (s *Set) Workload(program fixtures.Program) (*record.WorkloadFacts, error) {
	w := NewWorkload(program)
	err := s.Walk(func(at uint64, pages [][]byte) { w.Page(at, pages[0]) })
	return w.Done(), err
}

// A Workload gathers what the range holds that a program works on, from pages that come
// going up.
type Workload struct {
	found record.WorkloadFacts
	run   record.Run // under way
	parts []fixtures.Range
	tide  *tide  // of a program that fills whole pages
	table uint64 // where such a program says how far it is
}

// NewWorkload has seen nothing yet.
func NewWorkload(p fixtures.Program) *Workload {
	w := &Workload{found: record.WorkloadFacts{Range: p.Workload(), Stride: p.Stride, Parts: p.Parts}, parts: p.PartRanges()}
	if p.FillsPages() {
		w.tide, w.table = newTide(p.ByteOrder()), p.Scratch[0].Start
	}
	return w
}

// Page takes a page into account, if it is one of the workload's.
func (w *Workload) Page(at uint64, page []byte) {
	f := &w.found
	if w.tide != nil {
		switch {
		case at == w.table:
			w.tide.table(page)
		case f.Range.Contains(at):
			w.count(at, byte(w.tide.page(f, at, uint32((at-f.Range.Start)/PageSize), page)))
		}
		return
	}
	if !f.Range.Contains(at) {
		return
	}
	if (at-f.Range.Start)%f.Stride == 0 {
		w.count(at, page[0])
		at, page = at+1, page[1:]
	}
	if IsZero(page) {
		return
	}
	for i, b := range page {
		if b != 0 {
			if f.StrayTotal++; len(f.Stray) < record.MaxListed {
				f.Stray = append(f.Stray, record.Reading{Address: at + uint64(i), Value: b})
			}
		}
	}
}

// count takes the byte into account that the workload counts up.
func (w *Workload) count(at uint64, value byte) {
	begins := slices.ContainsFunc(w.parts, func(r fixtures.Range) bool { return r.Start == at })
	if w.found.Pages++; w.run.Pages == 0 || value != w.run.Value || begins {
		w.endRun()
		w.run = record.Run{Address: at, Value: value}
	}
	w.run.Pages++
}

func (w *Workload) endRun() {
	switch f := &w.found; {
	case w.run.Pages == 0:
	case len(f.Runs) < record.MaxListed:
		f.Runs = append(f.Runs, w.run)
	default:
		f.More++
	}
}

// Done is what was found.
func (w *Workload) Done() *record.WorkloadFacts {
	w.endRun()
	return &w.found
}
