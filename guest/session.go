package guest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/drover-vm/drover/guest/wire"
)

// A Session is what a guest has said, on whichever side of a migration it was, put in order.
// It is given bytes with Feed, and asked. Its methods must not be called at once.
type Session struct {
	hello    *wire.Hello
	restarts int // that nobody wanted
	expected int // restarts that are to come
	sides    map[string]*Heard
	order    []string // of the sides: where it was first
	workers  map[string]*WorkerState
	problems []string
	done     map[uint64]bool // the commands that were carried out
	programs map[uint64]*Ran // that were asked for and not forgotten
	streams  map[string]*stream

	highest uint64          // sequence number
	missing map[uint64]bool // below it
	doubled int
	damaged int
	now     time.Duration // the guest's clock, when it wrote its last line
	slept   bool          // it was suspended, and its clock with it

	sent uint64 // commands
}

// NewSession returns one that has heard nothing.
func NewSession() *Session {
	s := &Session{sides: map[string]*Heard{}, streams: map[string]*stream{}, programs: map[uint64]*Ran{}}
	s.forget()
	return s
}

// ExpectRestart says that the guest is about to boot again, which is no fault then: what it has
// said so far is forgotten when it begins to number its lines from 1 on.
func (s *Session) ExpectRestart() { s.expected++ }

// forget begins anew with a guest that has booted again.
func (s *Session) forget() {
	s.hello, s.workers, s.problems, s.done = nil, map[string]*WorkerState{}, nil, map[uint64]bool{}
	s.highest, s.missing, s.now = 0, map[uint64]bool{}, 0
	for _, h := range s.sides {
		h.Zero = time.Time{}
	}
}

// Feed takes what came from a side at that time. What came from the side where the guest was
// first is to be fed first, as far as it is there.
func (s *Session) Feed(side string, at time.Time, text []byte) {
	if len(text) == 0 {
		return
	}
	st := s.streams[side]
	if st == nil {
		st = &stream{}
		s.streams[side] = st
		s.order = append(s.order, side)
	}
	if !st.begun { // up to its first line's end, which may be the end of another's line
		st.head = append(st.head, text...)
		end := bytes.IndexByte(st.head, '\n')
		if end < 0 && len(st.head) < wire.MaxLine {
			return
		}
		st.begun, text = true, bytes.Clone(st.head[end+1:])
		st.head = st.head[:end+1]
		if lines, _, _ := wire.Cut(st.head); len(lines) > 0 || len(s.order) < 2 {
			text, st.head = append(st.head, text...), nil
		}
	}
	st.rest = append(st.rest, text...)
	lines, damaged, rest := wire.Cut(st.rest)
	st.rest = bytes.Clone(rest)
	s.damaged += damaged
	for _, l := range lines {
		s.take(side, at, l)
	}
	s.join(side, at)
}

// join puts the two parts of a line together that was begun on one side and ended on the
// other.
func (s *Session) join(side string, at time.Time) {
	i := slices.Index(s.order, side)
	for _, pair := range [][2]int{{i - 1, i}, {i, i + 1}} {
		if pair[0] < 0 || pair[1] >= len(s.order) {
			continue
		}
		from, to := s.streams[s.order[pair[0]]], s.streams[s.order[pair[1]]]
		if !to.begun || len(to.head) == 0 || len(from.rest) == 0 {
			continue
		}
		lines, _, _ := wire.Cut(append(bytes.Clone(from.rest), to.head...))
		if len(lines) == 0 {
			continue
		}
		from.rest, to.head = nil, nil
		for _, l := range lines {
			s.take(s.order[pair[1]], at, l)
		}
	}
}

// Renamed says that a side has another name from here on: the guest moves on from where it had
// moved to. What was heard so far is forgotten but for the workers' counts.
func (s *Session) Renamed(from, to string) {
	st := s.streams[from]
	s.streams, s.order, s.sides, s.slept = map[string]*stream{}, nil, map[string]*Heard{}, false
	if st != nil {
		s.streams[to], s.order = st, []string{to}
		st.head = nil
	}
	for _, w := range s.workers {
		w.Complaints, w.Total = nil, 0
	}
}

// NewStream says that what comes from a side next is another QEMU's than what came before.
func (s *Session) NewStream(side string) {
	delete(s.streams, side)
	delete(s.sides, side)
	s.order = slices.DeleteFunc(s.order, func(name string) bool { return name == side })
}

func (s *Session) take(side string, at time.Time, l wire.Line) {
	if !s.count(l.Sequence) {
		return
	}
	s.now = max(s.now, l.At)
	h := s.side(side)
	h.Lines++
	h.stamped(l.At, at)
	switch l.Verb {
	case wire.SaysHello:
		var hello wire.Hello
		if l.Into(&hello) == nil {
			s.hello = &hello
		}
	case wire.SaysBeat:
		var b wire.Beat
		if l.Into(&b) == nil {
			h.beat(b.Number, at)
		}
	case wire.SaysCounts:
		var c wire.Counts
		if l.Into(&c) == nil {
			w := s.worker(c.Worker)
			w.Counts, w.Side = c, side
		}
	case wire.SaysComplaint:
		var c wire.Complaint
		if l.Into(&c) == nil {
			w := s.worker(c.Worker)
			if w.Total++; w.Total <= mostComplaints {
				w.Complaints = append(w.Complaints, fmt.Sprintf("%s (on the %s, %.3f s after its boot)", c.Text, side, l.At.Seconds()))
			}
		}
	case wire.SaysDone:
		var c wire.Command
		if l.Into(&c) == nil {
			s.done[c.Number] = true
		}
	case wire.SaysOutput, wire.SaysExit:
		s.takeProgram(l)
	case wire.SaysProblem:
		var p wire.Problem
		if l.Into(&p) == nil && len(s.problems) < mostComplaints {
			s.problems = append(s.problems, p.Text)
		}
	}
}

// count keeps account of the lines' numbers, and says whether it is a new one.
func (s *Session) count(n uint64) bool {
	const most = 1 << 16 // that are kept as missing
	switch {
	case n == 1 && s.highest > 0 && s.expected > 0:
		s.expected--
		s.forget()
	case n == 1 && s.highest > 0: // the guest has booted again
		s.restarts++
	case s.missing[n]:
		delete(s.missing, n)
		return true
	case n <= s.highest:
		s.doubled++
		return false
	}
	for i := s.highest + 1; i < n && len(s.missing) < most; i++ {
		s.missing[i] = true
	}
	s.highest = n
	return true
}

func (s *Session) side(name string) *Heard {
	if s.sides[name] == nil {
		s.sides[name] = &Heard{}
	}
	return s.sides[name]
}

func (s *Session) worker(name string) *WorkerState {
	if s.workers[name] == nil {
		s.workers[name] = &WorkerState{}
	}
	return s.workers[name]
}

// Hello is the guest's first line, nil before it.
func (s *Session) Hello() *wire.Hello { return s.hello }

// Restarted says that the guest has booted more than once.
func (s *Session) Restarted() bool { return s.restarts > 0 }

// From is what came from a side.
func (s *Session) From(side string) Heard { return *s.side(side) }

// TimeAnew leaves out of ClockLost what came from a side so far.
func (s *Session) TimeAnew(side string) { s.side(side).Zero = time.Time{} }

// ClockLost is by how much the guest's clock is further behind the host's on one side than it was
// on the other, within what the quickest line took on either; ok is false where nobody can tell.
func (s *Session) ClockLost(from, to string) (lost time.Duration, ok bool) {
	before, after := s.side(from).Zero, s.side(to).Zero
	return after.Sub(before), !before.IsZero() && !after.IsZero() && !s.slept
}

// Workers are those that have said something, by name; they are the caller's own.
func (s *Session) Workers() map[string]WorkerState {
	all := map[string]WorkerState{}
	for name, w := range s.workers {
		own := *w
		own.Complaints = slices.Clone(w.Complaints)
		own.Counts.Counts = maps.Clone(w.Counts.Counts)
		all[name] = own
	}
	return all
}

// Problems are what kept the guest from what it was to do.
func (s *Session) Problems() []string { return slices.Clone(s.problems) }

// Began says whether all of these workers have looked at all that they have.
func (s *Session) Began(workers []string) bool {
	for _, name := range workers {
		if w := s.workers[name]; w == nil || w.Counts.Rounds == 0 && w.Total == 0 {
			return false
		}
	}
	return s.hello != nil && s.expected == 0
}

// Reported says whether all of these workers have answered the report of that number.
func (s *Session) Reported(number uint64, workers []string) bool {
	return len(s.Unreported(number, workers)) == 0
}

// Unreported are those of the workers that have not.
func (s *Session) Unreported(number uint64, workers []string) (names []string) {
	for _, name := range workers {
		if w := s.workers[name]; w == nil || w.Counts.Report < number {
			names = append(names, name)
		}
	}
	return names
}

// Done says whether the guest has answered the command of that number.
func (s *Session) Done(number uint64) bool { return s.done[number] }

// Lines are how many of the guest's lines were lost, came twice, and came damaged.
func (s *Session) Lines() (lost, doubled, damaged int) { return len(s.missing), s.doubled, s.damaged }

// Command makes what is to be sent to the guest for it to do something.
func (s *Session) Command(verb wire.Verb, worker string) (number uint64, text []byte) {
	return s.command(verb, func(number uint64) any { return wire.Command{Verb: verb, Number: number, Worker: worker} })
}

func (s *Session) command(verb wire.Verb, body func(number uint64) any) (number uint64, text []byte) {
	s.sent++
	s.slept = s.slept || verb == wire.Suspend
	l, err := wire.New(s.sent, 0, verb, body(s.sent))
	if err != nil {
		panic(fmt.Sprintf("guest: a command is JSON: %v", err)) // numbers, words and bytes always are
	}
	return s.sent, l.Append(nil)
}
