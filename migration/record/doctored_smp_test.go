package record

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// sharing returns a record of a guest whose workload four vCPUs share, each of which was
// somewhere else in its part.
func sharing() *Record {
	r := good()
	r.Program = "smp4"
	p := r.program()
	w := &WorkloadFacts{Range: p.Workload(), Stride: p.Stride, Parts: 4, Pages: p.Count()}
	for i, part := range p.PartRanges() {
		value, pages := byte(10*i), int(part.Len()/p.Stride)
		w.Runs = append(w.Runs, Run{part.Start, 100 * (i + 1), value + 1}, Run{part.Start + uint64(100*(i+1))*p.Stride, pages - 100*(i+1), value})
		if i > 0 {
			r.Life.Others = append(r.Life.Others, CounterFacts{VCPU: i, Before: Reading{part.Start, value}, After: Reading{part.Start, value + 1}})
		}
	}
	r.Workload = w
	return r
}

func TestWorkloadOfSeveralVCPUsPasses(t *testing.T) {
	result := Judged(sharing())
	require.Equal(t, Pass, result.Outcome, result.Reason)
	require.Empty(t, result.Record.Workload.Misfits())
}

func doctoredShared() []doctored {
	third := sharing().program().PartRanges()[2].Start
	return []doctored{
		{"workload", "one page of the third vCPU's part is wrong", sharing, func(r *Record) { r.Workload.Runs[4].Value = 99 }, Fail, []string{"expected 20", "found 99", "300 of 25344"}},
		{"workload", "a second step down in a part", sharing, func(r *Record) { r.Workload.Runs = split(r.Workload.Runs, 5, 6000, 36, 19) }, Fail, []string{"expected 20", "found 19", "36 of 25344"}},
		{"workload", "that of one vCPU", sharing, func(r *Record) { r.Workload.Parts = 0 }, Unknown, []string{"of 1 vCPUs", "is 4's"}},
		{"guest lives", "the third vCPU has stopped", sharing, func(r *Record) { r.Life.Others[1].After = r.Life.Others[1].Before }, Fail, []string{"vCPU 2 has stopped on the destination", "stayed 20"}},
		{"guest lives", "nobody looked at the others", sharing, func(r *Record) { r.Life.Others = nil }, Unknown, []string{"0 vCPUs beside the first", "on 3"}},
		{"guest lives", "another byte of the third was read", sharing, func(r *Record) { r.Life.Others[1].After.Address = third + 1 }, Unknown, []string{"of vCPU 2"}},
	}
}
