package report

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/drover-vm/drover/migration/record"
)

// pageOf is a run's page: a pure function of its folder and its verdicts. Where that breaks,
// over a record that makes no sense, say, the page has what the verdicts say.
func pageOf(f *Folder, result *record.Result) (p page) {
	defer func() {
		if broken := recover(); broken != nil {
			p = page{Title: string(result.Outcome) + ": " + result.Name(), Outcome: string(result.Outcome)}
			p.Sections = []section{f.headline(result, explanation{sentence: result.Reason}), {Title: "Deciding evidence"}}
			p.Sections[1].para("", fmt.Sprintf("the explanation itself broke: %v", broken), "unknown")
		}
	}()
	r := f.Record
	c := sortCauses(r, result.Verdicts)
	p = page{Title: string(result.Outcome) + ": " + result.Name(), Outcome: string(result.Outcome)}
	var e explanation
	if c.first != nil && result.Outcome != record.Pass {
		e = f.explain(*c.first)
	}
	p.Sections = []section{
		f.headline(result, e),
		f.evidence(c, e),
		f.scenarioSection(),
		f.clockSection(),
		standing(c),
		f.comparison(),
		f.lastSection(),
		f.againSection(),
		f.foldedSection(),
	}
	return p
}

// versions are both sides', in a few words.
func versions(r *record.Record) string {
	var source, destination string
	if r.Source != nil {
		source = r.Source.Version
	}
	if r.Destination != nil {
		destination = r.Destination.Version
	}
	switch {
	case source == "" && destination == "":
		return ""
	case destination == "" || destination == source:
		return "QEMU " + source
	}
	return "QEMU " + cmp.Or(source, "?") + " to " + destination
}

func (f *Folder) headline(result *record.Result, e explanation) section {
	r := f.Record
	s := section{Title: "Outcome"}
	parts := []string{result.Name()}
	if v := versions(r); v != "" {
		parts = append(parts, v)
	}
	if accel, _, _ := strings.Cut(r.Accel, ":"); accel != "" {
		parts = append(parts, accel)
	}
	parts = append(parts, fmt.Sprintf("%.2f s", result.Seconds))
	s.para(string(result.Outcome), strings.Join(parts, ", "), string(result.Outcome))
	if e.sentence != "" {
		what := e.side
		if e.component != "" {
			what += ", " + e.component
		}
		s.para("where", what, "")
		s.para("what", clip(e.sentence, 400), "")
	} else if text := gist(result); text != "" {
		s.para("what", clip(strings.ReplaceAll(text, "  ", ", "), 400), "")
	}
	if failed := failedStep(r); failed != nil {
		text := failed.Name
		if failed.Line > 0 {
			text = fmt.Sprintf("line %d: %s", failed.Line, failed.Name)
		}
		p := para{Label: "in", Text: text}
		if f.Scenario != "" {
			p.File, p.Line = "run.scenario", failed.Line
		}
		s.from(p)
	}
	return s
}

// mostEvidence is how many lines decide, beside those of other failures.
const mostEvidence = 6

func (f *Folder) evidence(c causes, e explanation) section {
	s := section{Title: "Deciding evidence"}
	for i, line := range e.evidence {
		if i < mostEvidence {
			s.from(line)
		}
	}
	if c.first != nil && len(e.evidence) == 0 && e.sentence != c.first.Witness {
		s.para(c.first.Check, clip(c.first.Witness, 500), "")
	}
	s.figure(e.figure)
	for _, v := range c.also {
		s.para("also", v.Check+": "+clip(v.Witness, 240), "fail")
	}
	if busy := hostLine(f.Record); busy != "" && c.first != nil {
		s.para("host", busy, "note")
	}
	if len(s.Blocks) == 0 {
		s.para("", "nothing failed", "")
	}
	return s
}

// hostLine says how busy the host was, "" where nobody measured or it was not.
func hostLine(r *record.Record) string {
	h := r.Host
	if h == nil || !(h.Slowdown >= 1.25) && !(h.StoppedSeconds >= 0.1) && h.CutShort <= 0 {
		return ""
	}
	text := fmt.Sprintf("%.1f times as slow as expected, load %.1f on %d processors", h.Slowdown, max(h.LoadBefore, h.LoadAfter), h.CPUs)
	if h.StoppedSeconds >= 0.1 {
		text += fmt.Sprintf("; drover did not run for %.1f s", h.StoppedSeconds)
	}
	if h.CutShort > 0 {
		text += fmt.Sprintf("; %d waits ended before they had their time", h.CutShort)
	}
	return text
}

// scenarioSection is the scenario's text with the time of each line.
func (f *Folder) scenarioSection() section {
	s := section{Title: "The scenario"}
	steps := map[int][]record.StepFacts{}
	var others []string
	for _, step := range f.Record.Steps {
		if step.Line > 0 {
			steps[step.Line] = append(steps[step.Line], step)
		} else {
			others = append(others, fmt.Sprintf("%s %.3f s", step.Name, step.Seconds))
		}
	}
	l := listing{Title: "run.scenario"}
	text := strings.TrimRight(f.Scenario, "\n")
	if text == "" {
		l.Title = "Steps"
		for i, step := range f.Record.Steps {
			l.Lines = append(l.Lines, stepLine(step.Name, i+1, []record.StepFacts{step}))
		}
	} else {
		for i, line := range strings.Split(text, "\n") {
			l.Lines = append(l.Lines, stepLine(line, i+1, steps[i+1]))
		}
	}
	s.listing(l)
	if f.Scenario != "" && len(others) > 0 {
		s.para("also taken", strings.Join(others, "; "), "")
	}
	if fault := f.Record.Fault; fault != nil && fault.What != "" {
		s.para("fault injected", "the migration was "+fault.What, "note")
	}
	return s
}

func stepLine(text string, line int, steps []record.StepFacts) listLine {
	l := listLine{Gutter: fmt.Sprintf("%4d %10s  ", line, ""), Text: text}
	seconds := 0.0
	for _, s := range steps {
		seconds += s.Seconds
		if s.Error != "" {
			l.Mark = "fail"
		}
	}
	if len(steps) > 0 {
		l.Gutter = fmt.Sprintf("%4d %8.3f s  ", line, seconds)
	} else if strings.HasPrefix(strings.TrimSpace(text), "#") {
		l.Mark = "grey"
	}
	return l
}

func (f *Folder) clockSection() section {
	s := section{Title: "Both sides on one clock"}
	for _, figure := range f.figures() {
		s.figure(figure)
	}
	s.table(f.clockTable())
	return s
}

// standing says what is ruled out, what was not reached, and what only follows.
func standing(c causes) section {
	s := section{Title: "Ruled out, not reached, consequences"}
	s.para("ruled out", checkNames(c.passed), "pass")
	s.para("not reached", checkNames(c.absent), "note")
	for _, v := range c.follow {
		s.para("consequence", v.Check+": "+clip(v.Witness, 240), "note")
	}
	for _, v := range c.unsure {
		s.para("unknown", v.Check+": "+clip(v.Witness, 300), "unknown")
	}
	return s
}

func checkNames(verdicts []record.Verdict) string {
	var names []string
	for _, v := range verdicts {
		names = append(names, v.Check)
	}
	return cmp.Or(strings.Join(names, ", "), "none")
}
