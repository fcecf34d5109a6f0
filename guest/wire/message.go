package wire

// What the guest says.
const (
	// SaysHello is its first line, when it runs and has started its workers: a [Hello].
	SaysHello Verb = "hello"
	// SaysBeat comes all the time while it runs: a [Beat].
	SaysBeat Verb = "beat"
	// SaysCounts is what a worker has done so far: a [Counts].
	SaysCounts Verb = "counts"
	// SaysComplaint is what a worker found wrong, as soon as it did: a [Complaint].
	SaysComplaint Verb = "complaint"
	// SaysDone is the answer to a command: a [Command], as it came.
	SaysDone Verb = "done"
	// SaysProblem is a sentence about something that kept the guest from what it was to do,
	// and that is nobody's complaint: a module that could not be loaded. A [Problem].
	SaysProblem Verb = "problem"
)

// What drover says: a [Command] each.
const (
	Start  Verb = "start"  // the worker goes on
	Stop   Verb = "stop"   // the worker rests
	Tell   Verb = "tell"   // each worker says its counts as they are
	Report Verb = "report" // each worker that runs looks at all that it has, and says its counts
	// Suspend is the guest's own suspension to RAM: the answer comes before it.
	Suspend Verb = "suspend"
	Finish  Verb = "finish" // the workers rest, and the guest powers off
)

// A Hello says what the guest is.
type Hello struct {
	Version int      // of the protocol
	Kernel  string   // its release
	Arch    string   // Go's name for it
	CPUs    int      // that it has online
	Port    string   // what it talks through: a port's name, or the console's
	Workers []string // that it has started
	// Boot is how long its kernel has been up, in seconds.
	Boot float64
}

// A Beat is a sign of life.
type Beat struct {
	Number uint64 // from 1 on, one more each time
}

// Counts are what a worker has done.
type Counts struct {
	Worker string
	Rounds uint64 // how often it has looked at all that it has
	// Counts are its own, by name. Those that grow never shrink.
	Counts map[string]uint64 `json:",omitempty"`
	// Report is the number of the command that these are the answer to. Where that is a report,
	// the worker has looked at all that it has since it came. 0 where nobody asked.
	Report uint64 `json:",omitempty"`
	Rests  bool   `json:",omitempty"` // it was stopped
}

// A Complaint is what a worker found wrong, in a sentence: where, what it expected, and what
// it found.
type Complaint struct {
	Worker string
	Text   string
}

// A Problem is a sentence.
type Problem struct{ Text string }

// A Command is what drover wants.
type Command struct {
	Verb   Verb
	Number uint64 // of the command: the answer has it too
	Worker string `json:",omitempty"` // of start and stop
}
