package record

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
)

// judgeReported holds what QEMU reports of its migration against what its events and
// the link show.
func judgeReported(r *Record) (Outcome, string) {
	m := r.Migration
	if m == nil || r.Source == nil || r.Destination == nil {
		return unknown("what QEMU reports of the migration")
	}
	if wrong := m.unlikeItsSource(); wrong != "" {
		return Unknown, wrong
	}
	for _, judge := range []func() (Outcome, string){r.judgeTimes, r.judgePrompt, r.judgePasses, r.judgeStatuses, r.judgeBytes} {
		if outcome, witness := judge(); outcome != Pass {
			return outcome, witness
		}
	}
	return pass("total %d ms (%.0f by its events), downtime %d ms, %d dirty bitmap syncs",
		m.TotalMS, span(r.leavingEvents(), "setup", "completed"), m.DowntimeMS, m.Passes)
}

// unlikeItsSource is where what was taken from the source's query-migrate is not what
// stands there, or can't be read there.
func (m *MigrationFacts) unlikeItsSource() string {
	source, err := object(m.Source)
	if err != nil {
		return fmt.Sprintf("the source's query-migrate can't be read: %v", err)
	}
	ram, err := source.object("ram")
	if err != nil {
		return fmt.Sprintf("the source's query-migrate can't be read: %v", err)
	}
	for _, n := range []struct {
		in    members
		name  string
		taken float64
	}{
		{source, "total-time", float64(m.TotalMS)},
		{source, "downtime", float64(m.DowntimeMS)},
		{source, "setup-time", float64(m.SetupMS)},
		{ram, "dirty-sync-count", float64(m.Passes)},
		{ram, "transferred", float64(m.Bytes)},
	} {
		switch value, err := n.in.number(n.name); {
		case err != nil:
			return fmt.Sprintf("the source's query-migrate can't be read: %v", err)
		case value != n.taken:
			return fmt.Sprintf("the source's query-migrate has %s %.0f, and the record %.0f", n.name, value, n.taken)
		}
	}
	return ""
}

// near says whether what is reported lies close enough to what was seen, both in ms:
// they are measured on a machine that does other things as well.
func (r *Record) near(reported, seen float64) bool {
	return reported >= seen*(1-totalShare.Value)-r.allow(totalShorter) && reported <= seen*(1+totalShare.Value)+r.allow(totalLonger)
}

// judgeTimes holds the times that the source reports against its events.
func (r *Record) judgeTimes() (Outcome, string) {
	m, events := r.Migration, r.leavingEvents()
	total, setup, down := span(events, "setup", "completed"), span(events, "setup", "active"), span(events, "STOP", "completed")
	stopped := r.stoppedFirst()
	switch {
	case math.IsNaN(total):
		return unknown("when the migration began and was completed")
	case math.IsNaN(setup):
		return unknown("when the migration was active")
	case math.IsNaN(down) && !stopped:
		return unknown("when the source stopped")
	case !r.near(float64(m.TotalMS), total):
		return r.late("the source reports a total time of %d ms, and its events lie %.0f ms apart", m.TotalMS, total)
	case float64(m.SetupMS) > setupShare.Value*setup+r.allow(setupLonger):
		return r.late("the source reports a setup time of %d ms, and was active %.0f ms after setup began", m.SetupMS, setup)
	case stopped || down > total || r.downtimeSinceBoot(): // there is nothing to hold the downtime against
		return pass("")
	case !r.isPostcopy() && float64(m.DowntimeMS) < down*(1-downtimeShare.Value)-r.allow(downtimeShorter),
		float64(m.DowntimeMS) > down*(1+downtimeShare.Value)+r.allow(downtimeLater):
		return r.late("the source reports a downtime of %d ms, and was completed %.0f ms after it had stopped", m.DowntimeMS, down)
	}
	return pass("")
}

// downtimeSinceBoot reports whether what the source calls the downtime of a postcopy migration
// is the time since its host booted: QEMUs before 10.0 report that where the downtime was
// under a millisecond, for they take its beginning, which postcopy doesn't note, as 0.
func (r *Record) downtimeSinceBoot() bool {
	m := r.Migration
	return r.isPostcopy() && r.Source.olderThan(10) && float64(m.DowntimeMS) > bootedBefore.Value && m.DowntimeMS > m.TotalMS
}

// stoppedFirst says whether the scenario stopped the guest before it was sent.
func (r *Record) stoppedFirst() bool {
	if r.Unlaunched {
		return true
	}
	if r.Source == nil || r.Source.Stopped.IsZero() || r.Source.Stopped.After(r.Source.Began) {
		return false
	}
	stop := first(since(r.Source.Stopped, r.Source.Events), "STOP")
	return !stop.IsZero() && stop.Before(r.Source.Began)
}

// firstPass is the number of the first MIGRATION_PASS event from 11.1 on; before it is 1.
const firstPass = 2

// judgePasses holds the dirty bitmap syncs that the source counts against its events.
func (r *Record) judgePasses() (Outcome, string) {
	passes := passes(r.leavingEvents())
	if len(passes) == 0 {
		return unsure("no MIGRATION_PASS event came, and the source reports %d dirty bitmap syncs", r.Migration.Passes)
	}
	if last := slices.Max(passes); last != r.Migration.Passes {
		return fail("the source reports %d dirty bitmap syncs, and its last MIGRATION_PASS event is number %d", r.Migration.Passes, last)
	}
	for i := 1; i < len(passes); i++ {
		switch {
		case passes[i] <= passes[i-1]:
			return fail("the source's MIGRATION_PASS event number %d came after number %d; they were %v", passes[i], passes[i-1], passes)
		case passes[i] > passes[i-1]+1:
			return unsure("the source's MIGRATION_PASS event number %d came after number %d: one is missing; they were %v", passes[i], passes[i-1], passes)
		}
	}
	if passes[0] > firstPass {
		return unsure("the source's first MIGRATION_PASS event was number %d, expected 1 or %d; they were %v", passes[0], firstPass, passes)
	}
	return pass("")
}

// judgeStatuses holds what both sides' query-migrate report at the end against the events.
func (r *Record) judgeStatuses() (Outcome, string) {
	for _, side := range []struct {
		name  string
		reply json.RawMessage
	}{{"source", r.Migration.Source}, {"destination", r.Migration.Destination}} {
		reply, err := object(side.reply)
		status := ""
		if err == nil {
			status, err = reply.text("status")
		}
		switch {
		case err != nil:
			return unsure("the %s's query-migrate can't be read: %v", side.name, err)
		case status != "completed":
			return fail("the %s's query-migrate reports the status %q, and its events end with completed", side.name, status)
		}
	}
	return pass("")
}

// judgeBytes holds the bytes that QEMU reports against those that went over the link.
// They differ by what encryption adds. Up to 7.2 QEMU counts channels' pages as they
// are before they are compressed.
func (r *Record) judgeBytes() (Outcome, string) {
	if r.Link == nil {
		return pass("")
	}
	seen := 0.0
	for i, c := range r.Link.Connections {
		if c.Forward < 0 || c.Back < 0 {
			return unsure("%d bytes went over connection %d, and %d back", c.Forward, i+1, c.Back)
		}
		seen += float64(c.Forward)
	}
	compressed, unread := r.compressed()
	if unread != "" {
		return Unknown, unread
	}
	reported := float64(r.Migration.Bytes)
	if reported < seen*(1-linkShare.Value)-linkBytes.Value || (reported > seen*(1+linkShare.Value)+linkBytes.Value && !compressed) {
		return fail("the source reports %.0f bytes transferred, and %.0f went over the link", reported, seen)
	}
	return pass("")
}

// compressed says whether channels compress what they carry, or why that can't be read.
func (r *Record) compressed() (compressed bool, unread string) {
	if _, set := r.Parameters["multifd-compression"]; !set {
		return false, ""
	}
	with, err := members(r.Parameters).text("multifd-compression")
	if err != nil {
		return false, fmt.Sprintf("the source's parameters can't be read: %v", err)
	}
	return with != "none", ""
}

// shared finds RAM on a command line that other processes can have too.
var shared = regexp.MustCompile(`\bshare=(on|yes|true|y)\b|aux-ram-share`)

// sharesRAM says whether both sides have the same RAM, as their command lines have it too.
func (r *Record) sharesRAM() bool {
	if !r.SharedRAM || len(r.sides()) < 2 {
		return false
	}
	for _, side := range r.sides() {
		if !shared.MatchString(side.CommandLine) {
			return false
		}
	}
	return true
}
