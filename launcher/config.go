package launcher

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/launcher/probe"
	"github.com/drover-vm/drover/protocol/qmp"
)

// Times where Config says nothing. A QEMU that works needs a hundredth of
// each, on a machine that has time for it.
const (
	// DefaultStartTimeout bounds the start of a QEMU, from exec to the answer
	// of both its sessions.
	DefaultStartTimeout = 20 * time.Second
	// DefaultQuitTimeout is how long Close waits after quit before SIGTERM.
	DefaultQuitTimeout = 3 * time.Second
	// DefaultTermTimeout is how long Close waits after SIGTERM before SIGKILL.
	DefaultTermTimeout = 2 * time.Second
)

// DefaultSandbox is QEMU's own system call filter as it is set where
// Config.Sandbox says nothing: obsolete calls and those that change the user
// are refused. Starting programs is not, for exec: migrations are programs.
const DefaultSandbox = "on,elevateprivileges=deny"

const defaultName = "vm"

// Config says which QEMU to start and with what. The zero value starts
// qemu-system-x86_64 from PATH, with QEMU's default machine and memory, under
// TCG, with no device beyond the machine's own and no display.
type Config struct {
	// Binary is the QEMU to run: a path, or a name looked up in PATH. Empty
	// means qemu-system-<Arch>. A script has to exec the QEMU that it starts:
	// what it leaves running as a child outlives a SIGKILL of this process.
	Binary string
	// Arch is the target, in QEMU's spelling. Empty means what the name of
	// Binary says, and x86_64 where it says nothing.
	Arch string
	// Name is the guest's name (-name), also the first word of errors and of
	// the files in Dir. Empty means "vm".
	Name string
	// Machine is the machine type with its options ("pc-i440fx-5.2", or
	// "q35,graphics=off", with which a PC's firmware writes to the console). Empty means
	// the one that the guest programs for the target are for (fixtures.MachineFor), else
	// QEMU's default.
	Machine string
	// Accel is the accelerator, with its properties as -accel takes them
	// ("kvm,dirty-ring-size=4096"). Empty means "tcg": a /dev/kvm that opens may
	// well be nested, and many times slower than TCG. AccelAuto ("auto") measures
	// which is better here, once; see ChooseAccel. That is not part of
	// StartTimeout.
	Accel string
	// MemoryMiB is the guest's memory. 0 means what Program needs, or QEMU's
	// default where there is none.
	MemoryMiB int
	// Program is a guest program to boot; nil boots nothing but the firmware.
	Program *fixtures.Program
	// Args are appended to the command line as they are; no shell reads them.
	// Values inside a comma-separated option need Escape, or Option.
	Args []string
	// Backends are programs behind devices that Args name: each starts before QEMU and ends
	// with it.
	Backends []Backend
	// Secrets become QEMU's secret objects, by their ids, for options that name
	// one (-blockdev with key-secret=ID, -object tls-creds-x509 with
	// passwordid=ID). They travel in memory, never in the command line, which
	// every user of the machine may read.
	Secrets map[string][]byte
	// Sandbox is the value of QEMU's -sandbox option. Empty means
	// DefaultSandbox, or none where the binary was built without or Args have
	// one; "off" means none. A helper that is set-uid (qemu-bridge-helper)
	// needs "off" or "on".
	Sandbox string
	// Serial is what the guest's first serial port, the console, is connected
	// to. Zero is SerialSocket.
	Serial Serial
	// Port is the id of a chardev whose other end is VM.Port: a device in Args may name it
	// (virtserialport,chardev=ID). Empty means none.
	Port string
	// Dir is an existing folder in which the console, the error output and the
	// transcripts of both sessions are kept as they come: NAME.console, the same
	// with its times as NAME.console.cast ("asciinema play" shows it), what came through
	// the Port as NAME.port, NAME.stderr, NAME.qmp and NAME.qtest, and what Backends write. Empty keeps none of them on disk. Of each the
	// first KeptBytes are kept, with a line where it was cut off.
	Dir string
	// KeptBytes is how many bytes of each of these files are kept; 0 means
	// DefaultKeptBytes. A QEMU that writes more goes on undisturbed. In memory there
	// are the last 16 KiB of its error output (VM.Stderr), the last 1 MiB of its console
	// (Console), and what Options of QMP and qtest say of their events.
	KeptBytes int64
	// Attach is the path of a socket on which QEMU listens for a second QMP
	// client, so that a person can look at a guest that is held. Empty means
	// none. QEMU takes at most 107 bytes. Whoever may enter the folder rules
	// the guest, so it should be private (0700). Close removes the socket.
	Attach string
	// CoreDumps lets a QEMU that crashes leave a core, as far as the hard limit
	// of this process goes (ulimit -Hc), where the kernel's core_pattern says.
	// Else it leaves none, whatever this process' own limit.
	CoreDumps bool
	// StartTimeout bounds the start; 0 means DefaultStartTimeout.
	StartTimeout time.Duration
	// QuitTimeout is how long Close waits after quit before it sends SIGTERM;
	// 0 means DefaultQuitTimeout.
	QuitTimeout time.Duration
	// TermTimeout is how long Close waits after SIGTERM before it sends
	// SIGKILL; 0 means DefaultTermTimeout.
	TermTimeout time.Duration
	// HangTimeout, where it isn't zero, has the VM watched: when its monitor
	// has not answered for so long, its state is collected (Diagnose) and it is
	// killed, and every wait ends with an *ExitError whose By is a *HangError.
	// A monitor that is busy, but there, is left alone. See VM.Watch.
	HangTimeout time.Duration
	// Successor is another QEMU that this one may execute in its place, as migration does in mode
	// cpr-exec: see VM.SuccessorCommand and VM.Succeed. It has the accelerator, memory and
	// whatever else it says itself, and can't have Backends. Nil means that there is none.
	Successor *Config
	// Reservation has the slots on this machine that the VM takes: see Reserve. It stays
	// the caller's, to be released after Close. Nil means that Launch takes a slot for one
	// VM and Close gives it back.
	Reservation *Reservation
	// Known is what has been asked of binaries before, for callers that start many VMs. Nil means
	// that Launch asks each time, which takes a twentieth of a second.
	Known *probe.Known
	// QMP is handed to the session; Trace and Explain, where set, are called
	// as well as the launcher's own.
	QMP qmp.Options

	choice Choice // of Accel
}

func (c Config) withDefaults() Config {
	if c.Arch == "" {
		c.Arch = "x86_64"
		if arch, ok := strings.CutPrefix(filepath.Base(c.Binary), "qemu-system-"); ok && arch != "" {
			c.Arch = arch
		}
	}
	if c.Binary == "" {
		c.Binary = "qemu-system-" + c.Arch
	}
	if c.Name == "" {
		c.Name = defaultName
	}
	if c.Machine == "" {
		c.Machine, _ = fixtures.MachineFor(c.Arch)
	}
	if c.Accel == "" {
		c.Accel = tcg
		c.choice = Choice{Accel: tcg, Why: "nothing else was asked for"}
	}
	if c.MemoryMiB == 0 && c.Program != nil {
		c.MemoryMiB = c.Program.MemoryMiB
	}
	if c.KeptBytes == 0 {
		c.KeptBytes = DefaultKeptBytes
	}
	setDefault(&c.StartTimeout, DefaultStartTimeout)
	setDefault(&c.QuitTimeout, DefaultQuitTimeout)
	setDefault(&c.TermTimeout, DefaultTermTimeout)
	return c
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// maxSocketPath is the length of sockaddr_un.sun_path without its final zero.
const maxSocketPath = 107

// check refuses what would go wrong later and say less.
func (c Config) check() error {
	switch {
	case c.Name == "." || c.Name == ".." || strings.ContainsAny(c.Name, "/\x00"):
		return fmt.Errorf("launcher: the name %q can't be that of a file: leave out slashes", c.Name)
	case len(c.Attach) > maxSocketPath:
		return fmt.Errorf("launcher: %s is too long for a socket's path (%d bytes, at most %d): choose a shorter folder", c.Attach, len(c.Attach), maxSocketPath)
	case slices.ContainsFunc(c.words(), func(w string) bool { return strings.ContainsRune(w, 0) }):
		return fmt.Errorf("launcher: %s can't be started with a zero byte in its command line: %q", c.Name, c.words())
	case c.KeptBytes < 0:
		return fmt.Errorf("launcher: %s can't keep %d bytes of each stream: KeptBytes must not be negative", c.Name, c.KeptBytes)
	case c.MemoryMiB < 0:
		return fmt.Errorf("launcher: %s can't have %d MiB of memory", c.Name, c.MemoryMiB)
	}
	for _, b := range c.Backends {
		if err := b.check(); err != nil {
			return err
		}
	}
	return CheckArgs(c.Args)
}

// words are what becomes part of the command line.
func (c Config) words() []string {
	words := append([]string{c.Name, c.Machine, c.Accel, c.Sandbox, c.Attach, c.Port}, c.Args...)
	for _, b := range c.Backends {
		words = append(append(words, b.Binary, b.Socket, b.Folder), b.Args...)
	}
	return words
}

// logFile opens the file in Dir that keeps one of the streams, or nothing
// where none is to be kept.
func (c Config) logFile(what string) (*os.File, error) {
	if c.Dir == "" {
		return nil, nil
	}
	return os.OpenFile(filepath.Join(c.Dir, c.Name+"."+what), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
}
