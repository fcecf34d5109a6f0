package record

import (
	"math"
	"slices"
)

// dawdle is how long, in ms, a guest may stand at the quickest of several moves beyond
// the time that its pages take: for what devices there are, and the machine. None did on
// four versions of QEMU, also on a busy machine.
const dawdle = 250

// judgeQuickest holds the least standstill of several moves against what there was to be
// sent in it. That one takes long may be the machine's doing, that all do is QEMU's.
func judgeQuickest(r *Record) (Outcome, string) {
	stood, needed := math.Inf(1), math.Inf(1)
	for _, move := range slices.Concat(r.Legs, []*Record{r}) {
		if !move.stoodStill() || move.Workload == nil {
			return unknown("how long the guest stood at each of its moves")
		}
		stood, needed = min(stood, move.gap()), min(needed, move.workloadTime())
	}
	if stood > needed+dawdle {
		return fail("at the quickest of its %d moves the guest stood still for %.0f ms, and to send all that its workload dirties takes %.0f", len(r.Legs)+1, stood, needed)
	}
	return pass("at the quickest of its %d moves the guest stood still for %.0f ms, and to send all that its workload dirties takes %.0f", len(r.Legs)+1, stood, needed)
}

// movedOften says whether the guest moved so often that one move can't have been
// unlucky each time.
func (r *Record) movedOften() bool { return len(r.Legs) >= 2 }

// gap is how long the guest stood, in ms.
func (r *Record) gap() float64 {
	return ms(first(r.Destination.Events, "RESUME").Sub(first(since(r.Source.Began, r.Source.Events), "STOP")))
}

// workloadTime is how long, in ms, it takes to send every page of the workload as fast
// as while the guest ran.
func (r *Record) workloadTime() float64 {
	running := float64(r.Migration.TotalMS - r.Migration.DowntimeMS)
	return float64(r.Workload.Range.Len()) * running / float64(r.Migration.Bytes)
}
