package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/drover-vm/drover/migration/preflight"
)

// MatrixText writes the table, source by destination: in each field what came of
// the runs, and what was predicted beside it; under it the machine type. Below it
// stand the reasons of what did not pass, and the findings.
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
				results, machines = results+p.field(), machines+p.Machine
			}
		}
		fmt.Fprintf(w, "%s\n%s\n", results, machines)
	}
	_ = w.Flush()
	run := strings.Join(m.Scenarios, ", ")
	if n := len(m.Scenarios); n > listed {
		run = fmt.Sprintf("%d scenarios", n)
	}
	fmt.Fprintf(out, "Each field: what came of %s; then what was predicted; below, the machine type.\n", run)
	m.reasons(out)
	for _, f := range m.Findings() {
		fmt.Fprintf(out, "finding: %s\n", f)
	}
	fmt.Fprintln(out, m.sum())
}

// field is what came of a pair: "4 pass (completes)".
func (p Pair) field() string {
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
	return fmt.Sprintf("%s (%s)", strings.Join(parts, ", "), p.Prediction.Outcome)
}

// listed is how many runs with the same reason are named.
const listed = 4

// reasons writes why runs did not pass, the same reason of several once.
func (m *Matrix) reasons(out io.Writer) {
	var order []string
	where := map[string][]string{}
	for _, p := range m.Pairs {
		for _, r := range p.Runs {
			if r.Ending == Passed || r.Contradicts {
				continue // findings have their own lines
			}
			reason := fmt.Sprintf("%s: %s", r.Ending, r.Reason)
			if r.Ending == Documented {
				reason = fmt.Sprintf("%s: %s, and the guest runs on at the source; %s", r.Ending, p.Prediction.Sentence, r.Reason)
			}
			if where[reason] == nil {
				order = append(order, reason)
			}
			where[reason] = append(where[reason], fmt.Sprintf("%s -> %s %s", p.Source, p.Destination, r.Scenario))
		}
	}
	for _, reason := range order {
		all := where[reason]
		if more := len(all) - listed; more > 0 {
			all = append(all[:listed:listed], fmt.Sprintf("and %d more", more))
		}
		fmt.Fprintf(out, "%s\n    %s\n", reason, strings.Join(all, "\n    "))
	}
}

// sum is the last line: "16 pairs, 64 runs: 60 pass, 4 skip in 70.1 s".
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
	if n := len(m.Findings()); n > 0 {
		return fmt.Sprintf("predictions contradicted: %d", n)
	}
	return "no prediction contradicted"
}

// PreflightText writes a prediction, and the differences that it stands on. Those
// about what the machine does not have are counted, or written where all is set.
func PreflightText(out io.Writer, r *preflight.Report, all bool) {
	fmt.Fprintf(out, "%s -> %s, %s: %s\n", r.Source, r.Destination, r.Machine, r.Prediction)
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
	}
	if elsewhere > 0 {
		fmt.Fprintf(out, "  and %d differences about what this machine has not or does not use; -v writes them\n", elsewhere)
	}
}
