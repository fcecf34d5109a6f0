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

// A Pair is one field: a source and a destination.
type Pair struct {
	Source, Destination string // names of QEMUs
	Machine             string `json:",omitempty"` // of both sides
	Prediction          preflight.Prediction
	Differences         []preflight.Difference `json:",omitempty"` // that concern the machine
	Runs                []Run
}

// An Ending is what a run comes to, seen beside the prediction.
type Ending string

const (
	Passed     Ending = "pass"
	Documented Ending = "fail as documented" // predicted, in that way, and the guest runs on at the source
	Failed     Ending = "fail"
	Skipped    Ending = "skip"
	Undecided  Ending = "unknown"
)

// A Run is one scenario between two QEMUs.
type Run struct {
	Scenario string
	Ending   Ending
	Reason   string `json:",omitempty"` // where it isn't a pass
	// Intact says that after a failure the guest was seen to run on at the source.
	Intact bool `json:",omitempty"`
	// Foreseen says that a failure came in the way predicted.
	Foreseen bool `json:",omitempty"`
	// Contradicts says that the prediction was another, or that the guest was lost
	// where it was to be refused.
	Contradicts bool           `json:",omitempty"`
	Result      *record.Result `json:",omitempty"`
}

// Assess puts a run's result beside the prediction.
func Assess(p preflight.Prediction, scenario string, r *record.Result) Run {
	run := Run{Scenario: scenario, Reason: r.Reason, Result: r}
	switch r.Outcome {
	case record.Pass:
		run.Ending = Passed
		run.Contradicts = p.Outcome == preflight.Refused
	case record.Skip:
		run.Ending = Skipped
	case record.Fail:
		run.Ending = Failed
		run.Intact = intact(r.Record)
		run.Reason = whyRefused(r, p.Subjects)
		run.Foreseen = (p.Outcome == preflight.Refused || p.Outcome == preflight.MayFail) && namesOne(p.Subjects, run.Reason)
		switch {
		case run.Foreseen && run.Intact:
			run.Ending = Documented
		case r.Record != nil && r.Record.Error == "": // it moved, and a check failed
			run.Contradicts = p.Outcome == preflight.Refused
		default:
			run.Contradicts = p.Outcome != preflight.Unknown
		}
	default:
		run.Ending = Undecided
	}
	return run
}

// intact says whether the guest was seen to live on the source after the story had
// come to its end too early.
func intact(r *record.Record) bool {
	return r != nil && r.Error != "" && r.Life != nil && r.Life.Side == "source" &&
		r.Life.Running && r.Life.Before != r.Life.After && r.Life.Unexpected == "" && r.Life.Heartbeats > 0
}

// whyRefused is what the destination said of what was predicted; else the run's own
// reason, and all that the destination said.
func whyRefused(r *record.Result, subjects []string) string {
	reason, _, _ := strings.Cut(r.Reason, "; last on its monitor")
	if r.Record == nil || r.Record.Destination == nil || r.Record.Error == "" {
		return reason
	}
	var said []string
	for line := range strings.Lines(r.Record.Destination.Stderr) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "qemu-system-") {
			_, line, _ = strings.Cut(line, ": ")
		}
		if line == "" || strings.HasPrefix(line, "warning: ") || slices.Contains(said, line) {
			continue
		}
		if len(subjects) > 0 && namesOne(subjects, line) {
			return "the destination says: " + line
		}
		said = append(said, line)
	}
	if len(said) == 0 {
		return reason
	}
	return reason + "; the destination says: " + strings.Join(said, "; ")
}

// namesOne says whether a refusal is about one of the things that were predicted;
// where none was named, any refusal is.
func namesOne(subjects []string, reason string) bool {
	return len(subjects) == 0 || slices.ContainsFunc(subjects, func(s string) bool { return strings.Contains(reason, s) })
}

// OK says that what happened is what was predicted or documented: nothing failed
// otherwise, nothing is unknown, and no prediction is contradicted.
func (m *Matrix) OK() bool {
	for _, p := range m.Pairs {
		for _, r := range p.Runs {
			if r.Ending == Failed || r.Ending == Undecided || r.Contradicts {
				return false
			}
		}
	}
	return true
}

// Findings are the contradictions between predictions and results, a sentence each.
func (m *Matrix) Findings() []string {
	var found []string
	for _, p := range m.Pairs {
		for _, r := range p.Runs {
			if r.Contradicts {
				found = append(found, fmt.Sprintf("%s -> %s (%s), %s: predicted %q, but %s",
					p.Source, p.Destination, p.Machine, r.Scenario, p.Prediction.String(), r.happened()))
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

// Pair returns the field of a source and a destination, nil where there is none.
func (m *Matrix) Pair(source, destination string) *Pair {
	i := slices.IndexFunc(m.Pairs, func(p Pair) bool { return p.Source == source && p.Destination == destination })
	if i < 0 {
		return nil
	}
	return &m.Pairs[i]
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
