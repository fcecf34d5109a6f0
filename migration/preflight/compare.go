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
	Perhaps  Severity = "may break"        // it may refuse it: QEMU's descriptions don't show which
	IfUsed   Severity = "breaks if in use" // a guest that uses what this is about is refused, or can't go on
	Harmless Severity = "harmless"         // the guest moves all the same
)

// A Difference between two QEMUs, in one sentence.
type Difference struct {
	Rule     string // which of the rules reports it
	Subject  string // QEMU's name for the thing, which is in its message when it refuses
	Severity Severity
	Sentence string
	// Names are all that the sentence counts ("and 5 more"), where it names several.
	Names []string `json:",omitempty"`
	// Elsewhere says that it is about what the machine does not have, so of no
	// concern to this migration.
	Elsewhere bool `json:",omitempty"`
}

// cpuRule begins the names of the rules about the vCPUs.
const cpuRule = "CPU "

// OfCPU says that the difference is about the vCPUs, which no stream carries and no
// guest of drover's notices.
func (d Difference) OfCPU() bool { return strings.HasPrefix(d.Rule, cpuRule) }

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
	Crashes   Outcome = "crashes" // the source's QEMU ends, and the guest with it
	MayFail   Outcome = "may fail"
	Unknown   Outcome = "unknown" // there is not enough to compare
)

// A Prediction says what will become of a migration.
type Prediction struct {
	Outcome  Outcome
	Sentence string
	// Subjects are names of which the message of a refusal, or of a crash, has to hold
	// one; none where any message will do.
	Subjects []string `json:",omitempty"`
	// Dies says that the guest may be lost: the source's QEMU ends when it sends one.
	Dies bool `json:",omitempty"`
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
	apply func(p pair, report reporter)
}

// A reporter is given a difference. An argument that is a list goes with it in full.
type reporter = func(subject string, s Severity, format string, args ...any)

func rules() []rule {
	return slices.Concat(startRules(), streamRules(), knowledgeRules(), cpuRules(), offerRules())
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
			d := Difference{
				Rule: rule.name, Subject: subject, Severity: s, Sentence: fmt.Sprintf(format, args...),
				Elsewhere: strings.HasPrefix(rule.name, elsewhere),
			}
			for _, arg := range args {
				if names, ok := arg.(list); ok {
					d.Names = names
				}
			}
			r.Differences = append(r.Differences, d)
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
	breaks, doubts := r.Of(Breaks), r.Of(Perhaps)
	by := func(all []Difference, rules ...string) []Difference {
		return slices.DeleteFunc(slices.Clone(all), func(d Difference) bool { return !slices.Contains(rules, d.Rule) })
	}
	neverBegins := len(by(breaks, machineRule, startRule, streamRule)) > 0
	switch crash := by(breaks, crashRule); {
	case len(crash) > 0 && !neverBegins:
		// A destination that may refuse the machine as such does so before.
		c := concluded(Crashes, crash)
		if before := by(doubts, streamRule); len(before) > 0 {
			c = concluded(MayFail, slices.Concat(crash, before))
		}
		c.Dies = true
		return c
	case len(breaks) > len(crash):
		return concluded(Refused, slices.DeleteFunc(breaks, func(d Difference) bool { return d.Rule == crashRule }))
	case len(doubts) > 0:
		return concluded(MayFail, doubts)
	case p.source.Sections == nil || p.destination.Sections == nil:
		return Prediction{Outcome: Unknown, Sentence: "there is no stream of both to compare"}
	}
	return Prediction{Outcome: Completes}
}

// concluded is a prediction that stands on differences. Where one of them names
// nothing, any refusal will do.
func concluded(o Outcome, because []Difference) Prediction {
	p := Prediction{Outcome: o, Sentence: because[0].Sentence}
	if more := len(because) - 1; more > 0 {
		p.Sentence += fmt.Sprintf(" (and %d more)", more)
	}
	for _, d := range because {
		if d.Subject == "" {
			p.Subjects = nil
			break
		}
		if !slices.Contains(p.Subjects, d.Subject) {
			p.Subjects = append(p.Subjects, d.Subject)
		}
	}
	return p
}
