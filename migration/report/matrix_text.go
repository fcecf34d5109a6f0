package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/drover-vm/drover/migration/preflight"
)

// MatrixText writes the table, source by destination: in each cell what came of the
// runs, and what was predicted beside it; under it the machine type. Below it stand
// the reasons of what did not pass, what the CPUs differ in, which no guest of
// drover's notices, the findings, and the pairs that could not be tried.
func MatrixText(out io.Writer, m *Matrix) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "from \\ to")
	for _, q := range m.QEMUs {
		fmt.Fprintf(w, "\t%s", q.Name)
	}
	fmt.Fprintln(w)
	for _, source := range m.QEMUs {
		results, machines := source.Name, ""
		for _, destination := range m.QEMUs {
			results, machines = results+"\t", machines+"\t"
			if p := m.Pair(source.Name, destination.Name); p != nil {
				results, machines = results+p.cell(), machines+p.Machine
			}
		}
		fmt.Fprintf(w, "%s\n%s\n", results, machines)
	}
	_ = w.Flush()
	run := strings.Join(m.Scenarios, ", ")
	if n := len(m.Scenarios); n > listed {
		run = fmt.Sprintf("%d scenarios", n)
	}
	fmt.Fprintf(out, "Each cell: what came of %s; in parentheses what was predicted; below, the machine type.\n", run)
	m.reasons(out)
	m.unpredicted(out)
	m.cpus(out)
	for _, f := range m.Findings() {
		fmt.Fprintf(out, "finding: %s\n", f)
	}
	if untried := m.Untried(); len(untried) > 0 {
		fmt.Fprintf(out, "%d of %d pairs could not be tried:\n", len(untried), len(m.Pairs))
		for _, p := range untried {
			fmt.Fprintf(out, "    %s -> %s\n", p.Source, p.Destination)
		}
	}
	fmt.Fprintln(out, m.sum())
}

// cell is what came of a pair: "4 pass (completes)".
func (p Pair) cell() string {
	var parts []string
	for _, e := range []struct {
		ending Ending
		word   string
	}{{Passed, "pass"}, {Documented, "as documented"}, {Failed, "FAIL"}, {Undecided, "unknown"}, {Skipped, "skip"}} {
		if n := p.Count(e.ending); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, e.word))
		}
	}
	if len(parts) == 0 {
		parts = []string{"not run"}
	}
	predicted := []string{}
	for _, r := range p.Runs {
		if text := string(p.Predicted(r).Outcome); !slices.Contains(predicted, text) {
			predicted = append(predicted, text)
		}
	}
	if len(predicted) == 0 {
		predicted = []string{string(p.Prediction.Outcome)}
	}
	return fmt.Sprintf("%s (%s)", strings.Join(parts, ", "), strings.Join(predicted, ", "))
}

// listed is how many runs with the same reason are named.
const listed = 4

// reasons writes why runs did not pass, the same reason of several once.
func (m *Matrix) reasons(out io.Writer) {
	var all grouped
	for _, p := range m.Pairs {
		for _, r := range p.Runs {
			if r.Ending == Passed || r.Contradicts {
				continue // findings have their own lines
			}
			reason := fmt.Sprintf("%s: %s", r.Ending, r.Reason)
			if r.Ending == Documented {
				reason = fmt.Sprintf("%s: %s, and the guest runs on at the source; %s", r.Ending, p.Predicted(r).Sentence, r.Reason)
			}
			all.add(reason, fmt.Sprintf("%s -> %s %s", p.Source, p.Destination, r.Scenario))
		}
	}
	all.write(out)
}

// unpredicted writes why pairs have no prediction, the same reason of several once.
func (m *Matrix) unpredicted(out io.Writer) {
	var all grouped
	for _, p := range m.Pairs {
		if p.Prediction.Outcome == preflight.Unknown && p.Prediction.Sentence != "" {
			all.add("no prediction: "+p.Prediction.Sentence, p.Source+" -> "+p.Destination)
		}
	}
	all.write(out)
}

// cpus writes what a guest may miss of its vCPUs, the same of several pairs once.
func (m *Matrix) cpus(out io.Writer) {
	var all grouped
	for _, p := range m.Pairs {
		for _, d := range p.Differences {
			if d.OfCPU() && d.Severity != preflight.Harmless {
				all.add(fmt.Sprintf("%s: %s", d.Severity, d.Sentence), p.Source+" -> "+p.Destination)
			}
		}
	}
	all.write(out)
}

// grouped are sentences, each once, with where it holds.
type grouped struct {
	order []string
	where map[string][]string
}

func (g *grouped) add(sentence, where string) {
	if g.where == nil {
		g.where = map[string][]string{}
	}
	if g.where[sentence] == nil {
		g.order = append(g.order, sentence)
	}
	g.where[sentence] = append(g.where[sentence], where)
}

func (g *grouped) write(out io.Writer) {
	for _, sentence := range g.order {
		all := g.where[sentence]
		if more := len(all) - listed; more > 0 {
			all = append(all[:listed:listed], fmt.Sprintf("and %d more", more))
		}
		fmt.Fprintf(out, "%s\n    %s\n", sentence, strings.Join(all, "\n    "))
	}
}

// sum is the last line: "16 pairs, 64 runs: 60 pass, 4 skip in 70.1 s; no prediction
// contradicted".
func (m *Matrix) sum() string {
	counts, runs := map[Ending]int{}, 0
	for _, p := range m.Pairs {
		for _, r := range p.Runs {
			counts[r.Ending]++
			runs++
		}
	}
	var parts []string
	for _, e := range []Ending{Passed, Documented, Failed, Undecided, Skipped} {
		if counts[e] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[e], e))
		}
	}
	return fmt.Sprintf("%d pairs, %d runs: %s in %.1f s; %s", len(m.Pairs), runs, strings.Join(append(parts, "")[:max(1, len(parts))], ", "), m.Seconds, m.predictions())
}

func (m *Matrix) predictions() string {
	untried := len(m.Untried())
	tried := len(m.Pairs) - untried
	switch n := len(m.Findings()); {
	case n > 0:
		return fmt.Sprintf("predictions contradicted: %d", n)
	case untried == 0:
		return "no prediction contradicted"
	case tried == 0:
		return "no prediction was tried"
	default:
		return fmt.Sprintf("no prediction contradicted in the %d that could be tried", tried)
	}
}

// PreflightText writes a prediction, and the differences that it stands on. Those
// about what the machine does not have are counted, or written where all is set, as
// are the names that a sentence only counts.
func PreflightText(out io.Writer, r *preflight.Report, all bool) {
	fmt.Fprintf(out, "%s -> %s%s: %s\n", r.Source, r.Destination, prefixed(", ", r.Machine), r.Prediction)
	elsewhere := 0
	for _, d := range r.Differences {
		if d.Elsewhere && !all {
			elsewhere++
			continue
		}
		about := ""
		if d.Elsewhere {
			about = "not in this machine: "
		}
		fmt.Fprintf(out, "  %-16s  %s%s\n", d.Severity, about, d.Sentence)
		if names := strings.Join(d.Names, ", "); all && !strings.Contains(d.Sentence, names) {
			fmt.Fprintf(out, "  %-16s    %s\n", "", names)
		}
	}
	if elsewhere > 0 {
		fmt.Fprintf(out, "  and %d differences about what this machine has not or does not use; -v writes them\n", elsewhere)
	}
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}
