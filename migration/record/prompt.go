package record

import (
	"math"
	"time"
)

// judgePrompt holds what QEMU does against when it was told to, and what the two sides say
// against each other: a migration begins when it is asked for, and is told to be over when
// it is. Where a step held something up, nothing can be told.
func (r *Record) judgePrompt() (Outcome, string) {
	if r.heldUp() {
		return pass("")
	}
	onSource, there := r.leavingEvents(), r.Destination.Events
	setup, active := first(onSource, "setup"), first(onSource, "active")
	_, mode := r.Parameters["mode"]
	switch began := r.Source.Began; {
	case !began.IsZero() && !setup.IsZero() && ms(setup.Sub(began)) > r.allow(lateStart):
		return r.late("the source was told to migrate, and its migration began only %.0f ms later", ms(setup.Sub(began)))
	case !mode && !setup.IsZero() && !active.IsZero() && ms(active.Sub(setup)) > r.allow(lateStart):
		return r.late("the source's migration was in setup for %.0f ms before it was active", ms(active.Sub(setup)))
	}
	resumed, told := first(there, "RESUME"), first(there, "completed")
	late := func(from, to time.Time) bool {
		return !from.IsZero() && !to.IsZero() && ms(to.Sub(from)) > r.allow(lateCompletion)
	}
	switch source := first(onSource, "completed"); {
	case r.staged():
	case !r.isPostcopy() && late(resumed, told):
		return r.late("the destination ran the guest, and told only %.0f ms later that the migration was completed", ms(told.Sub(resumed)))
	case !r.isPostcopy() && late(resumed, source):
		return r.late("the destination ran the guest, and the source told only %.0f ms later that the migration was completed", ms(source.Sub(resumed)))
	case r.isPostcopy() && (late(told, source) || late(source, told)):
		return r.late("the destination told that the migration was completed, and the source %.0f ms after that", ms(source.Sub(told)))
	}
	return pass("")
}

// unexplained is by how much the guest was paused for longer, in ms, than the downtime-limit,
// or sending its workload three times over as fast as while it ran, explains; negative where
// it was not, or where nothing can be told. After postcopy, which sends devices only, nothing
// explains it.
func (r *Record) unexplained(gap, limit float64) float64 {
	m := r.Migration
	if r.staged() || r.heldUp() || math.IsNaN(gap) {
		return -1
	}
	if r.isPostcopy() {
		return gap
	}
	explained := 0.0
	if limit < unlimited {
		explained = limit
	}
	if running := float64(m.TotalMS - m.DowntimeMS); running > 0 {
		// The first synchronisation comes before anything is sent, the last when the guest
		// is paused.
		explained = max(explained, passesExplain*running/float64(max(1, m.Passes-firstPass)))
	}
	return gap - explained
}

// passesExplain is how many passes as those while the guest ran the last may take as long
// as: more is to be loaded than is sent.
const passesExplain = 3
