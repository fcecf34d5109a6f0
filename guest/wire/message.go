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
	// SaysOutput is what a program wrote: an [Output].
	SaysOutput Verb = "output"
	// SaysExit is how a program ended, after all of its output: an [Exit].
	SaysExit Verb = "exit"
)

// What drover says: a [Command] each, but for what is about programs.
const (
	Start  Verb = "start"  // the worker goes on
	Stop   Verb = "stop"   // the worker rests
	Tell   Verb = "tell"   // each worker says its counts as they are
	Report Verb = "report" // each worker that runs looks at all that it has, and says its counts
	// Suspend is the guest's own suspension to RAM: the answer comes before it.
	Suspend Verb = "suspend"
	Finish  Verb = "finish" // the workers rest, and the guest powers off
	// Online has the guest wait for a vCPU that was plugged into it, and use it; the answer comes
	// then.
	Online Verb = "online"

	Put  Verb = "put"  // a [Piece] of a file with a program in it; it has no answer
	Run  Verb = "run"  // the guest runs a [Program]
	Kill Verb = "kill" // a [Program], and what it has started, is killed
)

// Bounds of what is said of programs, in bytes.
const (
	MaxPiece  = 32 << 10 // of one line's contents, so that the line is shorter than MaxLine
	MaxOutput = 1 << 20  // of a program's output; the rest is counted
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

// A Piece is a part of a file that drover sends.
type Piece struct {
	File  uint64 // its number
	At    int64  // where in the file the piece begins; the one at 0 comes first
	Bytes []byte // at most MaxPiece
}

// A Program is one that the guest is to run, or to kill. A file may be run several times, also
// at once.
type Program struct {
	Number uint64   // of the run: the answers have it too
	File   uint64   // all pieces of which came before
	Size   int64    // of the file, in bytes
	Sum    uint32   // of the file, CRC-32 (IEEE)
	Args   []string // the first is the program's name for itself
}

// An Output is what a program wrote to its standard output and its error output, as it came.
type Output struct {
	Number uint64
	Bytes  []byte // at most MaxPiece
}

// An Exit is how a program ended.
type Exit struct {
	Number  uint64
	Status  int    // what it exited with; -1 where a signal ended it, or it did not start
	Signal  string `json:",omitempty"` // what ended it, in words
	Written int64  // bytes of output that were said: at most MaxOutput
	Dropped int64  `json:",omitempty"` // bytes beyond that
	Problem string `json:",omitempty"` // why it could not be run
}
