package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Bounds of what is shown of the logs.
const (
	mostLogLines = 300
	mostLogLine  = 400
	mostListing  = 64 << 10
)

// lastSection is what each side said last, and how it was set.
func (f *Folder) lastSection() section {
	s := section{Title: "Last words of each side"}
	for _, l := range f.sides() {
		s.listing(f.lastMigrate(l))
	}
	set := f.parametersSet()
	if on, line := f.source.capabilities(); line > 0 {
		s.from(para{Label: "capabilities on (source)", Text: cmp.Or(strings.Join(on, ", "), "none"), File: "source.qmp", Line: line})
	}
	if on, line := f.dest.capabilities(); line > 0 {
		s.from(para{Label: "capabilities on (destination)", Text: cmp.Or(strings.Join(on, ", "), "none"), File: "destination.qmp", Line: line})
	}
	s.para("parameters set", cmp.Or(strings.Join(set, ", "), "none"), "")
	for _, l := range f.sides() {
		s.listing(f.logListing(l.name+", stderr", l.stderr))
		s.listing(f.logListing(l.name+", swtpm", l.swtpm))
	}
	return s
}

// logListing is the end of a log.
func (f *Folder) logListing(title, text string) listing {
	list := listing{Title: title}
	for i, line := range lastLines(text, mostLogLines) {
		mark := ""
		if f.expectedLine(line) {
			mark = "grey"
		}
		list.Lines = append(list.Lines, listLine{Gutter: fmt.Sprintf("%4d  ", i+1), Text: clip(line, mostLogLine), Mark: mark})
	}
	return list
}

// lastMigrate is the last reply to query-migrate of a side, a line a member.
func (f *Folder) lastMigrate(l *logs) listing {
	list := listing{Title: l.name + ", last query-migrate"}
	var value json.RawMessage
	if m := f.Record.Migration; m != nil && l.name == "source" {
		value = m.Source
	} else if m != nil {
		value = m.Destination
	}
	if all := l.replies("query-migrate"); len(all) > 0 {
		last := all[len(all)-1]
		value, list.Title = last.value, fmt.Sprintf("%s (%s)", list.Title, place(l.name+".qmp", last.line))
	}
	var out bytes.Buffer
	if len(value) == 0 || json.Indent(&out, value, "", "  ") != nil {
		return listing{}
	}
	for _, line := range strings.Split(out.String(), "\n") {
		list.Lines = append(list.Lines, listLine{Text: clipRight(line, mostLogLine)})
	}
	list.Lines = list.Lines[:min(len(list.Lines), mostLogLines)]
	return list
}

// clipRight is clip for text whose beginning stays.
func clipRight(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return clip(text, most)
}

// parametersSet are the migration parameters that the run set.
func (f *Folder) parametersSet() (all []string) {
	for _, name := range slices.Sorted(maps.Keys(f.Record.Parameters)) {
		all = append(all, name+" "+string(f.Record.Parameters[name]))
	}
	return all
}

// lastLines are the last lines of a text.
func lastLines(text string, most int) []string {
	text = strings.TrimRight(text, "\n")
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	return lines[max(0, len(lines)-most):]
}

var machineOf = regexp.MustCompile(`-machine ([^ ,]+)`)

// againSection says how to repeat the run.
func (f *Folder) againSection() section {
	s := section{Title: "How to repeat it"}
	r := f.Record
	command := []string{"drover run"}
	if r.Source != nil && r.Source.Binary != "" {
		command = append(command, "--qemu-src", r.Source.Binary)
		if r.Destination != nil && r.Destination.Binary != "" {
			command = append(command, "--qemu-dst", r.Destination.Binary)
		}
		if m := machineOf.FindStringSubmatch(r.Source.CommandLine); m != nil && !strings.Contains(m[1], "=") {
			command = append(command, "--machine", m[1])
		}
	}
	if accel, why, _ := strings.Cut(r.Accel, ": "); accel != "" && why != "the default" {
		command = append(command, "--accel", accel)
	}
	scenario := cmp.Or(r.Scenario, "SCENARIO")
	if f.Scenario != "" {
		scenario = "run.scenario"
	}
	again := strings.Join(append(command, scenario), " ")
	hold := strings.Join(append(command, "--hold", scenario), " ")
	list := listing{Title: "In this folder", Lines: []listLine{{Text: again}, {Text: hold, Mark: "grey"}}}
	s.listing(list)
	s.para("", "With --hold both VMs stay alive when the run has failed, and drover prints how to attach: QMP, console, gdb.", "")
	for _, side := range sidesOf(r) {
		if side.facts.CommandLine != "" {
			s.listing(listing{Title: side.name + ", command line", Lines: []listLine{{Text: side.facts.CommandLine}}})
		}
	}
	for _, l := range f.sides() {
		s.listing(l.commands())
	}
	return s
}

// commands are what a side was told, in order: polls on end are one line.
func (l *logs) commands() listing {
	list := listing{Title: l.name + ", QMP commands in order", Fold: true}
	last, count := "", 0
	for _, m := range l.qmp {
		if !m.sent {
			continue
		}
		text := clip(idMember.ReplaceAllString(m.text, ""), mostLogLine)
		if text == last && len(list.Lines) > 0 {
			count++
			list.Lines[len(list.Lines)-1].Text = fmt.Sprintf("%s  (%d times)", text, count)
			continue
		}
		last, count = text, 1
		list.Lines = append(list.Lines, listLine{Gutter: fmt.Sprintf("%10.3f  ", m.at.Seconds()), Text: text})
		if len(list.Lines) == mostLogLines {
			list.Lines = append(list.Lines, listLine{Text: "... the rest is in " + l.name + ".qmp", Mark: "grey"})
			break
		}
	}
	return list
}

var idMember = regexp.MustCompile(`,? ?"id": ?\d+`)

// foldedSection is what only few want to read.
func (f *Folder) foldedSection() section {
	s := section{Title: "Stacks, logs and files", Folded: true}
	for _, l := range f.sides() {
		list := listing{Title: l.name + ", threads (libraries' frames left out)", Fold: true}
		for _, t := range l.threads() {
			list.Lines = append(list.Lines, listLine{Gutter: fmt.Sprintf("%5d  ", t.line), Text: t.String()})
		}
		s.listing(list)
		s.listing(l.registers())
		s.listing(l.dialogue())
	}
	t := table{Caption: "Files of this run", Head: []string{"file", "bytes"}, Files: true}
	for _, file := range f.Files {
		t.Rows = append(t.Rows, []string{file.Name, fmt.Sprint(file.Size)})
	}
	s.table(t)
	return s
}

// registers are the vCPUs', as the diagnosis has them.
func (l *logs) registers() listing {
	list := listing{Title: l.name + ", the vCPUs' registers", Fold: true}
	n, inside := 0, false
	for line := range strings.Lines(l.diagnosis) {
		n++
		switch {
		case strings.TrimSpace(line) == "registers:":
			inside = true
		case inside && !strings.HasPrefix(line, " "):
			return list
		case inside && strings.TrimSpace(line) != "" && len(list.Lines) < mostLogLines:
			list.Lines = append(list.Lines, listLine{Gutter: fmt.Sprintf("%5d  ", n), Text: clip(line, mostLogLine)})
		}
	}
	return list
}

var numbers = regexp.MustCompile(`-?\d+(?:\.\d+)?`)

// dialogue is what went over a side's monitor: equal polls and their replies, which differ
// in numbers at the most, are one.
func (l *logs) dialogue() listing {
	list := listing{Title: l.name + ", monitor (equal polls collapsed)", Fold: true}
	seen, skipped, used := map[string]int{}, 0, 0
	for _, m := range l.qmp {
		key := fmt.Sprint(m.sent, numbers.ReplaceAllString(m.text, "0"))
		if seen[key]++; seen[key] > 2 && !strings.Contains(m.text, `"MIGRATION"`) {
			skipped++
			continue
		}
		if skipped > 0 {
			list.Lines = append(list.Lines, listLine{Text: fmt.Sprintf("... %d messages like those above", skipped), Mark: "grey"})
			skipped = 0
		}
		direction := "<"
		if m.sent {
			direction = ">"
		}
		text := clip(m.text, mostLogLine)
		used += len(text)
		list.Lines = append(list.Lines, listLine{Gutter: fmt.Sprintf("%10.3f %s ", m.at.Seconds(), direction), Text: text})
		if len(list.Lines) >= mostLogLines || used > mostListing {
			list.Lines = append(list.Lines, listLine{Text: "... the rest is in " + l.name + ".qmp", Mark: "grey"})
			return list
		}
	}
	if skipped > 0 {
		list.Lines = append(list.Lines, listLine{Text: fmt.Sprintf("... %d messages like those above", skipped), Mark: "grey"})
	}
	return list
}
