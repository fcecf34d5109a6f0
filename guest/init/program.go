//go:build linux

package main

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/drover-vm/drover/guest/wire"
)

// programsFolder is in memory. Programs begin in it, and may write there.
const programsFolder = "/tmp"

// pipeTimeout is how long what a program has started and left running may keep its output open.
const pipeTimeout = time.Second

// programs are those that drover has sent, and that run.
type programs struct {
	talk   *talk
	folder string

	mu      sync.Mutex
	running map[uint64]int // the process groups, by the runs' numbers
}

func newPrograms(t *talk, folder string) *programs {
	return &programs{talk: t, folder: folder, running: map[uint64]int{}}
}

// take does what a line says. It returns when a program has started, so that one that is to be
// killed is there.
func (p *programs) take(l wire.Line) {
	var piece wire.Piece
	var program wire.Program
	switch {
	case l.Verb == wire.Put && l.Into(&piece) == nil:
		if err := p.put(piece); err != nil {
			p.talk.say(wire.SaysProblem, wire.Problem{Text: "a program that was sent: " + err.Error()})
		}
	case l.Verb == wire.Run && l.Into(&program) == nil:
		p.run(program)
	case l.Verb == wire.Kill && l.Into(&program) == nil:
		p.kill(program.Number)
	}
}

func (p *programs) file(number uint64) string {
	return filepath.Join(p.folder, "program-"+strconv.FormatUint(number, 10))
}

func (p *programs) put(piece wire.Piece) error {
	// A process that began while the file is open would have it open for writing for a moment,
	// in which the kernel doesn't run it.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	f, err := os.OpenFile(p.file(piece.File), os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(piece.Bytes, piece.At)
	return errors.Join(err, f.Close())
}

// intact says whether a program's file is as it was sent.
func (p *programs) intact(program wire.Program) error {
	text, err := os.ReadFile(p.file(program.File))
	if err != nil {
		return err
	}
	if int64(len(text)) != program.Size || crc32.ChecksumIEEE(text) != program.Sum {
		return fmt.Errorf("of its %d bytes %d have come, and they have another checksum than what was sent", program.Size, len(text))
	}
	return nil
}

func (p *programs) run(program wire.Program) {
	refuse := func(err error) {
		p.talk.say(wire.SaysExit, wire.Exit{Number: program.Number, Status: -1, Problem: err.Error()})
	}
	if err := p.intact(program); err != nil {
		refuse(err)
		return
	}
	out := &programOutput{talk: p.talk, number: program.Number}
	cmd := &exec.Cmd{
		Path: p.file(program.File), Args: program.Args, Dir: p.folder, Stdout: out, Stderr: out, WaitDelay: pipeTimeout,
		Env:         []string{"HOME=" + p.folder, "TMPDIR=" + p.folder, "PATH=/"},
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	if err := cmd.Start(); err != nil {
		refuse(err)
		return
	}
	p.mu.Lock()
	p.running[program.Number] = cmd.Process.Pid
	p.mu.Unlock()
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		delete(p.running, program.Number)
		p.mu.Unlock()
		p.talk.say(wire.SaysExit, out.exit(cmd.ProcessState, err))
	}()
}

// kill kills a program, and what it has started in its process group.
func (p *programs) kill(number uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if group, ok := p.running[number]; ok {
		_ = syscall.Kill(-group, syscall.SIGKILL)
	}
}

// A programOutput says what a program writes, up to a bound.
type programOutput struct {
	talk   *talk
	number uint64

	mu               sync.Mutex
	written, dropped int64
}

func (o *programOutput) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	rest := text[:min(int64(len(text)), wire.MaxOutput-o.written)]
	o.written += int64(len(rest))
	o.dropped += int64(len(text) - len(rest))
	for len(rest) > 0 {
		part := rest[:min(len(rest), wire.MaxPiece)]
		o.talk.say(wire.SaysOutput, wire.Output{Number: o.number, Bytes: part})
		rest = rest[len(part):]
	}
	return len(text), nil
}

func (o *programOutput) exit(state *os.ProcessState, err error) wire.Exit {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := wire.Exit{Number: o.number, Status: -1, Written: o.written, Dropped: o.dropped}
	if state == nil {
		e.Problem = err.Error()
		return e
	}
	e.Status = state.ExitCode()
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		e.Signal = status.Signal().String()
	}
	return e
}
