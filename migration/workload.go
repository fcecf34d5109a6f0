package migration

import (
	"bytes"

	"github.com/drover-vm/drover/fixtures"

	"github.com/drover-vm/drover/migration/record"
)

var zeroPage [pageSize]byte // never written

// A workloadReader gathers what the workload's range holds from pages that come
// going up.
type workloadReader struct {
	found record.WorkloadFacts
	run   record.Run // under way
}

func newWorkloadReader(p fixtures.Program) *workloadReader {
	return &workloadReader{found: record.WorkloadFacts{Range: p.Workload(), Stride: p.Stride}}
}

// page takes a page into account, if it is one of the workload's.
func (w *workloadReader) page(at uint64, page []byte) {
	f := &w.found
	if !f.Range.Contains(at) {
		return
	}
	if (at-f.Range.Start)%f.Stride == 0 {
		w.count(at, page[0])
		at, page = at+1, page[1:]
	}
	if bytes.Equal(page, zeroPage[:len(page)]) {
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
func (w *workloadReader) count(at uint64, value byte) {
	if w.found.Pages++; w.run.Pages == 0 || value != w.run.Value {
		w.endRun()
		w.run = record.Run{Address: at, Value: value}
	}
	w.run.Pages++
}

func (w *workloadReader) endRun() {
	switch f := &w.found; {
	case w.run.Pages == 0:
	case len(f.Runs) < record.MaxListed:
		f.Runs = append(f.Runs, w.run)
	default:
		f.More++
	}
}

// done is what was found.
func (w *workloadReader) done() *record.WorkloadFacts {
	w.endRun()
	return &w.found
}
