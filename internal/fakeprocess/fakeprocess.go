// Package fakeprocess lets a test start something that looks like a QEMU binary,
// and play the QEMU itself, in its own process, with package fakeqemu.
//
// The binary is the test's own, under another name. Started under that name it
// answers what a probe asks, and otherwise hands its arguments and inherited
// descriptors to the test, and lives until the test says how it ends.
package fakeprocess

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/protocol/fakeqemu"
)

const (
	name   = "qemu-system-x86_64"
	socket = "fake.sock" // beside the binary
)

// Main has to be the first thing that a TestMain calls: it does not return in
// a process that was started as the fake.
func Main() {
	if filepath.Base(os.Args[0]) == name {
		os.Exit(play(os.Args[1:]))
	}
}

// descriptor finds the numbers of inherited descriptors in a command line.
var descriptor = regexp.MustCompile(`(?:\bfd=|/dev/fd/)(\d+)`)

// play is the fake's side.
func play(args []string) int {
	switch strings.Join(args, " ") {
	case "-version":
		fmt.Println("QEMU emulator version 10.0.0")
		return 0
	case "-object help":
		fmt.Println("List of user creatable objects:\n  qtest")
		return 0
	}
	conn, err := net.Dial("unix", filepath.Join(filepath.Dir(os.Args[0]), socket))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fds := inherited(args)
	line, _ := json.Marshal(introduction{args, fds})
	if _, _, err := conn.(*net.UnixConn).WriteMsgUnix(append(line, '\n'), syscall.UnixRights(fds...), nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, fd := range fds {
		_ = syscall.Close(fd) // the test has them now, and says when they end
	}
	var order order
	if json.NewDecoder(conn).Decode(&order) != nil {
		return 1
	}
	if len(order.Exec) > 0 {
		fmt.Fprintln(os.Stderr, syscall.Exec(order.Exec[0], order.Exec, os.Environ()))
		return 1
	}
	return order.Status
}

// An order is what the test has a fake do in the end.
type order struct {
	Status int      // to exit with
	Exec   []string // or what to execute in its place
}

// An introduction is what a fake says to the test, with the descriptors beside it.
type introduction struct {
	Args []string
	FDs  []int
}

// inherited returns the descriptors that the launcher has handed down: those in
// the command line, and files in memory, which commands name later.
func inherited(args []string) []int {
	var fds []int
	for _, found := range descriptor.FindAllStringSubmatch(strings.Join(args, " "), -1) {
		fd, _ := strconv.Atoi(found[1])
		fds = append(fds, fd)
	}
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, link := range links {
		target, _ := os.Readlink(link)
		fd, _ := strconv.Atoi(filepath.Base(link))
		if strings.HasPrefix(target, "/memfd:") && !slices.Contains(fds, fd) {
			fds = append(fds, fd)
		}
	}
	return fds
}

// A Process is one start of the fake, as the test sees it.
type Process struct {
	*fakeqemu.QEMU
	Args    []string
	Console net.Conn // the guest's end of its serial port

	files map[int]*os.File // by the number that the fake had
	end   *net.UnixConn
	once  sync.Once
}

// Exit ends the process with a status, and its sessions with it.
func (p *Process) Exit(status byte) {
	p.once.Do(func() {
		_ = p.QEMU.Close()
		_ = p.Console.Close()
		for _, f := range p.files {
			_ = f.Close()
		}
		_ = json.NewEncoder(p.end).Encode(order{Status: int(status)})
		_ = p.end.Close()
	})
}

// Exec has the process execute another program in its place. As with a QEMU that does so, its
// sessions stay open, and nobody answers there.
func (p *Process) Exec(command []string) {
	_ = json.NewEncoder(p.end).Encode(order{Exec: command})
}

// Binary returns the path of a fake. Each process that is started from it is
// given to script, before anybody can talk to it. All have ended when the test has.
func Binary(t *testing.T, script func(p *Process)) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "drover-fake-") // t.TempDir is too long for a socket's path
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	binary := filepath.Join(dir, name)
	require.NoError(t, os.Symlink(self, binary))
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: filepath.Join(dir, socket)})
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.AcceptUnix()
			if err != nil {
				return
			}
			serving.Go(func() { serve(t, conn, script) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return binary
}

// serve plays one process until it ends.
func serve(t *testing.T, conn *net.UnixConn, script func(p *Process)) {
	line, rights := make([]byte, 64<<10), make([]byte, 1<<10)
	n, rn, _, _, err := conn.ReadMsgUnix(line, rights)
	if err != nil {
		t.Errorf("a fake sent nothing: %v", err)
		return
	}
	p := &Process{end: conn, files: map[int]*os.File{}}
	if err := p.receive(line[:n], rights[:rn]); err != nil {
		t.Errorf("a fake sent %q: %v", line[:n], err)
		return
	}
	memory := uint64(128)
	for i, arg := range p.Args {
		if arg == "-m" {
			memory, _ = strconv.ParseUint(p.Args[i+1], 10, 64)
		}
	}
	p.QEMU = fakeqemu.New(fakeqemu.Config{
		Memory: memory << 20, Incoming: strings.Contains(strings.Join(p.Args, " "), "-incoming defer"),
	})
	p.Handle("pmemsave", p.pmemsave)
	p.Console = p.conn("drover-serial")
	script(p)
	p.ServeQMP(p.conn("drover-qmp"))
	p.ServeQTest(p.conn("drover-qtest"))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = conn.Read(make([]byte, 1)) // the process was killed
	}()
	select {
	case <-p.Done(): // it was told to quit
	case <-ended:
	}
	p.Exit(0)
	<-ended
}

// receive takes the arguments and the descriptors that go with them.
func (p *Process) receive(line, rights []byte) error {
	var sent introduction
	if err := json.Unmarshal(line, &sent); err != nil {
		return err
	}
	p.Args = sent.Args
	messages, err := syscall.ParseSocketControlMessage(rights)
	if err != nil || len(messages) != 1 {
		return fmt.Errorf("%d control messages: %w", len(messages), err)
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil {
		return err
	}
	for i, number := range sent.FDs {
		syscall.CloseOnExec(fds[i])
		p.files[number] = os.NewFile(uintptr(fds[i]), strconv.Itoa(number))
	}
	return nil
}

// conn returns the connection that a chardev was given.
func (p *Process) conn(chardev string) net.Conn {
	for _, arg := range p.Args {
		if strings.HasPrefix(arg, "socket,id="+chardev+",fd=") {
			number, _ := strconv.Atoi(descriptor.FindStringSubmatch(arg)[1])
			file := p.files[number]
			conn, err := net.FileConn(file)
			_ = file.Close()
			if err == nil {
				return conn
			}
		}
	}
	panic("fakeprocess: no chardev " + chardev)
}

// pmemsave writes the fake's memory into the file that it was given.
func (p *Process) pmemsave(c fakeqemu.Command) (any, error) {
	var a struct {
		Val, Size uint64
		Filename  string
	}
	if err := json.Unmarshal(c.Arguments, &a); err != nil {
		return nil, err
	}
	memory := make([]byte, a.Size)
	p.ReadMemory(a.Val, memory)
	number, err := strconv.Atoi(strings.TrimPrefix(a.Filename, "/dev/fd/"))
	if err != nil {
		return nil, err
	}
	_, err = p.files[number].WriteAt(memory, 0)
	return struct{}{}, err
}
