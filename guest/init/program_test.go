//go:build linux

package main

import (
	"hash/crc32"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/guest/wire"
)

// told is a line from drover.
func told(t *testing.T, verb wire.Verb, body any) wire.Line {
	t.Helper()
	l, err := wire.New(1, 0, verb, body)
	require.NoError(t, err)
	return l
}

// ended says that a program's end is among the lines.
func ended(all []wire.Line) bool {
	return len(all) > 0 && all[len(all)-1].Verb == wire.SaysExit
}

func TestAProgramRunsAndItsOutputIsSaid(t *testing.T) {
	for _, c := range []struct {
		name, script string
		args         []string
		change       func(p *wire.Program)
		output       string
		want         wire.Exit
	}{
		{"one that succeeds", "echo $1; echo error >&2; pwd", []string{"sh", "word"}, nil, "word\nerror\nFOLDER\n", wire.Exit{}},
		{"one that fails", "echo x; exit 3", nil, nil, "x\n", wire.Exit{Status: 3}},
		{"one that a signal ends", "kill -9 $$", nil, nil, "", wire.Exit{Status: -1, Signal: "killed"}},
		{"one that writes much", "head -c " + strconv.Itoa(wire.MaxOutput+5) + " /dev/zero", nil, nil, strings.Repeat("\x00", wire.MaxOutput), wire.Exit{Dropped: 5}},
		{"one that did not come whole", "exit 0", nil, func(p *wire.Program) { p.Size++ }, "", wire.Exit{Status: -1, Problem: "of its 36 bytes 35 have come"}},
		{"one that came damaged", "exit 0", nil, func(p *wire.Program) { p.Sum++ }, "", wire.Exit{Status: -1, Problem: "another checksum"}},
		{"one that did not come", "exit 0", nil, func(p *wire.Program) { p.File++ }, "", wire.Exit{Status: -1, Problem: "no such file"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, r := aWitness(t, nil)
			folder := t.TempDir()
			p := newPrograms(w.talk, folder)
			script := "#!/bin/sh\nPATH=/usr/bin:/bin\n" + c.script
			p.take(told(t, wire.Put, wire.Piece{File: 1, Bytes: []byte(script[:5])}))
			p.take(told(t, wire.Put, wire.Piece{File: 1, At: 5, Bytes: []byte(script[5:])}))
			program := wire.Program{Number: 7, File: 1, Size: int64(len(script)), Sum: crc32.ChecksumIEEE([]byte(script)), Args: c.args}
			if c.change != nil {
				c.change(&program)
			}
			go p.take(told(t, wire.Run, program))
			lines := heard(t, r, ended)
			var output strings.Builder
			for _, l := range lines[:len(lines)-1] {
				var o wire.Output
				require.Equal(t, wire.SaysOutput, l.Verb)
				require.NoError(t, l.Into(&o))
				require.Equal(t, uint64(7), o.Number)
				output.Write(o.Bytes)
			}
			require.True(t, strings.ReplaceAll(c.output, "FOLDER", folder) == output.String(), "%.200q", output.String())
			exit, _ := last[wire.Exit](t, lines, wire.SaysExit)
			require.Contains(t, exit.Problem, c.want.Problem)
			c.want.Number, c.want.Written, c.want.Problem = 7, int64(len(c.output)), exit.Problem
			if strings.Contains(c.output, "FOLDER") {
				c.want.Written = int64(output.Len())
			}
			require.Equal(t, c.want, exit)
		})
	}
}

func TestAProgramIsKilledWithWhatItStarted(t *testing.T) {
	w, r := aWitness(t, nil)
	p := newPrograms(w.talk, t.TempDir())
	script := "#!/bin/sh\nPATH=/usr/bin:/bin\nsleep 1000 & echo hanging; wait"
	p.take(told(t, wire.Put, wire.Piece{File: 1, Bytes: []byte(script)}))
	p.take(told(t, wire.Run, wire.Program{Number: 7, File: 1, Size: int64(len(script)), Sum: crc32.ChecksumIEEE([]byte(script))}))
	heard(t, r, func(all []wire.Line) bool { return len(all) == 1 })
	p.take(told(t, wire.Kill, wire.Program{Number: 8}))
	p.take(told(t, wire.Kill, wire.Program{Number: 7}))
	exit, _ := last[wire.Exit](t, heard(t, r, ended), wire.SaysExit)
	exit.Written = 0 // the shell may say that its child was killed, before it is
	require.Equal(t, wire.Exit{Number: 7, Status: -1, Signal: "killed"}, exit)
}
