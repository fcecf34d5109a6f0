package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drover-vm/drover/migration/record"
)

// A moment is what happened at one time: a row of the clock.
type moment struct {
	at    time.Time
	lane  string // drover, source, destination
	text  string
	fold  string // moments of one lane on end with the same fold are one row
	last  string // what the last of them adds
	count int
	mark  string
}

// clockOf is a time on the run's own clock: since it started.
func (f *Folder) clockOf(at time.Time) string {
	if at.IsZero() || f.Record.Started.IsZero() {
		return ""
	}
	return fmt.Sprintf("%+.3f s", at.Sub(f.Record.Started).Seconds())
}

// mostMoments bounds the rows of the clock.
const mostMoments = 400

// moments are all that has a time, in order. What has none is left out.
func (f *Folder) moments() []moment {
	r := f.Record
	var all []moment
	at := r.Started
	for _, s := range r.Steps {
		m := moment{at: at, lane: "drover", text: s.Name}
		if s.Error != "" {
			m.mark = "fail"
		}
		if !r.Started.IsZero() {
			all = append(all, m)
			at = at.Add(time.Duration(s.Seconds * float64(time.Second)))
		}
	}
	for i, leg := range append(slices.Clone(r.Legs), r) {
		if leg == nil {
			continue
		}
		prefix := ""
		if len(r.Legs) > 0 {
			prefix = fmt.Sprintf("move %d: ", i+1)
		}
		for _, s := range sidesOf(leg) {
			all = append(all, eventMoments(s, prefix)...)
		}
	}
	if r.Fault != nil && !r.Fault.At.IsZero() {
		all = append(all, moment{at: r.Fault.At, lane: "drover", text: "fault: the migration was " + r.Fault.What, mark: "fail"})
	}
	for _, l := range f.sides() {
		all = append(all, l.commandMoments()...)
	}
	all = slices.DeleteFunc(all, func(m moment) bool { return m.at.IsZero() })
	slices.SortStableFunc(all, func(a, b moment) int { return a.at.Compare(b.at) })
	return folded(all)
}

func eventMoments(s namedFacts, prefix string) (all []moment) {
	if !s.facts.Stopped.IsZero() {
		all = append(all, moment{at: s.facts.Stopped, lane: s.name, text: prefix + "the scenario stops the guest"})
	}
	for _, e := range s.facts.Events {
		m := moment{at: e.Time, lane: s.name, text: prefix + e.Name}
		switch status := statusOf(e); {
		case status != "":
			m.text = prefix + "status " + status
			if status == "failed" {
				m.mark = "fail"
			}
		case e.Name == "MIGRATION_PASS":
			m.fold = "pass"
			m.last = strings.TrimSpace(strings.Trim(strings.ReplaceAll(string(e.Data), `"pass":`, ""), "{} "))
			m.text = prefix + "pass " + m.last
		case len(e.Data) > 0:
			m.text = prefix + clip(e.Name+" "+string(e.Data), 120)
			m.fold = m.text
		}
		all = append(all, m)
	}
	return all
}

// commandMoments are the commands that do something: none that only asks.
func (l *logs) commandMoments() (all []moment) {
	for _, m := range l.qmp {
		name, arguments := m.command()
		at, known := l.when(m)
		if name == "" || !known || asks(name) {
			continue
		}
		all = append(all, moment{at: at, lane: l.name, text: clip("> "+name+" "+string(arguments), 120), fold: "> " + name + string(arguments)})
	}
	return all
}

// asks says whether a command only asks.
func asks(name string) bool {
	return strings.HasPrefix(name, "query-") || name == "human-monitor-command" || name == "qmp_capabilities" || strings.HasPrefix(name, "qom-")
}

// folded joins what repeats in one lane, whatever comes between in the others.
func folded(all []moment) (rows []moment) {
	last := map[string]int{}
	for _, m := range all {
		m.count = 1
		if i, ok := last[m.lane]; ok && m.fold != "" && rows[i].fold == m.fold {
			rows[i].count++
			rows[i].last = m.last
			continue
		}
		last[m.lane] = len(rows)
		rows = append(rows, m)
	}
	return rows
}

func (m moment) String() string {
	switch {
	case m.count > 1 && m.last != "":
		return fmt.Sprintf("%s to %s", m.text, m.last)
	case m.count > 1:
		return fmt.Sprintf("%s (%d times)", m.text, m.count)
	}
	return m.text
}

// clockTable is both sides on one clock.
func (f *Folder) clockTable() table {
	t := table{Caption: "Both sides on one clock; 0 is when the run started", Head: []string{"time", "drover", "source", "destination"}}
	rows := f.moments()
	left := 0
	if len(rows) > mostMoments {
		left = len(rows) - mostMoments
		rows = slices.Concat(rows[:mostMoments/2], rows[len(rows)-mostMoments/2:])
	}
	for i, m := range rows {
		if left > 0 && i == mostMoments/2 {
			t.Rows = append(t.Rows, []string{"...", fmt.Sprintf("%d more", left), "", ""})
			t.Marks = append(t.Marks, "")
		}
		row := []string{f.clockOf(m.at), "", "", ""}
		row[1+slices.Index([]string{"drover", "source", "destination"}, m.lane)] = m.String()
		t.Rows = append(t.Rows, row)
		t.Marks = append(t.Marks, m.mark)
	}
	return t
}

// downtime is from the source's last STOP to the destination's first RESUME behind it.
func downtime(r *record.Record) (stop, resume time.Time, ok bool) {
	if r.Source == nil || r.Destination == nil {
		return stop, resume, false
	}
	for _, e := range r.Source.Events {
		if e.Name == "STOP" {
			stop = e.Time
		}
	}
	for _, e := range r.Destination.Events {
		if e.Name == "RESUME" && !stop.IsZero() && e.Time.After(stop) {
			return stop, e.Time, true
		}
	}
	return stop, resume, false
}
