package migration

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/migration/record"
)

// A Scenario is a migration as steps from top to bottom. It is a value that a run
// does not change: it can be listed, run by a test or by the command, run many times at
// once, and have a fault put between any two of its steps.
type Scenario struct {
	Name  string        // as in the field: precopy/unix/plain
	Doc   string        // one sentence about what happens
	Text  string        // of the scenario file that it was read from; empty for one written in Go
	Needs []Need        // what the host and the QEMUs must have
	Guest Guest         // how the guest and its QEMUs differ from the usual ones
	Steps Steps         // what happens, without the start of the VMs and the proof at the end
	Ends  record.Ending // where the guest is when the steps are done
	// Alone says that a program which runs several scenarios at once should run no other
	// beside it: what it measures depends on how busy the host is.
	Alone bool
	// Proof gathers what the standard checks judge where a guest that runs and is
	// then stopped isn't what the steps leave; nil for the steps that do.
	Proof Steps
}

// A Guest is how a scenario's guest, and the QEMUs that run it, differ from the usual
// ones. The zero value is the guest program as it is, in a machine of its own on each
// side.
type Guest struct {
	Program   string   // the guest program's name; empty is the incrementer
	Else      string   // the name of the program for targets that don't have that one; empty is none
	Linux     *Linux   // how it is where it is Linux; nil where it is a guest program
	MemoryMiB int      // of RAM; 0 is what the guest program asks for
	Pages     int      // that the program writes, where it is to write so few that they are hot; 0 is all
	Rate      int64    // bytes a second that a program which fills pages fills at most; 0 is no limit
	RAM       RAM      // where it is
	Accel     string   // the only accelerator that it can run under, as -accel takes it; empty for any
	TPM       bool     // it has a TPM that refuses all
	Flash     bool     // it has a flash memory with an image, beside its firmware
	Globals   []Global // for both sides, where their QEMU has the property

	SourceArgs, DestinationArgs []string // added to that side's command line
}

// program is the guest program for a target.
func (g Guest) program(arch string) (fixtures.Program, error) {
	if g.Else != "" && !slices.Contains(fixtures.Archs(g.Program), arch) {
		return fixtures.Named(g.Else, arch)
	}
	return fixtures.Named(g.Program, arch)
}

// A RAM is where the guest's RAM is.
type RAM string

const (
	OwnRAM        RAM = ""            // in each QEMU's own memory
	SharedRAM     RAM = "shared"      // in a file in memory that both QEMUs map
	HandedOverRAM RAM = "handed-over" // in a file of the source's own, which it passes to a destination that the steps start
	InheritedRAM  RAM = "inherited"   // in a file of the source's process, which executes the destination in its place
)

// comesLater says whether there is no destination before the source begins to migrate.
func (r RAM) comesLater() bool { return r == HandedOverRAM || r == InheritedRAM }

// A Global is a property of a type, which all objects of that type are given (-global).
type Global struct{ Type, Property, Value string }

// A Step is a name and what to do.
type Step struct {
	// Name is what the step is called everywhere that it is shown: the line of a
	// scenario file.
	Name string
	Line int // in the scenario file, from 1 on; 0 where there is none
	// Plugs says that it plugs a PCI device into a machine that runs, for which some machines
	// need a port.
	Plugs bool
	// PlugsGuest is what it plugs into a Linux guest, by the name that package guest has for it,
	// which is made for it; "" for nothing.
	PlugsGuest string
	// Do returns as soon as ctx ends. An [*UnsupportedError] makes the run a skip.
	Do func(ctx context.Context, p *Pair) error
	// Phase is the part of a run that begins with the step, "" for none.
	Phase record.Phase
	// Timeout is how long it may take on a machine that isn't slow; zero means
	// [StepTimeout]. Where the guest takes long to boot it may take longer.
	Timeout time.Duration
	// Wants are the lines that must have come before for the step to make sense, such as
	// "tap", and Gives those in whose place the step itself may stand, beside its own
	// name. [Scenario.Check] looks at them, before anything is started.
	Wants, Gives []string
	// Gathers are the facts that the step puts into the record, beside measures and those
	// of every run. One that is missing in the end is no pass.
	Gathers []record.Fact
}

// WithTimeout is the step with another time that it may take.
func (s Step) WithTimeout(timeout time.Duration) Step {
	s.Timeout = timeout
	return s
}

// Steps are done in order until one returns an error.
type Steps []Step

// All returns all the steps of a run: the one that starts the VMs, the scenario's own,
// and those that gather the facts which the checks judge.
func (s Scenario) All() Steps {
	proof := s.proof()
	proof[0].Phase = record.PhaseChecks
	return slices.Concat(Steps{start(s)}, s.Steps, proof)
}

func (s Scenario) proof() Steps {
	if s.Proof != nil {
		return append(slices.Clone(s.Proof), quitBoth())
	}
	switch s.Ends {
	case record.OnSource:
		return Steps{expectRunningOnSource(), noteFailure(), readSourceCanaries(), afterwards(), quitBoth()}
	case record.NoGuest, record.Lost:
		return Steps{quitBoth()}
	default:
		if s.Guest.RAM == InheritedRAM { // there is no source to look at
			return append(proofOf(), quitBoth())
		}
		return append(Proof(), quitBoth())
	}
}

// Proof are the steps that gather what the standard checks judge of a guest that has
// moved. It is stopped by then.
func Proof() Steps { return proofOf(sourceAtCompletion()) }

// proofOf are those steps, of which the given ones look at the source.
func proofOf(source ...Step) Steps {
	return slices.Concat(Steps{expectRunningOnDestination()}, source, Steps{
		stopDestination(), CompareMemory(), ReadCanaries(), CompareAgain(), DestinationResources(), afterwards(),
	})
}

// gathers are the facts that a run sets out to gather.
func (s Scenario) gathers(arch string) []record.Fact {
	var also []record.Fact
	for _, step := range s.All() {
		also = append(also, step.Gathers...)
	}
	return record.ExpectOf(s.Guest.programName(), s.Ends, arch, also...)
}

// Check says why the scenario makes no sense, before anything is started: a step that
// wants another before it, or one without anything to do.
func (s Scenario) Check() error {
	given := map[string]bool{}
	for _, step := range s.Steps {
		if step.Do == nil {
			return &LineError{File: s.Name, Line: step.Line, Text: fmt.Sprintf("the step %q does nothing: its Do is nil", step.Name)}
		}
		for _, want := range step.Wants {
			if !given[want] {
				return &LineError{File: s.Name, Line: step.Line, Text: fmt.Sprintf("%q makes no sense before %q: put that line above it", step.Name, want)}
			}
		}
		given[step.Name] = true
		for _, gives := range step.Gives {
			given[gives] = true
		}
	}
	return nil
}
