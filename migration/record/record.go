package record

import (
	"encoding/json"
	"time"
)

// An Ending is where a scenario leaves its guest, and so what has to be proven.
type Ending string

const (
	OnDestination Ending = ""        // the guest has moved: every standard check
	OnSource      Ending = "source"  // the migration failed: the guest runs on where it was
	NoGuest       Ending = "nowhere" // one QEMU without a guest: only how it exits
	// Lost: the guest dies with the destination, for both sides have a part of it, and
	// neither may run it.
	Lost Ending = "lost"
)

func endings() []Ending { return []Ending{OnDestination, OnSource, NoGuest, Lost} }

// Format grows when a record changes so that older ones can't be judged.
const Format = 1

// A Record is what a run saw, and nothing about what to think of it: the
// checks are functions of the record alone. A nil part was not gathered.
//
// Load demands every member that Save always writes, except where the tag says that
// it may be left out.
type Record struct {
	Format   int
	Scenario string `strict:"optional"`
	Arch     string `strict:"optional"`
	// Program is the name of the guest program; "" is the incrementer, of ppc64 the one that
	// the firmware runs ([ProgramName]), and Linux is Linux.
	Program string    `json:",omitempty"`
	Ends    Ending    `strict:"optional"`
	Started time.Time `strict:"optional"`
	Accel   string    `json:",omitempty"` // the accelerator, and why it
	Seconds float64   `strict:"optional"`
	// Gathers names the facts that the run set out to gather, from its start on (see
	// Expect). One that is listed and missing makes its check unknown. Nil in records of
	// before it was there: those are held to what Ends demands, as all are.
	Gathers []Fact `json:",omitempty"`
	// Pages is how many pages the scenario has the guest program write; 0 where it did not
	// say, and it is all or HotPages.
	Pages int `json:",omitempty"`
	// Waits says that the destination runs the guest only when it is told to.
	Waits bool `json:",omitempty"`
	// MemoryMiB is the RAM that the guest was to get.
	MemoryMiB int `strict:"optional"`
	// RAMBytes is the RAM that the guest has, by QEMU's own account: what it can use as
	// memory, without ROMs and the memory of devices. 0 means MemoryMiB MiB.
	RAMBytes uint64 `json:",omitempty"`
	// BlocksBytes is the most that all blocks hold which QEMU migrates as it does RAM, by its
	// own account: the guest's RAM, ROMs, and the memory of devices. 0 where nobody asked.
	BlocksBytes uint64      `json:",omitempty"`
	Host        *HostFacts  `json:",omitempty"`
	Steps       []StepFacts `strict:"optional"`
	// Planned is how many steps the run set out to take; 0 where nobody counted.
	Planned int    `json:",omitempty"`
	Error   string `json:",omitempty"` // what ended the scenario early
	// KnownBug is the run's claim that the source's QEMU has a bug which may make this
	// guest lose what it wrote. It counts only where KnownBugOf the record agrees.
	KnownBug string `json:",omitempty"`
	// Unlaunched says that the guest had not run yet when it was sent (run state prelaunch).
	Unlaunched bool `json:",omitempty"`
	// Replaced says that the source's process has executed the destination in its place, so
	// that the source could be asked nothing since.
	Replaced bool `json:",omitempty"`
	// SharedRAM says that both sides have the same RAM: a source whose guest is paused
	// sees it change.
	SharedRAM bool `json:",omitempty"`
	// Strangers are connections that came neither from the source nor from drover, and were
	// not taken for the migration's: where they came to, and from.
	Strangers []string `json:",omitempty"`
	// Unsure says who else than QEMU may have caused a failure: somebody whose connection
	// drover can't rule out. No check fails then, and none passes of a migration that was
	// to fail.
	Unsure string `json:",omitempty"`
	// Recoveries is how often a destination that lost its connection was told to
	// listen again.
	Recoveries int `json:",omitempty"`

	Source      *SideFacts                 `strict:"optional"`
	Destination *SideFacts                 `json:",omitempty"`
	Parameters  map[string]json.RawMessage `json:",omitempty"` // the source's that were set, in the end
	Migration   *MigrationFacts            `json:",omitempty"`
	Samples     []Sample                   `json:",omitempty"` // of the migration, in order of time; charts are drawn of them
	Costs       *CostFacts                 `json:",omitempty"`
	Failure     *FailureFacts              `json:",omitempty"` // where the guest has stayed
	Fault       *FaultFacts                `json:",omitempty"` // what was done to a migration on purpose
	Standstill  *StandstillFacts           `json:",omitempty"`
	// Linux is what a Linux guest has said of itself, nil where the guest is no Linux.
	Linux *LinuxFacts `json:",omitempty"`
	Life  *LifeFacts  `json:",omitempty"`
	// What was seen of the guest before, on its way to where it is in the end.
	EarlierLives []LifeFacts     `json:",omitempty"`
	Stand        *StandFacts     `json:",omitempty"`
	Stillness    *StillnessFacts `json:",omitempty"`
	Workload     *WorkloadFacts  `json:",omitempty"`
	Memory       *MemoryFacts    `json:",omitempty"`
	Exact        *MemoryFacts    `json:",omitempty"` // all of RAM, before the guest ran on the destination
	Registers    *RegisterFacts  `json:",omitempty"` // before the guest ran on the destination
	Pulse        []PulseFacts    `json:",omitempty"` // what the guest program says of its machine
	Paced        []Paced         `json:",omitempty"` // what went over the link while the guest ran on the source
	Link         *LinkFacts      `json:",omitempty"`
	// Canaries is how many values were written to devices' registers before the
	// migration; 0 where nobody counted.
	Canaries  int            `json:",omitempty"`
	Devices   []DeviceFacts  `json:",omitempty"` // what became of them
	Measures  []Measure      `json:",omitempty"` // what the scenario measured beside these
	Teardown  *TeardownFacts `json:",omitempty"`
	Diagnosis []string       `json:",omitempty"` // of a scenario that ended early
	// What was seen on the guest's earlier ways from side to side, each a record of
	// its own, whose guest has moved. A leg has no legs.
	Legs []*Record `json:",omitempty"`

	// While it is judged: that it is a leg, and why its events are unfit to be judged by.
	isLeg bool
	unfit string
}

// StepFacts say how long a step took.
type StepFacts struct {
	Name    string
	Line    int     `json:",omitempty"` // in the scenario file, from 1 on
	Seconds float64 `strict:"optional"`
	Phase   Phase   `strict:"optional"`
	Error   string  `json:",omitempty"`
	// Timed says that what the step failed over is how long something took, or how fast it
	// was, by more than the host's measured slowdown explains: if the host was busy, nobody
	// can tell.
	Timed bool `json:",omitempty"`
	// Untried says that the step could not be tried: a QEMU did not start, or somebody else
	// had connected.
	Untried bool `json:",omitempty"`
	// Measured is how many measures the step added; Legs how many of the guest's ways
	// lay behind it when the step was done. Both are 0 where nobody counted.
	Measured int `json:",omitempty"`
	Legs     int `json:",omitempty"`
}

// A Phase is a part of a run that takes time for a reason of its own.
type Phase string

const (
	PhaseStart      Phase = "start"      // both QEMUs come up
	PhaseBoot       Phase = "boot"       // the guest does
	PhasePasses     Phase = "passes"     // its RAM is sent while it runs
	PhaseSwitchover Phase = "switchover" // it moves
	PhaseChecks     Phase = "checks"     // facts are gathered
	PhaseTeardown   Phase = "teardown"   // both QEMUs exit
)

// Phases returns all, in the order in which they mostly come.
func Phases() []Phase {
	return []Phase{PhaseStart, PhaseBoot, PhasePasses, PhaseSwitchover, PhaseChecks, PhaseTeardown}
}

// MaxListed bounds what a record lists of a kind; totals are always counted.
const MaxListed = 64

// NextLeg puts what the record holds away as a leg, and makes it one of the guest's
// next way: from where it is now to a side of which nothing is known yet. What the run
// was to gather beyond what each way demands is the last way's.
func (r *Record) NextLeg() {
	leg := *r
	leg.Legs, leg.Gathers, leg.Ends = nil, nil, OnDestination
	source := SideFacts{}
	if r.Destination != nil {
		d := r.Destination
		source = SideFacts{Binary: d.Binary, Version: d.Version, Package: d.Package, CommandLine: d.CommandLine}
	}
	*r = Record{
		Format: r.Format, Scenario: r.Scenario, Arch: r.Arch, Program: r.Program, Pages: r.Pages, Ends: r.Ends, Started: r.Started, Accel: r.Accel,
		Gathers: r.Gathers, Steps: r.Steps, Planned: r.Planned, Waits: r.Waits, MemoryMiB: r.MemoryMiB, RAMBytes: r.RAMBytes, BlocksBytes: r.BlocksBytes, Host: r.Host,
		SharedRAM: r.SharedRAM, Canaries: r.Canaries, Linux: r.Linux.next(), Source: &source, Destination: &SideFacts{}, Legs: append(r.Legs, &leg),
	}
}

// Measured is how many measures the run has taken so far, on all of the guest's ways.
func (r *Record) Measured() int {
	n := len(r.Measures)
	for _, leg := range r.Legs {
		if leg != nil {
			n += len(leg.Measures)
		}
	}
	return n
}

// ram is the RAM that the guest has, in bytes; 0 where no record could be right.
func (r *Record) ram() uint64 {
	const most = 1 << 52 // what a processor can address
	switch {
	case r.RAMBytes > 0 && r.RAMBytes <= most:
		return r.RAMBytes
	case r.RAMBytes == 0 && r.MemoryMiB > 0 && uint64(r.MemoryMiB) <= most>>20:
		return uint64(r.MemoryMiB) << 20
	}
	return 0
}
