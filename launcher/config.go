package launcher

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/protocol/qmp"
)

// DefaultStartTimeout bounds the start of a QEMU, from exec to the answer of
// both its sessions, where Config.StartTimeout is zero.
const DefaultStartTimeout = 20 * time.Second

// Config says which QEMU to start and with what. The zero value starts
// qemu-system-x86_64 from PATH, with QEMU's default machine and memory, under
// TCG, with no device beyond the machine's own and no display.
type Config struct {
	// Binary is the QEMU to run: a path, or a name looked up in PATH. Empty
	// means qemu-system-<Arch>.
	Binary string
	// Arch is the target, in QEMU's spelling. Empty means what the name of
	// Binary says, and x86_64 where it says nothing.
	Arch string
	// Name is the guest's name (-name), also the first word of errors and of
	// the files in Dir. Empty means "vm".
	Name string
	// Machine is the machine type with its options ("pc-i440fx-5.2",
	// "q35,smm=off"). Empty means QEMU's default for the target.
	Machine string
	// Accel is the accelerator. Empty means "tcg": a /dev/kvm that opens may
	// well be nested, and many times slower than TCG.
	Accel string
	// MemoryMiB is the guest's memory. 0 means what Program needs, or QEMU's
	// default where there is none.
	MemoryMiB int
	// Program is a guest program to boot; nil boots nothing but the firmware.
	Program *fixtures.Program
	// Args are appended to the command line as they are; no shell reads them.
	Args []string
	// Serial is what the guest's first serial port, the console, is connected
	// to. Zero is SerialSocket.
	Serial Serial
	// Dir is an existing folder in which the console, the error output and the
	// transcripts of both sessions are kept as they come: NAME.console, the same
	// with its times as NAME.console.cast ("asciinema play" shows it), NAME.stderr,
	// NAME.qmp and NAME.qtest. Empty keeps none of them on disk.
	Dir string
	// Attach is the path of a socket on which QEMU listens for a second QMP
	// client, so that a person can look at a guest that is held. Empty means
	// none. QEMU takes at most 107 bytes.
	Attach string
	// StartTimeout bounds the start; 0 means DefaultStartTimeout.
	StartTimeout time.Duration
	// QMP is handed to the session; Trace and Explain, where set, are called
	// as well as the launcher's own.
	QMP qmp.Options
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
		c.Name = "vm"
	}
	if c.Accel == "" {
		c.Accel = "tcg"
	}
	if c.MemoryMiB == 0 && c.Program != nil {
		c.MemoryMiB = c.Program.MemoryMiB
	}
	if c.StartTimeout == 0 {
		c.StartTimeout = DefaultStartTimeout
	}
	return c
}

// logFile opens the file in Dir that keeps one of the streams, or nothing
// where none is to be kept.
func (c Config) logFile(what string) (*os.File, error) {
	if c.Dir == "" {
		return nil, nil
	}
	return os.OpenFile(filepath.Join(c.Dir, c.Name+"."+what), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
}
