package record

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// StandstillFacts are how long the guest was paused, as its own console shows it.
type StandstillFacts struct {
	LastOnSource       time.Time // heartbeat
	FirstOnDestination time.Time // heartbeat
	LongestSeconds     float64   // between two heartbeats on the source
}

// pausedByQEMU says whether it is QEMU that paused the guest, and not the scenario.
func (r *Record) pausedByQEMU() bool { return !r.stoppedFirst() }

// gap is how long the guest was paused by both sides' events, in ms; NaN where one of
// them is missing.
func (r *Record) gap() float64 {
	stop, resume := first(r.leavingEvents(), "STOP"), time.Time{}
	if r.Destination != nil {
		resume = first(r.Destination.Events, "RESUME")
	}
	if stop.IsZero() || resume.IsZero() {
		return math.NaN()
	}
	return ms(resume.Sub(stop))
}

// judgeDowntime holds the time that the guest was paused against itself: as both
// sides' events show it, as the source reports it, as its console shows it, and as
// it was limited.
func judgeDowntime(r *Record) (Outcome, string) {
	if r.Migration == nil || r.Source == nil || r.Destination == nil {
		return unknown("how long the guest was paused")
	}
	gap, reported := r.gap(), float64(r.Migration.DowntimeMS)
	onSource, there := r.leavingEvents(), r.Destination.Events
	if math.IsNaN(gap) || first(onSource, "setup").IsZero() || first(onSource, "completed").IsZero() || first(there, "active").IsZero() {
		return unknown("when the guest was paused and ran again")
	}
	if reported < 0 {
		return unsure("the source reports a downtime of %.0f ms", reported)
	}
	said := fmt.Sprintf("%.0f by the source's report", reported)
	if r.downtimeSinceBoot() {
		said, reported = fmt.Sprintf("under 1 by the source, which reports the time since its host booted (%.0f)", reported), 0
	}
	limit, unread := r.downtimeLimit()
	if unread != "" {
		return Unknown, unread
	}
	latest := reported*lateResumeShare.Value + r.allow(lateResume)
	if limit >= unlimited {
		latest = reported*lateResumeUnlimitedShare.Value + r.allow(lateResumeUnlimited)
	}
	switch {
	case reported > limit+r.allow(overLimit):
		return r.late("the source reports a downtime of %.0f ms, and the downtime-limit was %.0f", reported, limit)
	case !r.isPostcopy() && gap < reported*(1-downtimeShare.Value)-r.allow(downtimeLater):
		return r.late("the source reports a downtime of %.0f ms, and the destination ran %.0f ms after the source had stopped", reported, gap)
	case !r.staged() && !r.isPostcopy() && !r.linkStalled() && gap > latest:
		return r.late("the source reports a downtime of %.0f ms, and the destination ran only %.0f ms after the source had stopped", reported, gap)
	}
	if more := r.unexplained(gap, limit); more > r.allow(unexplainedDowntime) {
		return r.late("unexplained downtime: the guest was paused for %.0f ms by both sides' events, and neither the downtime-limit nor what was left to send explains %.0f of them", gap, more)
	}
	outcome, console := r.judgeConsole(gap)
	if outcome != Pass {
		return outcome, console
	}
	return pass("the guest was paused for %.0f ms by both sides' events, %s%s", gap, said, console)
}

// judgeConsole holds the downtime against the guest's console.
func (r *Record) judgeConsole(gap float64) (Outcome, string) {
	s := r.Standstill
	if s == nil {
		return pass("")
	}
	if !r.within(s.LastOnSource) || !r.within(s.FirstOnDestination) || !(s.LongestSeconds >= 0) {
		return unknown("how long the console was silent around the downtime")
	}
	if since := s.LastOnSource.Sub(r.Started).Seconds(); s.LongestSeconds > since && !r.Started.IsZero() {
		return unsure("two heartbeats on the source were %g s apart, and the run began %.3f s before the last", s.LongestSeconds, since)
	}
	if r.resetAfter(s.LastOnSource) {
		return pass(", in which it was reset, and had to boot")
	}
	silent, longest := ms(s.FirstOnDestination.Sub(s.LastOnSource)), s.LongestSeconds*1000
	late := ms(s.FirstOnDestination.Sub(first(r.Destination.Events, "RESUME")))
	switch {
	case silent < gap-r.allow(consoleEarlier):
		return r.late("the guest's console was silent for %.0f ms around a downtime of %.0f ms", silent, gap)
	case late > consoleLaterShare.Value*longest+r.allow(consoleLater) && !r.isPostcopy():
		return r.late("the guest's console was silent for %.0f ms after it had been resumed, and its heartbeats were at most %.0f ms apart", late, longest)
	}
	return pass(", and its console was silent for %.0f ms", silent)
}

// unlimited is a limit, in ms, that is set where the scenario is not about the downtime.
const unlimited = 60_000

// downtimeLimit is the last that was set, in ms; infinite where the downtime is
// not QEMU's to limit, or none was set. Or why it can't be read.
func (r *Record) downtimeLimit() (limit float64, unread string) {
	if _, set := r.Parameters["downtime-limit"]; !set {
		return math.Inf(1), ""
	}
	limit, err := members(r.Parameters).number("downtime-limit")
	switch {
	case err != nil:
		return 0, fmt.Sprintf("the source's parameters can't be read: %v", err)
	case r.staged() || r.isPostcopy():
		return math.Inf(1), ""
	}
	return limit, ""
}

// judgeQuickest holds the shortest downtime of several moves against what there was to be
// sent in it. That one takes long may be the machine's doing, that all do is QEMU's.
func judgeQuickest(r *Record) (Outcome, string) {
	paused, needed := math.Inf(1), math.Inf(1)
	for _, move := range slices.Concat(r.Legs, []*Record{r}) {
		gap, takes := math.NaN(), math.NaN()
		if move != nil && move.Migration != nil && move.Workload != nil {
			gap, takes = move.gap(), move.workloadTime()
		}
		if math.IsNaN(gap) || math.IsNaN(takes) || gap < 0 {
			return unknown("how long the guest was paused at each of its moves")
		}
		paused, needed = min(paused, gap), min(needed, takes)
	}
	if paused > needed+r.allow(quickestLonger) {
		return r.late("at the quickest of its %d moves the guest was paused for %.0f ms, and to send all that its workload dirties takes %.0f", len(r.Legs)+1, paused, needed)
	}
	return pass("at the quickest of its %d moves the guest was paused for %.0f ms, and to send all that its workload dirties takes %.0f", len(r.Legs)+1, paused, needed)
}

// movedOften says whether the guest moved so often that one move can't have been
// unlucky each time.
func (r *Record) movedOften() bool { return len(r.Legs) >= 2 }

// workloadTime is how long, in ms, it takes to send every page of the workload as fast
// as while the guest ran; NaN where the record does not tell.
func (r *Record) workloadTime() float64 {
	running := float64(r.Migration.TotalMS - r.Migration.DowntimeMS)
	if r.Migration.Bytes == 0 || running < 0 || r.Migration.DowntimeMS < 0 {
		return math.NaN()
	}
	pages := min(r.Workload.Range.Len(), r.program().Workload().Len())
	return float64(pages) * running / float64(r.Migration.Bytes)
}
