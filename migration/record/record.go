package record

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/drover-vm/drover/fixtures"
)

// An Ending says where a story leaves its guest, and so what has to be proven.
type Ending string

const (
	OnDestination Ending = ""        // the guest has moved: every standard check
	OnSource      Ending = "source"  // the migration failed: the guest runs on where it was
	NoGuest       Ending = "nowhere" // one QEMU without a guest: only how it ends
)

// File is the name under which a run's record lies among its artifacts.
const File = "record.json"

// Format grows when a record changes so that older ones can't be judged.
const Format = 1

// A Record is what a run saw, and nothing about what to think of it: the
// checks are functions of the record alone. A nil part was not gathered.
type Record struct {
	Format   int
	Scenario string
	Arch     string
	Ends     Ending
	Started  time.Time
	Accel    string `json:",omitempty"` // the accelerator, and why it
	Seconds  float64
	// Waits says that the destination runs the guest only when it is told to.
	Waits bool `json:",omitempty"`
	// MemoryMiB is the guest's RAM.
	MemoryMiB int
	Steps     []StepFacts
	Error     string `json:",omitempty"` // what ended the story early
	// KnownBug is a bug of the source's QEMU that may make this guest lose what it
	// wrote: a check of the guest and its RAM that fails says that it did.
	KnownBug string `json:",omitempty"`
	// SharedRAM says that both sides have the same RAM: a source that stands
	// still sees it change.
	SharedRAM bool `json:",omitempty"`
	// Recoveries is how often a destination that lost its connection was told to
	// listen again.
	Recoveries int `json:",omitempty"`

	Source      *SideFacts
	Destination *SideFacts                 `json:",omitempty"`
	Parameters  map[string]json.RawMessage `json:",omitempty"` // the source's that were set, in the end
	Migration   *MigrationFacts            `json:",omitempty"`
	Failure     *FailureFacts              `json:",omitempty"` // where the guest has stayed
	Fault       *FaultFacts                `json:",omitempty"` // what was done to a migration on purpose
	Standstill  *StandstillFacts           `json:",omitempty"`
	Life        *LifeFacts                 `json:",omitempty"`
	// What was seen of the guest before, on its way to where it is in the end.
	EarlierLives []LifeFacts     `json:",omitempty"`
	Stand        *StandFacts     `json:",omitempty"`
	Stillness    *StillnessFacts `json:",omitempty"`
	Workload     *WorkloadFacts  `json:",omitempty"`
	Memory       *MemoryFacts    `json:",omitempty"`
	Exact        *MemoryFacts    `json:",omitempty"` // all of RAM, before the guest ran on the destination
	Registers    *RegisterFacts  `json:",omitempty"` // before the guest ran on the destination
	Paced        []Paced         `json:",omitempty"` // what went over the link while the guest ran on the source
	Link         *LinkFacts      `json:",omitempty"`
	Devices      []DeviceFacts   `json:",omitempty"` // canaries planted before the migration
	Measures     []Measure       `json:",omitempty"` // what the scenario measured beside these
	Teardown     *TeardownFacts  `json:",omitempty"`
	Diagnosis    []string        `json:",omitempty"` // of a story that ended early
	// What was seen on the guest's earlier ways from side to side, each a record of
	// its own.
	Legs []*Record `json:",omitempty"`
}

// StepFacts say how long a step took.
type StepFacts struct {
	Name    string
	Line    int `json:",omitempty"` // in the scenario file, from 1 on
	Seconds float64
	Phase   Phase
	Error   string `json:",omitempty"`
}

// A Phase is a part of a run that takes time for a reason of its own.
type Phase string

const (
	PhaseStart      Phase = "start"      // both QEMUs come up
	PhaseBoot       Phase = "boot"       // the guest does
	PhasePasses     Phase = "passes"     // its RAM is sent while it runs
	PhaseSwitchover Phase = "switchover" // it moves
	PhaseChecks     Phase = "checks"     // facts are gathered
	PhaseTeardown   Phase = "teardown"   // both QEMUs end
)

// Phases returns all, in the order in which they mostly come.
func Phases() []Phase {
	return []Phase{PhaseStart, PhaseBoot, PhasePasses, PhaseSwitchover, PhaseChecks, PhaseTeardown}
}

// SideFacts describe one QEMU.
type SideFacts struct {
	Binary      string
	Version     string
	Package     string `json:",omitempty"`
	CommandLine string
	Began       time.Time    // when the last migration was asked for; zero on who receives
	Stopped     time.Time    // when the story stopped the guest before that; zero where it did not
	Events      []EventFacts `json:",omitempty"`
	EventsLost  uint64       `json:",omitempty"`
	Console     string       `json:",omitempty"` // its end
	Stderr      string       `json:",omitempty"` // its end
	SaidBefore  string       `json:",omitempty"` // the same when the last migration was asked for
}

// EventFacts are one QMP event.
type EventFacts struct {
	Time time.Time
	Name string
	Data json.RawMessage `json:",omitempty"`
}

// MigrationFacts are what the source says of the migration when it has ended.
type MigrationFacts struct {
	TotalMS    int64
	DowntimeMS int64
	SetupMS    int64
	Passes     int64 // dirty bitmap syncs
	Bytes      uint64
	Source     json.RawMessage // the source's whole answer to query-migrate
	// The destination's answer; a QEMU without one leaves it empty.
	Destination json.RawMessage `json:",omitempty"`
}

// A Reading is one byte of guest memory.
type Reading struct {
	Address uint64
	Value   byte
}

// LifeFacts say whether the guest runs: two readings of the first byte that
// the workload counts up, and what the console said in the meantime.
type LifeFacts struct {
	Side        string
	Running     bool   // what query-status says
	Status      string // its run state
	Before      Reading
	After       Reading
	Seconds     float64 // between the readings
	Heartbeats  int     // on the console since it began to run there
	Unexpected  string  `json:",omitempty"` // what else the console said
	PassSeconds float64 `json:",omitempty"` // how long one pass of the workload takes
}

// StandFacts say what the source did after it had given its guest away.
type StandFacts struct {
	Status      string // run state at completion
	Running     bool
	StatusAtEnd string // run state when everything else was done
	RunningEnd  bool
	Before      Reading // the workload's first byte at completion
	After       Reading // and at the end
}

// StillnessFacts say whether a stopped destination stands still: all of its memory,
// read twice.
type StillnessFacts struct {
	Status  string // run state
	Running bool
	Pages   int     // of 4096 bytes
	Seconds float64 // between the two readings
	Changed int
	First   uint64 `json:",omitempty"` // address of the first page that changed
}

// A Run is a stretch of pages whose byte has the same value.
type Run struct {
	Address uint64
	Pages   int
	Value   byte
}

// WorkloadFacts are the memory that the workload works on, as found on the
// stopped destination.
type WorkloadFacts struct {
	Range  fixtures.Range
	Stride uint64
	Runs   []Run // the first MaxListed
	Pages  int   // in all runs
	More   int   `json:",omitempty"` // runs beyond those listed
	// Bytes of those pages that nobody counts up and that are not zero.
	Stray      []Reading `json:",omitempty"` // the first MaxListed
	StrayTotal int       `json:",omitempty"`
}

// A Difference is a byte of guest memory that is not the same on both sides.
type Difference struct {
	Address             uint64
	Source, Destination byte
}

// MemoryFacts compare the RAM of source and destination, both stopped.
type MemoryFacts struct {
	Size           uint64           // of guest memory
	Compared       uint64           // bytes
	Left           []fixtures.Range `json:",omitempty"` // what was left out, beside the workload
	Different      []Difference     `json:",omitempty"` // the first MaxListed
	DifferentTotal int              `json:",omitempty"`
	Seconds        float64          // to read and compare both sides' memory
}

// LinkFacts are what went over the link between the sides, seen from outside.
type LinkFacts struct {
	Connections []ConnectionFacts // in the order in which the source made them
}

// ConnectionFacts are what went over one connection.
type ConnectionFacts struct {
	Forward int64  // bytes towards the destination
	Back    int64  // bytes towards the source
	First   []byte // the first that went to the destination
}

// TeardownFacts say how the QEMUs ended and what they left.
type TeardownFacts struct {
	Exits []ExitFacts
	Left  []string `json:",omitempty"` // paths and processes
}

// ExitFacts say how one QEMU ended when it was told to quit.
type ExitFacts struct {
	Side   string
	State  string // "exit status 0"
	Clean  bool   // exit status 0, or the end that the story wants
	Reason string `json:",omitempty"` // why it isn't, or why that is the wanted end
}

// MaxListed bounds what a record lists of a kind; totals are always counted.
const MaxListed = 64

// NextLeg puts what the record holds away as a leg, and makes it one of the guest's
// next way: from where it is now to a side of which nothing is known yet.
func (r *Record) NextLeg() {
	leg := *r
	leg.Legs = nil
	source := SideFacts{}
	if r.Destination != nil {
		d := r.Destination
		source = SideFacts{Binary: d.Binary, Version: d.Version, Package: d.Package, CommandLine: d.CommandLine}
	}
	*r = Record{
		Format: r.Format, Scenario: r.Scenario, Arch: r.Arch, Ends: r.Ends, Started: r.Started, Accel: r.Accel,
		Steps: r.Steps, Waits: r.Waits, MemoryMiB: r.MemoryMiB, SharedRAM: r.SharedRAM, Source: &source, Destination: &SideFacts{}, Legs: append(r.Legs, &leg),
	}
}

// Save writes the record among the artifacts in dir.
func (r *Record) Save(dir string) error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, File), append(text, '\n'), 0o600)
}

// Load reads the record of a saved run. Path is the run's folder, or the
// record itself.
func Load(path string) (*Record, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, File)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("record: no record: %w", err)
	}
	var r Record
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("record: %s: %w", path, err)
	}
	if r.Format != Format {
		return nil, fmt.Errorf("record: %s has format %d, and this drover judges format %d", path, r.Format, Format)
	}
	return &r, nil
}
