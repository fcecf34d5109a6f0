package launchertest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/drover-vm/drover/guest"
	"github.com/drover-vm/drover/guest/wire"
	"github.com/drover-vm/drover/internal/ended"
	"github.com/drover-vm/drover/internal/plain"
)

// MaxOutput is how much of a program's output LinuxVM.Run returns: 1 MiB, in bytes.
const MaxOutput = wire.MaxOutput

// killTimeout is how long the guest may take to read that a program is to be killed.
const killTimeout = time.Second

// A ProgramError says that a program in a Linux guest did not do all that it was run for.
type ProgramError struct {
	Program string // the path that Run was given
	Status  int    // what it exited with, 0 to 255; -1 where it did not exit by itself
	Signal  string // what ended it ("segmentation fault"); empty where no signal did
	Dropped int64  // bytes that it wrote beyond MaxOutput; where that is all, Status is 0
	Problem string // why it could not be run; empty where it was
	Tail    string // the end of its output, at most 400 bytes
}

func (e *ProgramError) Error() string {
	what := fmt.Sprintf("exited with status %d", e.Status)
	switch {
	case e.Problem != "":
		what = "could not be run in the guest: " + e.Problem
	case e.Signal != "":
		what = "was ended by a signal: " + e.Signal
	case e.Status == 0:
		what = fmt.Sprintf("wrote %d bytes more than the %d that are kept of its output: have it write less", e.Dropped, MaxOutput)
	}
	if e.Tail != "" && e.Problem == "" {
		what += fmt.Sprintf("; its output ends with %q", e.Tail)
	}
	return fmt.Sprintf("launchertest: %s %s", e.Program, plain.Text(what))
}

// Run runs a program in the guest, as root, and returns what it wrote to its standard output
// and its error output, in the order in which it did, up to MaxOutput bytes. The path is that of
// a file on this machine: a static ELF executable for the guest's architecture, of at most
// 64 MiB, as CGO_ENABLED=0 GOARCH=... go build makes them. It is sent to the guest's memory,
// once for each content: 2.7 MiB take half a second under TCG. The program begins in /tmp,
// and its standard input is empty.
//
// A program that fails is a *ProgramError, beside the output that came. Where the context
// ends first, the program is killed with all that it has started in its process group, and
// the output so far is returned. When QEMU ends, the error is launcher's *ExitError.
//
// Run is safe for concurrent use, also while the guest is paused: it then waits. It does not
// work any more in a guest that was put back to an earlier state (loadvm).
func (vm *LinuxVM) Run(ctx context.Context, path string, args ...string) (output []byte, err error) {
	program, err := readProgram(path, vm.arch)
	if err != nil {
		return nil, fmt.Errorf("launchertest: %w", err)
	}
	file, err := vm.upload(ctx, program)
	if err != nil {
		return nil, fmt.Errorf("launchertest: sending %s to the guest of %s: %w", path, vm.Name(), err)
	}
	vm.mu.Lock()
	number, text, err := vm.heard.Run(file, append([]string{filepath.Base(path)}, args...))
	vm.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("launchertest: %w", err)
	}
	defer func() {
		vm.mu.Lock()
		defer vm.mu.Unlock()
		vm.heard.ForgetRan(number)
	}()
	if err = vm.Port().Send(ctx, string(text)); err == nil {
		err = vm.until(ctx, func() bool { return vm.heard.Ran(number).Exit != nil })
	}
	vm.mu.Lock()
	ran := vm.heard.Ran(number)
	vm.mu.Unlock()
	output = slices.Clip(ran.Output)
	if err != nil {
		vm.kill(ctx, number)
		return output, fmt.Errorf("launchertest: %s runs in the guest of %s: %w", path, vm.Name(), err)
	}
	return output, outcome(path, output, *ran.Exit)
}

// kill has the guest kill a program that nobody waits for any more.
func (vm *LinuxVM) kill(ctx context.Context, number uint64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), killTimeout)
	defer cancel()
	vm.mu.Lock()
	text := vm.heard.Kill(number)
	vm.mu.Unlock()
	_ = vm.Port().Send(ctx, string(text)) // a guest that reads nothing ends with its VM
}

// outcome is the error that a program's end is.
func outcome(path string, output []byte, e wire.Exit) error {
	const shown = 400
	switch {
	case e.Problem == "" && e.Written != int64(len(output)):
		return fmt.Errorf("launchertest: %s wrote %d bytes, and %d have come from the guest: some were lost on the way", path, e.Written, len(output))
	case e.Status == 0 && e.Dropped == 0:
		return nil
	}
	return &ProgramError{
		Program: path, Status: e.Status, Signal: e.Signal, Dropped: e.Dropped, Problem: e.Problem,
		Tail: strings.TrimSpace(string(output[max(0, len(output)-shown):])),
	}
}

// upload sends a program to the guest, unless it has it.
func (vm *LinuxVM) upload(ctx context.Context, program []byte) (guest.File, error) {
	select {
	case vm.uploading <- struct{}{}:
		defer func() { <-vm.uploading }()
	case <-ctx.Done():
		return guest.File{}, ended.By(ctx)
	}
	sum := sha256.Sum256(program)
	if file, ok := vm.files[sum]; ok {
		return file, nil
	}
	vm.mu.Lock()
	file := vm.heard.NewFile(program)
	vm.mu.Unlock()
	for at := 0; at < len(program); at += wire.MaxPiece {
		vm.mu.Lock()
		text := vm.heard.Piece(file, int64(at), program[at:min(at+wire.MaxPiece, len(program))])
		vm.mu.Unlock()
		if err := vm.Port().Send(ctx, string(text)); err != nil {
			return guest.File{}, err
		}
	}
	vm.files[sum] = file
	return file, nil
}

// machines are what an ELF file names the targets.
func machines() map[string]elf.Machine {
	return map[string]elf.Machine{
		"x86_64": elf.EM_X86_64, "aarch64": elf.EM_AARCH64, "riscv64": elf.EM_RISCV, "s390x": elf.EM_S390, "ppc64": elf.EM_PPC64,
	}
}

// readProgram reads a program that a guest of the target can run.
func readProgram(path, arch string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file with a program in it, but %s", path, info.Mode())
	case info.Size() > guest.MaxProgram:
		return nil, fmt.Errorf("%s has %d MiB, and a guest takes a program of at most %d MiB: build it with -ldflags='-s -w'", path, info.Size()>>20, guest.MaxProgram>>20)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	file, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return nil, fmt.Errorf("%s is no program that a guest without a shell can run: %w", path, err)
	}
	if want := machines()[arch]; file.Machine != want {
		return nil, fmt.Errorf("%s is for %s, and the guest's programs are for %s: build it for the guest (GOARCH)", path, file.Machine, want)
	}
	if slices.ContainsFunc(file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return nil, fmt.Errorf("%s needs a dynamic linker, which the guest has not: build it static (CGO_ENABLED=0 go build, or cc -static)", path)
	}
	return program, nil
}
