package record

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/fixtures"
)

// tiding returns a record of a guest that fills whole pages, over a range that the host has
// set.
func tiding() *Record {
	r := good()
	r.Program, r.Pages = fixtures.Tide, 8192
	p := r.program()
	r.Memory.Left = p.Scratch
	r.Memory.Compared = r.Memory.Size - p.Scratch[0].Len() - 32<<20
	r.Workload = &WorkloadFacts{
		Range: fixtures.Range{Start: p.Start, End: p.Start + 32<<20}, Stride: p.Stride, Pages: 8192,
		Runs: []Run{{p.Start, 100, 9}, {p.Start + 100*p.Stride, 8092, 8}},
	}
	at := p.Counter()
	r.Life.Before.Address, r.Life.After.Address, r.Stand.Before.Address, r.Stand.After.Address = at, at, at, at
	return r
}

func TestPagesOfTwoGenerationsPass(t *testing.T) {
	result := Judged(tiding())
	require.Equal(t, Pass, result.Outcome, result.Reason)
}

func doctoredTides() []doctored {
	return []doctored{
		{"workload", "a byte of a page is not that of its generation", tiding, func(r *Record) {
			r.Workload.WrongTotal, r.Workload.Wrong = 3, []WrongByte{{0x123456, 0x80, 0}}
		}, Fail, []string{"3 bytes", "0x123456", "expected 128", "found 0"}},
		{"workload", "bytes of pages that are not listed", tiding, func(r *Record) { r.Workload.WrongTotal = 3 }, Fail, []string{"3 bytes are not those of their pages"}},
		{"workload", "a page of an older generation", tiding, func(r *Record) {
			r.Workload.Runs = split(r.Workload.Runs, 1, 1000, 1, 6)
		}, Fail, []string{"expected 8", "found 6", "1 of 8192"}},
		{"workload", "more than the guest program may fill", tiding, func(r *Record) { r.Workload.Range.End = 200 << 20 }, Unknown, []string{"over 8192 pages [0x100000,0x2100000)"}},
		{"workload", "fewer than no bytes are wrong", tiding, func(r *Record) { r.Workload.WrongTotal = -1 }, Unknown, []string{"-1"}},
	}
}
