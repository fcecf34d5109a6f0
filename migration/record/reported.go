package record

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"
)

// A span is a stretch of a side's events, as they show it from outside; NaN where
// one of its ends did not come.
func span(events []EventFacts, from, to string) float64 {
	begin, end := first(events, from), first(events, to)
	if begin.IsZero() || end.IsZero() {
		return math.NaN()
	}
	return ms(end.Sub(begin))
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }

// first is when the event came first: one of that name, or a migration's status.
func first(events []EventFacts, what string) time.Time {
	for _, e := range events {
		if e.Name == what || statusOf(e) == what {
			return e.Time
		}
	}
	return time.Time{}
}

// isPostcopy says whether the guest moved before its RAM had.
func (r *Record) isPostcopy() bool { return !first(r.Source.Events, "postcopy-active").IsZero() }

// staged says whether the guest waited for somebody else than QEMU: stopped before it
// was sent, in a file, or on a destination that was told to wait.
func (r *Record) staged() bool {
	onSource := since(r.Source.Began, r.Source.Events)
	return r.Waits || first(onSource, "STOP").Before(first(onSource, "setup")) ||
		first(r.Destination.Events, "active").After(first(onSource, "completed"))
}

// stoodStill says whether both sides tell when the guest stopped and ran.
func (r *Record) stoodStill() bool {
	return r.Source != nil && r.Destination != nil && r.Migration != nil &&
		!first(since(r.Source.Began, r.Source.Events), "STOP").IsZero() && !first(r.Destination.Events, "RESUME").IsZero()
}

// near says whether what is reported lies close enough to what was seen, both in ms:
// they are measured on a machine that does other things as well, at moments that are
// not quite the same. On a quiet one they are at most 11 ms apart.
func near(reported, seen float64) bool {
	return reported >= seen*0.75-20 && reported <= seen*1.25+60
}

// lateStop is how much longer than what comes after STOP a downtime may be, in ms. It
// counts from the order to stop, and STOP comes when the processors have: 250 ms later
// was seen on a busy machine.
const lateStop = 500

// latestSetup is how many ms a setup may be said to have taken whose events lie so many
// apart. It was at most 1 ms more, and once 53 on a busy machine: QEMU looks at its clock
// after it has said that it is active.
func latestSetup(seen float64) float64 { return 2*seen + 100 }

// judgeReported holds what QEMU says of its migration against what its events and
// the link show.
func judgeReported(r *Record) (Outcome, string) {
	m := r.Migration
	if m == nil || r.Source == nil {
		return unknown("what QEMU says of the migration")
	}
	events := since(r.Source.Began, r.Source.Events)
	total, setup, down := span(events, "setup", "completed"), span(events, "setup", "active"), span(events, "STOP", "completed")
	if down > total { // the guest had been stopped before
		down = math.NaN()
	}
	switch {
	case math.IsNaN(total):
		return unknown("when the migration began and was completed")
	case !near(float64(m.TotalMS), total):
		return fail("the source reports a total time of %d ms, and its events lie %.0f ms apart", m.TotalMS, total)
	case float64(m.SetupMS) > latestSetup(setup):
		return fail("the source reports a setup time of %d ms, and was active %.0f ms after setup began", m.SetupMS, setup)
	case math.IsNaN(down): // there is nothing to hold it against
	case !r.isPostcopy() && float64(m.DowntimeMS) < down*0.75-20:
		return fail("the source reports a downtime of %d ms, and was completed %.0f ms after it had stopped", m.DowntimeMS, down)
	case float64(m.DowntimeMS) > down*1.25+lateStop:
		return fail("the source reports a downtime of %d ms, and was completed %.0f ms after it had stopped", m.DowntimeMS, down)
	}
	passes := passes(events)
	if last := slices.Max(append(passes, 0)); last != m.Passes {
		return fail("the source reports %d dirty bitmap syncs, and its last MIGRATION_PASS said %d", m.Passes, last)
	}
	for i := 1; i < len(passes); i++ {
		if passes[i] <= passes[i-1] {
			return fail("the source's MIGRATION_PASS said %d after %d; they said %v", passes[i], passes[i-1], passes)
		}
	}
	for side, said := range map[string]json.RawMessage{"source": m.Source, "destination": m.Destination} {
		if status := reportedStatus(said); status != "completed" {
			return fail("the %s's query-migrate reports the status %q, when its events have said completed", side, status)
		}
	}
	if outcome, witness := r.judgeBytes(); outcome != Pass {
		return outcome, witness
	}
	return pass("total %d ms (%.0f by its events), downtime %d ms, %d dirty bitmap syncs", m.TotalMS, total, m.DowntimeMS, m.Passes)
}

// judgeBytes holds the bytes that QEMU reports against those that went over the link.
// They differ by what encryption adds. Up to 7.2 QEMU counts channels' pages as they
// are before they are compressed.
func (r *Record) judgeBytes() (Outcome, string) {
	if r.Link == nil {
		return Pass, ""
	}
	seen := 0.0
	for _, c := range r.Link.Connections {
		seen += float64(c.Forward)
	}
	const slack = 256 << 10
	reported := float64(r.Migration.Bytes)
	if reported < seen*0.95-slack || (reported > seen*1.05+slack && !r.compressed()) {
		return fail("the source reports %.0f bytes transferred, and %.0f went over the link", reported, seen)
	}
	return Pass, ""
}

func (r *Record) compressed() bool {
	with, set := r.Parameters["multifd-compression"]
	return set && string(with) != `"none"`
}

// passes are the numbers in the MIGRATION_PASS events.
func passes(events []EventFacts) (numbers []int64) {
	for _, e := range named(events, "MIGRATION_PASS") {
		var data struct {
			Pass int64 `json:"pass"`
		}
		if json.Unmarshal(e.Data, &data) == nil {
			numbers = append(numbers, data.Pass)
		}
	}
	return numbers
}

// reportedStatus is that of a query-migrate, "" where it has none.
func reportedStatus(said json.RawMessage) string {
	var info struct {
		Status string `json:"status"`
	}
	_ = json.Unmarshal(said, &info)
	return info.Status
}

// Paced is what went over the link towards the destination in a stretch of time, and
// the max-bandwidth that there was.
type Paced struct {
	Seconds float64
	Bytes   int64
	Limit   float64 // bytes a second; 0 where none was set
}

// judgeBandwidth allows each stretch a quarter beyond its limit, and what QEMU may send
// at once: it counts in tenths of a second.
func judgeBandwidth(r *Record) (Outcome, string) {
	if len(r.Paced) == 0 {
		return unknown("what went over the link")
	}
	most := 0.0
	for _, p := range r.Paced {
		if p.Limit > 0 && float64(p.Bytes) > p.Limit*(p.Seconds*1.25+0.1)+1e6 {
			return fail("%d bytes went over the link in %.2f s, %.0f MB a second, where max-bandwidth was %.0f MB a second",
				p.Bytes, p.Seconds, float64(p.Bytes)/p.Seconds/1e6, p.Limit/1e6)
		}
		most = max(most, float64(p.Bytes)/p.Seconds)
	}
	return pass("at most %.0f MB a second went over the link", most/1e6)
}

// FailureFacts are what the source says of a migration that did not move its guest.
type FailureFacts struct {
	Status string
	Desc   string `json:",omitempty"` // why it failed, in QEMU's words
}

func judgeFailure(r *Record) (Outcome, string) {
	last := ""
	if r.Source != nil {
		if said := statuses(r.Source.Events); len(said) > 0 {
			last = said[len(said)-1]
		}
	}
	switch f := r.Failure; {
	case f == nil:
		return unknown("what the source says of the migration")
	case last != "" && f.Status != last:
		return fail("the source's query-migrate reports the status %q, and its last event said %s", f.Status, last)
	case f.Status == "failed" && f.Desc == "":
		return fail("the source's migration status is failed, and its query-migrate does not say why")
	case f.Desc != "":
		return pass("the source's migration status is %s: %s", f.Status, f.Desc)
	default:
		return pass("the source's migration status is %q", f.Status)
	}
}

// StandstillFacts say how long the guest stood still, as its own console shows it.
type StandstillFacts struct {
	LastOnSource       time.Time // heartbeat
	FirstOnDestination time.Time // heartbeat
	LongestSeconds     float64   // between two heartbeats on the source
}

// judgeStandstill holds the time that the guest stood still against itself: as both
// sides' events show it, as the source reports it, as its console shows it, and as
// it was limited.
func judgeStandstill(r *Record) (Outcome, string) {
	resume := first(r.Destination.Events, "RESUME")
	gap, reported := r.gap(), float64(r.Migration.DowntimeMS)
	const slack = 250 // ms, for a destination that has work left when the source is done
	latest := reported*2 + slack
	limit := r.downtimeLimit()
	if limit >= anyDowntime {
		latest = reported*3 + 3*slack // what was sent is to be decrypted or inflated, and nobody is in a hurry
	}
	switch {
	case reported > limit+2*slack:
		return fail("the source reports a downtime of %.0f ms, and %.0f were the limit", reported, limit)
	case !r.isPostcopy() && gap < reported*0.75-lateStop:
		return fail("the source reports a downtime of %.0f ms, and the destination ran %.0f ms after the source had stopped", reported, gap)
	case !r.staged() && !r.isPostcopy() && gap > latest:
		return fail("the source reports a downtime of %.0f ms, and the destination ran only %.0f ms after the source had stopped", reported, gap)
	}
	witness := ""
	if s := r.Standstill; s != nil {
		silence, late, longest := ms(s.FirstOnDestination.Sub(s.LastOnSource)), ms(s.FirstOnDestination.Sub(resume)), s.LongestSeconds*1000
		switch {
		case silence < gap-slack:
			return fail("the guest's console was silent for %.0f ms around a standstill of %.0f ms", silence, gap)
		case late > 2*longest+8*slack && !r.isPostcopy():
			return fail("the guest's console was silent for %.0f ms after it had been resumed, and its heartbeats were at most %.0f ms apart", late, longest)
		}
		witness = fmt.Sprintf(", and its console was silent for %.0f ms", silence)
	}
	return pass("the guest stood still for %.0f ms by both sides' events, %.0f by the source's report%s", gap, reported, witness)
}

// anyDowntime is a limit, in ms, that is set where the story is not about how long the
// guest stands.
const anyDowntime = 60_000

// downtimeLimit is the last that was set, in ms; infinite where the standstill is
// not QEMU's to limit, or none was set.
func (r *Record) downtimeLimit() float64 {
	limit := math.Inf(1)
	if set, ok := r.Parameters["downtime-limit"]; ok && !r.staged() && !r.isPostcopy() {
		_ = json.Unmarshal(set, &limit)
	}
	return limit
}
