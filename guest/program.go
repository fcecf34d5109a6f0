package guest

import (
	"fmt"
	"hash/crc32"

	"github.com/drover-vm/drover/guest/wire"
)

// MaxProgram bounds a program that a guest is sent, in bytes: it lies in the guest's memory.
const MaxProgram = 64 << 20

// A Ran is a program that a guest was told to run.
type Ran struct {
	Output []byte     // what has come of it so far, at most wire.MaxOutput bytes
	Exit   *wire.Exit // nil while it runs
}

// A File is one that a guest was sent.
type File struct {
	number uint64
	size   int64
	sum    uint32
}

// NewFile begins to send a file with a static program to the guest: Piece makes what is to be
// sent, in the order of the file.
func (s *Session) NewFile(program []byte) File {
	s.sent++
	return File{s.sent, int64(len(program)), crc32.ChecksumIEEE(program)}
}

// Piece makes what is to be sent to the guest for it to have a part of a file, of at most
// wire.MaxPiece bytes, that begins at that place in it.
func (s *Session) Piece(f File, at int64, part []byte) (text []byte) {
	_, text = s.command(wire.Put, func(uint64) any { return wire.Piece{File: f.number, At: at, Bytes: part} })
	return text
}

// Run makes what is to be sent to the guest for it to run a file that it was sent; the first
// of args is the program's name. Ran has what becomes of it, by the number. The error says that
// the arguments are too long for a line.
func (s *Session) Run(f File, args []string) (number uint64, text []byte, err error) {
	number, text = s.command(wire.Run, func(number uint64) any {
		return wire.Program{Number: number, File: f.number, Size: f.size, Sum: f.sum, Args: args}
	})
	if len(text) > wire.MaxLine {
		return 0, nil, fmt.Errorf("guest: the arguments of %.40q make a line of %d bytes, and one may have %d: shorten them, or put them into the program", args[:min(1, len(args))], len(text), wire.MaxLine)
	}
	s.programs[number] = &Ran{}
	return number, text, nil
}

// Kill makes what is to be sent to the guest for it to kill a program that it runs.
func (s *Session) Kill(number uint64) (text []byte) {
	_, text = s.command(wire.Kill, func(uint64) any { return wire.Program{Number: number} })
	return text
}

// Ran is what has become of a program so far. Output must not be changed.
func (s *Session) Ran(number uint64) Ran {
	if r := s.programs[number]; r != nil {
		return *r
	}
	return Ran{}
}

// ForgetRan forgets a program: what still comes of it is nobody's.
func (s *Session) ForgetRan(number uint64) { delete(s.programs, number) }

func (s *Session) takeProgram(l wire.Line) {
	var o wire.Output
	var e wire.Exit
	switch {
	case l.Verb == wire.SaysOutput && l.Into(&o) == nil:
		if r := s.programs[o.Number]; r != nil && r.Exit == nil {
			r.Output = append(r.Output, o.Bytes[:min(len(o.Bytes), wire.MaxOutput-len(r.Output))]...)
		}
	case l.Verb == wire.SaysExit && l.Into(&e) == nil:
		if r := s.programs[e.Number]; r != nil {
			r.Exit = &e
		}
	}
}
