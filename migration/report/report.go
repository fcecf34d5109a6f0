package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/migration/record"
)

// A Sum counts results. Its zero value is an empty one.
type Sum struct {
	Total, Passed, Failed, Unknown, Skipped int
	Seconds                                 float64
}

// Add counts one result.
func (s *Sum) Add(r *record.Result) {
	s.Total++
	switch r.Outcome {
	case record.Pass:
		s.Passed++
	case record.Fail:
		s.Failed++
	case record.Skip:
		s.Skipped++
	default:
		s.Unknown++
	}
}

// OK says that nothing failed, and nothing is unknown.
func (s Sum) OK() bool { return s.Failed == 0 && s.Unknown == 0 }

// String is the line that closes a run: "4 scenarios: 3 passed, 1 skipped in 8.1 s".
func (s Sum) String() string {
	noun := "scenarios"
	if s.Total == 1 {
		noun = "scenario"
	}
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{s.Passed, "passed"}, {s.Failed, "failed"}, {s.Unknown, "unknown"}, {s.Skipped, "skipped"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	if len(parts) == 0 {
		parts = []string{"none ran"}
	}
	return fmt.Sprintf("%d %s: %s in %.1f s", s.Total, noun, strings.Join(parts, ", "), s.Seconds)
}

// colours of the outcomes on a terminal (ECMA-48 SGR).
var colours = map[record.Outcome]string{
	record.Pass: "32", record.Fail: "1;31", record.Unknown: "1;35", record.Skip: "33",
}

// Word is the outcome in seven columns, in colour where that is wanted.
func Word(o record.Outcome, colour bool) string {
	word := fmt.Sprintf("%-7s", plain.Text(string(o)))
	if colour {
		return "\x1b[" + colours[o] + "m" + word + "\x1b[0m"
	}
	return word
}

// Line is one result in one line: outcome, name, seconds, and what the
// migration took, or why the outcome isn't a pass. The name is padded to width columns.
//
// What a record holds may have been written by anybody, and a terminal would obey it: all
// lines here are of printable characters, beside the colour.
func Line(r *record.Result, width int, colour bool) string {
	line := fmt.Sprintf("%s  %-*s %6.2f s  %s", Word(r.Outcome, colour), width, plain.Text(r.Name()), r.Seconds, plain.Text(gist(r)))
	return strings.TrimRight(line, " ")
}

// Print writes what a person sees of a run when it has ended: Line, and below it, of a run
// that was judged and did not pass, where it failed, what was observed and what expected, the
// evidence that decides, and where the rest lies. Of one that could not be judged it is what
// was seen of the VMs.
func Print(w io.Writer, r *record.Result, width int, colour bool) {
	if !explained(r) {
		fmt.Fprintln(w, Line(r, width, colour))
		if r.Record != nil && r.Outcome != record.Pass {
			for _, line := range r.Record.Diagnosis {
				fmt.Fprintf(w, "         %s\n", plain.Text(line))
			}
		}
		printArtifacts(w, r)
		return
	}
	short := *r
	short.Reason = "" // the lines below say it
	fmt.Fprintln(w, Line(&short, width, colour))
	var text strings.Builder
	sections := pageOf(readFor(r), r).Sections[:2]
	sections[0].Blocks = sections[0].Blocks[1:] // the line above says that
	writeText(&text, sections, 0)
	for line := range strings.Lines(text.String()) {
		fmt.Fprintf(w, "         %s", line)
	}
	printArtifacts(w, r)
}

func printArtifacts(w io.Writer, r *record.Result) {
	if r.Dir != "" {
		fmt.Fprintf(w, "         artifacts: %s\n", plain.Text(r.Dir))
	}
}

// explained says whether the result was judged, and did not pass.
func explained(r *record.Result) bool {
	return r.Record != nil && len(r.Verdicts) > 0 && (r.Outcome == record.Fail || r.Outcome == record.Unknown)
}

func gist(r *record.Result) string {
	if r.Outcome != record.Pass {
		return r.Reason
	}
	if r.Record == nil || r.Record.Migration == nil || r.Record.Ends != record.OnDestination {
		return ""
	}
	m := r.Record.Migration
	passes := "passes"
	if m.Passes == 1 {
		passes = "pass"
	}
	return fmt.Sprintf("total %d ms  downtime %d ms  %d %s", m.TotalMS, m.DowntimeMS, m.Passes, passes)
}

// Verdicts writes each check's verdict with its witness.
func Verdicts(w io.Writer, verdicts []record.Verdict) {
	for _, v := range verdicts {
		fmt.Fprintf(w, "    %s  %s: %s\n", Word(v.Outcome, false), plain.Text(v.Check), plain.Text(v.Witness))
	}
}

// Steps writes each step with the time it took.
func Steps(w io.Writer, steps []record.StepFacts) {
	for _, s := range steps {
		fmt.Fprintf(w, "    %7.3f s  %s\n", s.Seconds, plain.Text(s.Name))
	}
}
