package migration

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/drover-vm/drover/migration/record"
)

// A Scenario is one story of a migration, told in steps from top to bottom.
// It is a value: it can be listed, run by a test or by the command, and have a
// fault put between any two of its steps.
type Scenario struct {
	Name  string        // as in the field: precopy/unix/plain
	Doc   string        // one sentence that says what happens
	Needs []Need        // what the host and the QEMUs must have
	Ends  record.Ending // where the guest is when the story has been told
	Story Steps
	// Proof gathers what the standard checks judge where a guest that runs and is
	// then stopped isn't what the story leaves; nil for the steps that do.
	Proof Steps

	// How the sides are started, beyond what every scenario has.
	Source, Destination Guest
	Globals             []Global // of both sides, where their QEMU has the property
	Accel               string   // the only accelerator that it can run under; empty for any
	MemoryMiB           int      // the guest's, where the program's own won't do
	Pages               int      // of the guest's workload, where it is to go over so few that they are hot
	SharedRAM           bool     // the guest's RAM is a file in memory that both QEMUs map
	HandOver            bool     // it is the source's own file, and the story starts the destination that takes it
}

// A Guest says how one side is started differently.
type Guest struct {
	Args []string // added to QEMU's command line
}

// A Step is a name and what to do. Do returns as soon as ctx ends.
type Step struct {
	Name string
	Do   func(ctx context.Context, p *Pair) error
	// Phase is the part of a run that begins with the step, "" for none.
	Phase record.Phase
	// Within is how long it may take on a machine that isn't slow; zero means
	// StepPatience. Where the guest takes long to boot it may take longer.
	Within time.Duration
}

// Despite adds to why the step failed what should have kept that from happening.
func (s Step) Despite(what string) Step {
	do := s.Do
	s.Do = func(ctx context.Context, p *Pair) error {
		if err := do(ctx, p); err != nil {
			return fmt.Errorf("%w; this although %s", err, what)
		}
		return nil
	}
	return s
}

// Steps are done in order until one returns an error.
type Steps []Step

// Full returns the whole story: the steps that bring the VMs up, the
// scenario's own, and those that gather the facts which the checks judge.
func (s Scenario) Full() Steps {
	proof := s.proof()
	proof[0].Phase = record.PhaseChecks
	return slices.Concat(Steps{start(s)}, s.Story, proof)
}

func (s Scenario) proof() Steps {
	if s.Proof != nil {
		return append(slices.Clone(s.Proof), QuitBoth())
	}
	switch s.Ends {
	case record.OnSource:
		return Steps{SourceRunsOn(), NoteFailure(), SeeSourceCanaries(), QuitBoth()}
	case record.NoGuest, record.Lost:
		return Steps{QuitBoth()}
	default:
		return append(arrived(), QuitBoth())
	}
}

// arrived are the steps that gather what the standard checks judge of a guest that
// has moved. It is stopped by then.
func arrived() Steps {
	return Steps{
		DestinationLives(), SourceStands(), StopDestination(), CompareMemory(), SeeCanaries(), NothingMoves(), SeeDestinationReleased(),
	}
}

// Scenarios returns every scenario there is, in the order of a first read.
func Scenarios() []Scenario {
	return slices.Concat(
		basics(), identity(), cancel(), analyze(),
		precopy(), suspend(), throttle(), dirtyRing(), files(), mappedRAM(), cpr(), multifd(), shared(),
		postcopy(), recovery(), doubleFailures(),
		tlsScenarios(), multifdTLSScenarios(), postcopyTLS(),
		limits(), exact(), turningPages(), pingpong(), again(), scale(), disks(), linkFaults(),
	)
}
