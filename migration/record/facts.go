package record

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/drover-vm/drover/fixtures"
)

// A Fact names a part of a Record, as its JSON does.
type Fact string

const (
	FactSource       Fact = "Source"
	FactDestination  Fact = "Destination"
	FactMigration    Fact = "Migration"
	FactFailure      Fact = "Failure"
	FactFault        Fact = "Fault"
	FactStandstill   Fact = "Standstill"
	FactLife         Fact = "Life"
	FactEarlierLives Fact = "EarlierLives"
	FactStand        Fact = "Stand"
	FactStillness    Fact = "Stillness"
	FactWorkload     Fact = "Workload"
	FactMemory       Fact = "Memory"
	FactExact        Fact = "Exact"
	FactRegisters    Fact = "Registers"
	FactPulse        Fact = "Pulse"
	FactPaced        Fact = "Paced"
	FactLink         Fact = "Link"
	FactDevices      Fact = "Devices"
	FactMeasures     Fact = "Measures"
	FactTeardown     Fact = "Teardown"
	FactLegs         Fact = "Legs"
	FactLinux        Fact = "Linux"
)

// factDocs say what each fact is.
var factDocs = map[Fact]string{
	FactSource:       "what the source is and did",
	FactDestination:  "what the destination is and did",
	FactMigration:    "what the source reports of the migration",
	FactFailure:      "what the source reports of a migration that failed",
	FactFault:        "what became of the fault that was injected",
	FactStandstill:   "how long the console was silent around the downtime",
	FactLife:         "whether the guest lives",
	FactEarlierLives: "whether the guest lived before",
	FactStand:        "what became of the source",
	FactStillness:    "whether the stopped guest is unchanged",
	FactWorkload:     "the workload's memory",
	FactMemory:       "the memory of both sides",
	FactExact:        "all memory of both sides before the guest ran again",
	FactRegisters:    "the vCPUs' registers",
	FactPulse:        "what the guest program says of its machine",
	FactPaced:        "how fast bytes went over the link",
	FactLink:         "what went over the link",
	FactDevices:      "the devices' registers",
	FactMeasures:     "what the scenario measures",
	FactTeardown:     "how the QEMUs exited",
	FactLegs:         "the guest's earlier ways",
	FactLinux:        "what the Linux guest says of itself",
}

// Facts returns all there are, sorted.
func Facts() []Fact { return slices.Sorted(maps.Keys(factDocs)) }

// Expect returns what a run is to gather, for Record.Gathers: what the ending demands for
// a guest of that target, and what the scenario's steps gather beside it. Each is
// listed once, in a fixed order.
func Expect(ends Ending, arch string, also ...Fact) []Fact {
	return ExpectOf("", ends, arch, also...)
}

// ExpectOf is Expect for a guest that runs that program, as Record.Program has it.
func ExpectOf(program string, ends Ending, arch string, also ...Fact) []Fact {
	all := append(demanded(program, ends, arch), also...)
	slices.Sort(all)
	return slices.Compact(all)
}

// demanded is what every run with such an ending gathers.
func demanded(program string, ends Ending, arch string) (facts []Fact) {
	switch ends {
	case OnDestination:
		facts = []Fact{
			FactSource, FactDestination, FactMigration, FactLife, FactStand, FactStillness,
			FactWorkload, FactMemory, FactTeardown,
		}
	case OnSource:
		facts = []Fact{FactSource, FactDestination, FactLife, FactFailure, FactTeardown}
	case Lost:
		facts = []Fact{FactSource, FactDestination, FactFault, FactTeardown}
	case NoGuest:
		facts = []Fact{FactSource, FactTeardown}
	}
	if program == fixtures.Linux {
		if ends == OnDestination || ends == OnSource {
			facts = append(facts, FactLinux)
		}
		return slices.DeleteFunc(facts, func(f Fact) bool { return f == FactWorkload || f == FactMemory })
	}
	if HasCanaries(arch) && (ends == OnDestination || ends == OnSource) {
		facts = append(facts, FactDevices)
	}
	return facts
}

// askedOfSource says whether a fact is what the source says when its guest has left. There is no
// source to ask where its process runs the destination since.
func askedOfSource(f Fact) bool { return f == FactMigration || f == FactStand }

// HasCanaries says whether there are registers of a target's devices into which values are
// written before the guest moves, and read behind it.
func HasCanaries(arch string) bool {
	return slices.Contains([]string{"aarch64", "i386", "ppc64", "riscv64", "s390x", "x86_64"}, arch)
}

// expects says whether the run was to gather the fact, by its own account or for what its
// ending demands. Of a guest that was suspended on its way the console is silent, and its
// destination is still in use at the end.
func (r *Record) expects(f Fact) bool {
	if r.Replaced && askedOfSource(f) {
		return false
	}
	if slices.Contains(r.Gathers, f) {
		return true
	}
	if f == FactDevices && r.Arch == "ppc64" && r.Program == "" { // from before it had canaries
		return false
	}
	if slices.Contains(demanded(r.Program, r.Ends, r.Arch), f) {
		return true
	}
	if r.Gathers == nil && !r.isLeg && slices.ContainsFunc(r.Steps[r.begins():], func(s StepFacts) bool { return s.gathers() == f }) {
		return true
	}
	if f == FactStandstill && r.Unlaunched { // its console is silent on the source
		return false
	}
	return r.Ends == OnDestination && (f == FactStandstill || f == FactMeasures) && !r.wasSuspended()
}

// gathers is the fact that a step gathered, by the names that steps had before runs said
// what they gather; "" for those that gather none, or none that not every run has.
func (s StepFacts) gathers() Fact {
	for _, g := range []struct {
		fact           Fact
		prefix, suffix string
	}{
		{FactExact, "compare all memory", ""},
		{FactRegisters, "compare the processors' registers", ""},
		{FactFault, "look at the RAM that stayed", ""},
		{FactFault, "await status ", " after the fault"},
		{FactPaced, "see the throughput", ""},
		{FactPaced, "await the fault", ""},
		{FactLink, "see what went over", ""},
		{FactLink, "see that the link is encrypted", ""},
		{FactLink, "see how many zero pages were found", ""},
	} {
		if strings.HasPrefix(s.Name, g.prefix) && strings.HasSuffix(s.Name, g.suffix) {
			return g.fact
		}
	}
	return ""
}

// calls says whether a fact that not every run gathers is to be judged: it is there, or
// was to be gathered.
func calls(f Fact) func(r *Record) bool {
	return func(r *Record) bool { return r.has(f) || r.expects(f) }
}

// has says whether the record has the fact.
func (r *Record) has(f Fact) bool {
	switch f {
	case FactSource:
		return r.Source != nil
	case FactDestination:
		return r.Destination != nil
	case FactMigration:
		return r.Migration != nil
	case FactFailure:
		return r.Failure != nil
	case FactFault:
		return r.Fault != nil
	case FactStandstill:
		return r.Standstill != nil
	case FactLife:
		return r.Life != nil
	case FactEarlierLives:
		return len(r.EarlierLives) > 0
	case FactStand:
		return r.Stand != nil
	case FactStillness:
		return r.Stillness != nil
	case FactWorkload:
		return r.Workload != nil
	case FactMemory:
		return r.Memory != nil
	case FactExact:
		return r.Exact != nil
	case FactRegisters:
		return r.Registers != nil
	case FactPulse:
		return len(r.Pulse) > 0
	case FactPaced:
		return len(r.Paced) > 0
	case FactLink:
		return r.Link != nil
	case FactDevices:
		return len(r.Devices) > 0
	case FactMeasures:
		return len(r.Measures) > 0
	case FactTeardown:
		return r.Teardown != nil
	case FactLinux:
		return r.Linux != nil && len(r.Linux.Workers) > 0
	case FactLegs:
		return len(r.Legs) > 0
	}
	return false
}

// missing is the first of the facts that the run was to gather and the record lacks, as
// a sentence; "" where there is none.
func (r *Record) missing(facts []Fact) string {
	for _, f := range facts {
		if r.expects(f) && !r.has(f) {
			return fmt.Sprintf("the record has no %s, which the run was to gather: %s", f, factDocs[f])
		}
	}
	return ""
}
