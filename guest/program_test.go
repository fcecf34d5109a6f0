package guest_test

import (
	"bytes"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/guest"
	"github.com/drover-vm/drover/guest/wire"
)

// sent is the message in a line that is to be sent.
func sent[T any](t *testing.T, verb wire.Verb, text []byte) (body T) {
	t.Helper()
	l, err := wire.Parse(bytes.TrimSuffix(text, []byte("\n")))
	require.NoError(t, err)
	require.Equal(t, verb, l.Verb)
	require.NoError(t, l.Into(&body))
	return body
}

func TestAProgramIsSentRunAndHeard(t *testing.T) {
	g, s := guest.NewSession(), &speaker{t: t}
	program := []byte("a program")
	file := g.NewFile(program)
	piece := sent[wire.Piece](t, wire.Put, g.Piece(file, 2, program[2:]))
	require.Equal(t, wire.Piece{File: piece.File, At: 2, Bytes: program[2:]}, piece)

	number, text, err := g.Run(file, []string{"name", "an argument"})
	require.NoError(t, err)
	require.Equal(t, wire.Program{
		Number: number, File: piece.File, Size: 9, Sum: crc32.ChecksumIEEE(program), Args: []string{"name", "an argument"},
	}, sent[wire.Program](t, wire.Run, text))
	require.Equal(t, guest.Ran{}, g.Ran(number))
	require.Equal(t, number, sent[wire.Program](t, wire.Kill, g.Kill(number)).Number)

	g.Feed("vm", at(0), []byte(s.say(wire.SaysHello, wire.Hello{})))
	g.Feed("vm", at(1), []byte(s.say(wire.SaysOutput, wire.Output{Number: number, Bytes: []byte("one\n")})))
	g.Feed("vm", at(2), []byte(s.say(wire.SaysOutput, wire.Output{Number: number + 100, Bytes: []byte("another's\n")})))
	g.Feed("vm", at(3), []byte(s.say(wire.SaysOutput, wire.Output{Number: number, Bytes: []byte("two\n")})))
	require.Equal(t, guest.Ran{Output: []byte("one\ntwo\n")}, g.Ran(number))
	exit := wire.Exit{Number: number, Status: 3, Written: 8}
	g.Feed("vm", at(4), []byte(s.say(wire.SaysExit, exit)))
	require.Equal(t, &exit, g.Ran(number).Exit)
	g.ForgetRan(number)
	g.Feed("vm", at(5), []byte(s.say(wire.SaysOutput, wire.Output{Number: number, Bytes: []byte("late")})))
	require.Equal(t, guest.Ran{}, g.Ran(number))
}

func TestAPieceOfAnySizeThatMayBeFitsALine(t *testing.T) {
	g := guest.NewSession()
	text := g.Piece(g.NewFile(nil), 1<<40, bytes.Repeat([]byte{0xff}, wire.MaxPiece))
	require.Less(t, len(text), wire.MaxLine)
}

func TestWhatAGuestSaysOfAProgramIsBounded(t *testing.T) {
	g, s := guest.NewSession(), &speaker{t: t}
	number, _, err := g.Run(g.NewFile(nil), []string{"name"})
	require.NoError(t, err)
	g.Feed("vm", at(0), []byte(s.say(wire.SaysHello, wire.Hello{})))
	for range wire.MaxOutput/wire.MaxPiece + 2 {
		g.Feed("vm", at(0), []byte(s.say(wire.SaysOutput, wire.Output{Number: number, Bytes: make([]byte, wire.MaxPiece)})))
	}
	require.Len(t, g.Ran(number).Output, wire.MaxOutput)

	_, _, err = g.Run(g.NewFile(nil), []string{"name", strings.Repeat("x", wire.MaxLine)})
	require.ErrorContains(t, err, `the arguments of ["name"] make a line of`)
}
