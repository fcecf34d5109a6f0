package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/drover-vm/drover/migration/preflight"
	"github.com/drover-vm/drover/migration/record"
)

// A Matrix is what became of guests that moved from each of some QEMUs to each,
// beside what was predicted.
type Matrix struct {
	Arch      string
	QEMUs     []QEMU   // in order; each is a row and a column
	Scenarios []string // run between each two
	Pairs     []Pair   // row by row
	Seconds   float64
}

// A QEMU is one row and one column.
type QEMU struct {
	Name    string // short, such as "10.0"
	Path    string
	Version string // as the binary says it
}

// A Pair is one cell: a source and a destination.
type Pair struct {
	Source, Destination string // names of QEMUs
	Machine             string `json:",omitempty"` // of both sides
	Prediction          preflight.Prediction
	Differences         []preflight.Difference `json:",omitempty"` // that concern the machine
	Runs                []Run
}

// An Ending is what a run comes to, beside the prediction.
type Ending string

const (
	Passed     Ending = "pass"
	Documented Ending = "fail as documented" // predicted, in that way, and the guest runs on the source
	Failed     Ending = "fail"
	Skipped    Ending = "skip"
	Undecided  Ending = "unknown"
)

// A Run is one scenario between two QEMUs.
type Run struct {
	Scenario string
	Ending   Ending
	Reason   string `json:",omitempty"` // where it isn't a pass
	// Prediction is what was predicted of this scenario's guest, whose devices are others than
	// those of the pair's; nil where they are not.
	Prediction *preflight.Prediction `json:",omitempty"`
	// Intact says that after a failure the guest was seen to run on the source.
	Intact bool `json:",omitempty"`
	// Foreseen says that a failure came in the way predicted.
	Foreseen bool `json:",omitempty"`
	// Contradicts says that the prediction was another, or that the guest was lost
	// where it was predicted to be refused.
	Contradicts bool           `json:",omitempty"`
	Result      *record.Result `json:",omitempty"`
}

// tried says that the scenario was run, whatever came of it.
func (r Run) tried() bool {
	switch r.Ending {
	case Skipped, "":
		return false
	case Undecided:
		return r.Result != nil
	}
	return true
}

// Assess puts a run's result beside the prediction.
func Assess(p preflight.Prediction, scenario string, r *record.Result) Run {
	run := Run{Scenario: scenario, Reason: r.Reason, Result: r}
	switch r.Outcome {
	case record.Pass:
		run.Ending = Passed
		run.Contradicts = p.Outcome == preflight.Refused || p.Outcome == preflight.Crashes
	case record.Skip:
		run.Ending = Skipped
	case record.Fail:
		run.Ending = Failed
		run.Intact = intact(r.Record)
		run.Reason = whyRefused(r, p.Subjects)
		run.Foreseen = p.Outcome != preflight.Completes && p.Outcome != preflight.Unknown && namesOne(p.Subjects, run.Reason)
		switch {
		case run.Foreseen && run.Intact:
			run.Ending = Documented
		case run.Foreseen && p.Dies: // the guest is lost, as predicted
		case r.Record != nil && r.Record.Error == "": // it moved, and a check failed
			run.Contradicts = p.Outcome == preflight.Refused || p.Outcome == preflight.Crashes
		default:
			run.Contradicts = p.Outcome != preflight.Unknown
		}
	default:
		run.Ending = Undecided
	}
	return run
}

// intact says whether the guest was seen to run on the source after a step had failed.
func intact(r *record.Record) bool {
	if r == nil || r.Error == "" || r.Life == nil {
		return false
	}
	l := r.Life
	moves := l.Before != l.After
	if l.Beats != nil { // a Linux guest has no counter in its memory
		moves = l.Beats.After > l.Beats.Before
	}
	return l.Side == "source" && l.Running && moves && l.Unexpected == "" && l.Heartbeats > 0
}

// whyRefused is the destination's message about what was predicted; else the run's own
// reason, and all of the destination's messages.
func whyRefused(r *record.Result, subjects []string) string {
	reason, _, _ := strings.Cut(r.Reason, "; last on its monitor")
	if r.Record == nil || r.Record.Destination == nil || r.Record.Error == "" {
		return reason
	}
	var messages []string
	for line := range strings.Lines(r.Record.Destination.Stderr) {
		line = withoutName(strings.TrimSpace(line))
		if line == "" || strings.HasPrefix(line, "warning: ") || slices.Contains(messages, line) {
			continue
		}
		if len(subjects) > 0 && namesOne(subjects, line) {
			return "the destination says: " + line
		}
		messages = append(messages, line)
	}
	if len(messages) == 0 {
		return reason
	}
	return reason + "; the destination says: " + strings.Join(messages, "; ")
}

// withoutName is a QEMU's message without the program's name, such as qemu-system-x86_64
// or qemu-kvm, that it begins with.
func withoutName(line string) string {
	name, message, ok := strings.Cut(line, ": ")
	if ok && strings.HasPrefix(name, "qemu-") && !strings.Contains(name, " ") {
		return message
	}
	return line
}

// namesOne says whether a refusal is about one of the things that were predicted;
// where none was named, any refusal is.
func namesOne(subjects []string, reason string) bool {
	return len(subjects) == 0 || slices.ContainsFunc(subjects, func(s string) bool { return strings.Contains(reason, s) })
}

// OK says that what happened is what was predicted or documented: nothing failed
// otherwise, nothing is unknown of what was run, and no prediction is contradicted.
// Pairs of which nothing was run do not count: see [Matrix.Untried].
func (m *Matrix) OK() bool {
	for _, p := range m.Pairs {
		for _, r := range p.Runs {
			if r.Ending == Failed || r.Ending == Undecided && r.tried() || r.Contradicts {
				return false
			}
		}
	}
	return true
}

// Untried are the pairs between which no scenario was run, so that nothing is known of
// them, in order.
func (m *Matrix) Untried() []*Pair {
	var pairs []*Pair
	for i := range m.Pairs {
		if !slices.ContainsFunc(m.Pairs[i].Runs, Run.tried) {
			pairs = append(pairs, &m.Pairs[i])
		}
	}
	return pairs
}

// Incomplete says that something could not be tried: all of a pair, or a run that did
// not begin. Skips in pairs of which others ran do not count.
func (m *Matrix) Incomplete() bool {
	for _, p := range m.Pairs {
		if slices.ContainsFunc(p.Runs, func(r Run) bool { return r.Ending == Undecided && !r.tried() }) {
			return true
		}
	}
	return len(m.Untried()) > 0
}

// Findings are the contradictions between predictions and results, a sentence each.
func (m *Matrix) Findings() []string {
	var found []string
	for _, p := range m.Pairs {
		for _, r := range p.Runs {
			if r.Contradicts {
				found = append(found, fmt.Sprintf("%s -> %s (%s), %s: predicted %q, but %s",
					p.Source, p.Destination, p.Machine, r.Scenario, p.Predicted(r).String(), r.happened()))
			}
		}
	}
	return found
}

func (r Run) happened() string {
	text := "it failed"
	switch {
	case r.Ending == Passed:
		return "it passed"
	case r.Result.Record != nil && r.Result.Record.Error == "":
		return "it moved, and a check failed: " + r.Reason
	case r.Foreseen:
		text += " so"
	}
	if r.Intact {
		return text + ", and the guest runs on at the source: " + r.Reason
	}
	return text + ", and the guest was not seen to run on at the source: " + r.Reason
}

// Pair returns the cell of a source and a destination, nil where there is none.
func (m *Matrix) Pair(source, destination string) *Pair {
	i := slices.IndexFunc(m.Pairs, func(p Pair) bool { return p.Source == source && p.Destination == destination })
	if i < 0 {
		return nil
	}
	return &m.Pairs[i]
}

// Predicted is what was predicted of a run of the pair's.
func (p Pair) Predicted(r Run) preflight.Prediction {
	if r.Prediction != nil {
		return *r.Prediction
	}
	return p.Prediction
}

// Count is how many runs of the pair came to an ending.
func (p Pair) Count(e Ending) int {
	n := 0
	for _, r := range p.Runs {
		if r.Ending == e {
			n++
		}
	}
	return n
}
