package report

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/drover-vm/drover/migration/record"
)

// An explanation is what a run's failure comes to.
type explanation struct {
	side      string // source, destination, or both
	component string // RAM, statistics, multifd channels, xbzrle, vCPUs, devices, ...
	sentence  string // observed, where expected
	evidence  []para
	figure    *figure
}

// an explainer knows the run that it explains.
type explainer struct {
	*Folder

	facts   *record.Record // the leg's of the verdict, or the run's
	verdict record.Verdict
	check   string
	e       explanation
}

// explain says what a verdict that is no pass comes to.
func (f *Folder) explain(v record.Verdict) explanation {
	leg, check := splitCheck(v.Check)
	x := &explainer{Folder: f, facts: f.Record, verdict: v, check: check}
	if n, err := strconv.Atoi(strings.TrimPrefix(leg, "leg ")); err == nil && n >= 1 && n <= len(f.Record.Legs) {
		x.facts = f.Record.Legs[n-1]
	}
	x.e = explanation{side: sideIn(v.Witness), component: components[check], sentence: v.Witness}
	if v.Outcome == record.Fail {
		switch check {
		case "steps":
			x.step()
		case "workload":
			x.workload(x.facts.Workload, "destination")
		case "fault":
			if x.facts.Fault != nil && x.facts.Fault.RAM != nil && strings.HasPrefix(v.Witness, "on the source") {
				x.workload(x.facts.Fault.RAM, "source")
			}
		case "memory":
			x.memory(x.facts.Memory)
		case "exact memory":
			x.memory(x.facts.Exact)
		case "counts", "reported":
			x.statistics()
		case "measures":
			x.measure()
		case "guest lives":
			x.life()
		case "bandwidth":
			x.bandwidth()
		}
	}
	if x.e.side == "" {
		x.e.side = "source and destination"
	}
	return x.e
}

// components are what the checks are about.
var components = map[string]string{
	"steps": "migration", "guest lives": "vCPUs", "exactly one side runs": "run state", "events": "migration status",
	"reported": "statistics", "counts": "statistics", "bandwidth": "max-bandwidth", "failure": "error reporting", "fault": "error reporting",
	"downtime": "downtime", "quickest move": "downtime", "error messages": "stderr", "stopped guest is unchanged": "RAM",
	"workload": "RAM", "memory": "RAM", "exact memory": "RAM", "registers": "vCPU registers", "pulse": "vCPUs and devices", "measures": "measures",
	"devices": "devices", "clean end": "exit",
}

// sideIn is the side that a sentence is about: the one that it names first.
func sideIn(sentence string) string {
	s, d := strings.Index(sentence, "source"), strings.Index(sentence, "destination")
	switch {
	case s >= 0 && (d < 0 || s < d):
		return "source"
	case d >= 0:
		return "destination"
	}
	return ""
}

// add adds a line of evidence.
func (x *explainer) add(format string, args ...any) {
	x.e.evidence = append(x.e.evidence, para{Text: fmt.Sprintf(format, args...)})
}

// from adds one that stands in a file.
func (x *explainer) from(file string, line int, format string, args ...any) {
	if !x.has(file) {
		file = ""
	}
	x.e.evidence = append(x.e.evidence, para{Text: fmt.Sprintf(format, args...), File: file, Line: line})
}

var (
	timedOut  = regexp.MustCompile(`timed out after (\S+) waiting for (.*?)(?: on the (source|destination))?(?:,? whose (.*))?$`)
	exitedBy  = regexp.MustCompile(`(?:the (source|destination) had exited by itself|the (source|destination) has exited|exited)[^:]*: (.*)`)
	ofFeature = regexp.MustCompile(`xbzrle|requested-pages|dirty-limit|throttle|channels`)
)

// step explains the step in which the run ended.
func (x *explainer) step() {
	failed := failedStep(x.facts)
	if failed == nil {
		return
	}
	text := failed.Error
	if l := x.facts.Life; l != nil {
		if outcome, witness := l.Judge(); outcome == record.Fail && strings.HasSuffix(text, witness) {
			x.life()
			return
		}
	}
	if m := timedOut.FindStringSubmatch(text); m != nil {
		x.hang(failed, m[1], m[2], m[3])
		return
	}
	if m := exitedBy.FindStringSubmatch(x.facts.Error); m != nil {
		x.e.component = "process"
		if m[1]+m[2] != "" {
			x.e.side = m[1] + m[2]
		}
		x.e.sentence = fmt.Sprintf("QEMU exited by itself (%s), where %s was under way", clip(m[3], 160), failed.Name)
	} else {
		first, _, _ := strings.Cut(text, "; last on its monitor")
		x.e.sentence = fmt.Sprintf("%s, where %q was expected to succeed", clip(first, 220), failed.Name)
	}
	x.ended()
	x.sequences()
	x.errors()
}

// hang explains what a step waited for, and did not come.
func (x *explainer) hang(failed *record.StepFacts, after, what, side string) {
	if side != "" {
		x.e.side = side
	}
	if m := ofFeature.FindString(failed.Name); m != "" && x.feature(failed.Name, what, after) {
		return
	}
	x.e.component = "migration"
	status := x.lastStatus(x.e.side)
	state := x.runState(x.e.side)
	observed := "nothing came for " + after
	if status != "" {
		observed = fmt.Sprintf("migration status stays %q for %s", status, after)
	}
	if lifeless(what) && state != "" && state != "running" {
		x.e.component = "vCPUs"
		observed = fmt.Sprintf("the guest is not resumed: run state %s for %s, migration status %q", state, after, status)
	}
	x.e.sentence = fmt.Sprintf("%s, where %s is expected", observed, clip(what, 120))
	stuck := x.waiting()
	for _, t := range stuck {
		x.from(t.side+".diagnosis", t.line, "%s", t)
	}
	if lacks := missingOf(stuck); lacks != "" {
		x.add("missing: %s", lacks)
	}
	if len(stuck) > 0 && len(stuck[0].frames) > 0 {
		x.e.side = stuck[0].side
		x.e.sentence = fmt.Sprintf("%s; the %s waits in %s", x.e.sentence, stuck[0].side, stuck[0].frames[0])
	}
	x.sequences()
	x.progress()
	x.ended()
	x.errors()
}

// progress adds what the source counted last, from which one sees whether it sends.
func (x *explainer) progress() {
	if c, line := x.lastCounters(); line > 0 && c["ram.total"] > 0 {
		x.from("source.qmp", line, "source: query-migrate: %s transferred, %s remaining, %s dirty bitmap syncs", size(c["ram.transferred"]), size(c["ram.remaining"]), thousands(c["ram.dirty-sync-count"]))
	}
}

// lifeless says that a step waited for a guest to run.
func lifeless(what string) bool {
	return strings.Contains(what, "counter") || strings.Contains(what, "heartbeat") || strings.Contains(what, "to run") || strings.Contains(what, "running") || strings.Contains(what, "RESUME")
}

// sequences adds the statuses that each side came to, and since when there was nothing.
func (x *explainer) sequences() {
	end := x.end()
	for _, s := range sidesOf(x.facts) {
		all := statuses(s.facts.Events)
		if len(all) == 0 {
			if !s.facts.Began.IsZero() {
				x.add("%s: no migration status was reported", s.name)
			}
			continue
		}
		text := s.name + ": migration status " + strings.Join(all, ", ")
		if last := s.facts.Events[len(s.facts.Events)-1]; !end.IsZero() && !last.Time.IsZero() && end.Sub(last.Time) > time.Second {
			text += fmt.Sprintf("; the last event came %.1f s before the end", end.Sub(last.Time).Seconds())
		}
		x.add("%s", text)
	}
}

// ended adds which QEMU was gone in the end.
func (x *explainer) ended() {
	for _, line := range x.facts.Diagnosis {
		if strings.Contains(line, "has exited") || strings.Contains(line, "does not answer") {
			x.add("%s", clip(line, 240))
		}
	}
}

// errors adds what the QEMUs report as the reason.
func (x *explainer) errors() {
	if f := x.facts.Failure; f != nil && f.Desc != "" {
		x.add("source: error-desc %q", clip(f.Desc, 200))
	}
	for _, s := range sidesOf(x.facts) {
		n := 0
		for i, line := range strings.Split(s.facts.Stderr, "\n") {
			if n < 2 && !x.expectedLine(line) {
				x.from(s.name+".stderr", i+1, "%s: stderr: %s", s.name, clip(line, 200))
				n++
			}
		}
	}
}

// end is when the run's last step was over; zero where that is not known.
func (f *Folder) end() time.Time {
	if f.Record.Started.IsZero() {
		return time.Time{}
	}
	return f.Record.Started.Add(time.Duration(f.Record.Seconds * float64(time.Second)))
}
