package preflight

import (
	"fmt"
	"slices"
	"strings"
)

// A Severity says what a difference does to a migration.
type Severity string

const (
	Breaks   Severity = "breaks"           // the destination refuses the stream
	Perhaps  Severity = "may break"        // it may refuse it: what QEMU says of itself does not tell
	IfUsed   Severity = "breaks if in use" // it refuses the stream of a guest that uses what this is about
	Harmless Severity = "harmless"         // the guest moves all the same
)

// A Difference between two QEMUs, in one sentence.
type Difference struct {
	Rule     string // which of the rules spoke
	Subject  string // what QEMU calls the thing: it stands in what it says when it refuses
	Severity Severity
	Sentence string
	// Elsewhere says that it is about what the machine does not have, so of no
	// concern to this migration.
	Elsewhere bool `json:",omitempty"`
}

// A Report is how a source's machine differs from a destination's, and what
// will come of it.
type Report struct {
	Source, Destination string // versions of QEMU
	Machine             string
	Prediction          Prediction
	Differences         []Difference `json:",omitempty"` // the worst first
}

// Of returns the differences of a severity that concern the machine.
func (r *Report) Of(s Severity) []Difference {
	var found []Difference
	for _, d := range r.Differences {
		if d.Severity == s && !d.Elsewhere {
			found = append(found, d)
		}
	}
	return found
}

// An Outcome is what a prediction comes to.
type Outcome string

const (
	Completes Outcome = "completes"
	Refused   Outcome = "refused"
	MayFail   Outcome = "may fail"
	Unknown   Outcome = "unknown" // there is not enough to tell by
)

// A Prediction says what will become of a migration.
type Prediction struct {
	Outcome  Outcome
	Sentence string
	// Subjects are the names that the destination's refusal has to hold, any of them.
	Subjects []string `json:",omitempty"`
}

// String is one sentence.
func (p Prediction) String() string {
	if p.Sentence == "" {
		return string(p.Outcome)
	}
	return string(p.Outcome) + ": " + p.Sentence
}

// A pair is what a rule looks at.
type pair struct{ source, destination *Description }

// A rule finds differences of one kind.
type rule struct {
	name  string
	apply func(p pair, say func(subject string, s Severity, format string, args ...any))
}

func rules() []rule {
	return slices.Concat(startRules(), streamRules(), knowledgeRules(), offerRules())
}

// Rules are the names of the rules by which QEMUs are compared.
func Rules() []string {
	var names []string
	for _, r := range rules() {
		names = append(names, r.name)
	}
	return names
}

// Compare puts two QEMUs' descriptions of a machine side by side.
func Compare(source, destination *Description) *Report {
	r := &Report{Source: source.Version, Destination: destination.Version, Machine: source.Machine}
	p := pair{source, destination}
	for _, rule := range rules() {
		rule.apply(p, func(subject string, s Severity, format string, args ...any) {
			r.Differences = append(r.Differences, Difference{
				Rule: rule.name, Subject: subject, Severity: s, Sentence: fmt.Sprintf(format, args...),
				Elsewhere: strings.HasPrefix(rule.name, elsewhere),
			})
		})
	}
	order := []Severity{Breaks, Perhaps, IfUsed, Harmless}
	slices.SortStableFunc(r.Differences, func(a, b Difference) int {
		return slices.Index(order, a.Severity) - slices.Index(order, b.Severity)
	})
	r.Prediction = r.predict(p)
	return r
}

// predict draws the conclusion.
func (r *Report) predict(p pair) Prediction {
	if breaks := r.Of(Breaks); len(breaks) > 0 {
		return concluded(Refused, breaks)
	}
	if doubts := r.Of(Perhaps); len(doubts) > 0 {
		return concluded(MayFail, doubts)
	}
	if p.source.Sections == nil || p.destination.Sections == nil {
		return Prediction{Outcome: Unknown, Sentence: "there is no stream of both to compare"}
	}
	return Prediction{Outcome: Completes}
}

func concluded(o Outcome, because []Difference) Prediction {
	p := Prediction{Outcome: o, Sentence: because[0].Sentence}
	if more := len(because) - 1; more > 0 {
		p.Sentence += fmt.Sprintf(" (and %d more)", more)
	}
	for _, d := range because {
		if d.Subject != "" && !slices.Contains(p.Subjects, d.Subject) {
			p.Subjects = append(p.Subjects, d.Subject)
		}
	}
	return p
}
