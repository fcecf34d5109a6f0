package launcher

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// A Backend is a program behind one of QEMU's devices, which QEMU connects to by a UNIX socket
// that Config.Args name: swtpm for a TPM. It is started before its QEMU, each time that one is, and
// ends with it, however that ends, and with this process, as QEMU does.
type Backend struct {
	// Name is a word: in errors, and behind Config.Name that of the file in Config.Dir that
	// keeps what the program writes.
	Name string
	// Binary is the program: a path, or a name looked up in PATH.
	Binary string
	// Args are its arguments. What it is to listen on stands in them as {socket}: it inherits
	// the socket, so it gets "fd=3", and a person who repeats the command "path=" and Socket.
	Args []string
	// Socket is the path of the socket, which is there before the program: QEMU has not to wait
	// for it. It is removed in the end.
	Socket string
	// Folder is what the program keeps its files in. It is made anew, empty, before the program
	// starts, and is removed in the end; "" for none.
	Folder string
}

// socketWord stands for the socket in a backend's arguments.
const socketWord = "{socket}"

func (b Backend) check() error {
	switch {
	case b.Name == "" || strings.ContainsAny(b.Name, "/.\x00"):
		return fmt.Errorf("launcher: the backend's name %q can't be part of a file's: leave out slashes and dots", b.Name)
	case b.Socket == "" || len(b.Socket) > maxSocketPath:
		return fmt.Errorf("launcher: %q can't be the path of %s's socket: it has 1 to %d bytes", b.Socket, b.Name, maxSocketPath)
	}
	return nil
}

// args are the arguments, with what stands for the socket.
func (b Backend) args(socket string) []string {
	all := slices.Clone(b.Args)
	for i := range all {
		all[i] = strings.ReplaceAll(all[i], socketWord, socket)
	}
	return all
}

// shellCommand starts it in a shell, beside what comes after.
func (b Backend) shellCommand() string {
	command := ShellQuote(append([]string{b.Binary}, b.args("path="+Escape(b.Socket))...)...) + " &\n"
	if b.Folder != "" {
		command = ShellQuote("mkdir", "-p", b.Folder) + " && " + command
	}
	return command
}

// A backend is one that has been started.
type backend struct {
	Backend
	process *process
	output  *tail
}

// startBackends starts those of the configuration. What has been started is ended by endBackends,
// also where there is an error.
func (v *VM) startBackends() error {
	for _, b := range v.config.Backends {
		if err := v.startBackend(b); err != nil {
			return fmt.Errorf("launcher: %s, which %s needs for a device: %w", b.Name, v.config.Name, err)
		}
	}
	return nil
}

func (v *VM) startBackend(b Backend) error {
	binary, err := lookPath(b.Binary)
	if err != nil {
		return err
	}
	b.Binary = binary
	started := &backend{Backend: b, output: &tail{}}
	v.backends = append(v.backends, started)
	started.removeFiles()
	if b.Folder != "" {
		if err := os.Mkdir(b.Folder, 0o700); err != nil {
			return err
		}
	}
	log, err := v.config.logFile(b.Name)
	if err != nil {
		return err
	}
	if log != nil {
		v.closers = append(v.closers, func() { _ = log.Close() })
		started.output.copy = boundedText(log, v.config.KeptBytes)
	}
	listening, err := listenOn(b.Socket)
	if err != nil {
		return err
	}
	defer listening.Close() // or QEMU would wait for one that has ended
	cmd := exec.Command(b.Binary, b.args(fmt.Sprintf("fd=%d", firstInherited))...)
	cmd.Stdout, cmd.Stderr = started.output, started.output
	cmd.WaitDelay = exitGrace / 2
	cmd.ExtraFiles = []*os.File{listening}
	p, err := startProcess(cmd, v.config.CoreDumps)
	if err == nil {
		started.process = p
	}
	return err
}

// listenOn is a socket that listens at a path, for a child to inherit.
func listenOn(path string) (*os.File, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	defer l.Close() // File has its own copy
	return l.File()
}

func (b *backend) removeFiles() {
	_ = os.Remove(b.Socket)
	if b.Folder != "" {
		_ = os.RemoveAll(b.Folder)
	}
}

// endBackends ends those that have been started: most have ended with their QEMU.
func (v *VM) endBackends() {
	for _, b := range v.backends {
		if p := b.process; p != nil && !p.exited(0) {
			p.terminate()
			if !p.exited(v.config.TermTimeout) {
				p.kill()
			}
		}
		b.removeFiles()
	}
}

// withBackends adds to why QEMU did not start which of its backends have failed, or keep it waiting,
// and what they wrote.
func (v *VM) withBackends(err error) error {
	_, slow := errors.AsType[*SlowStartError](err)
	for _, b := range v.backends {
		switch {
		case b.process == nil:
			continue
		case b.process.exited(backendGrace) && !b.process.state().Success():
			err = fmt.Errorf("%w; %s, which it needs for a device, has ended: %v", err, b.Name, b.process.state())
		case slow:
			err = fmt.Errorf("%w; it may wait for %s, which it needs for a device", err, b.Name)
		default:
			continue
		}
		if output := lastLines(b.output.String(), 3); output != "" {
			err = fmt.Errorf("%w: %s", err, output)
		}
	}
	return err
}

// backendGrace is how long a backend may take to end after what QEMU said of it.
const backendGrace = 100 * time.Millisecond
