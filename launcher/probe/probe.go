package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/drover-vm/drover/internal/ended"
	"github.com/drover-vm/drover/protocol/qmp"
)

// Info is what a binary answered about itself. [Binary] fills in the first three
// fields, [Inspect] all.
type Info struct {
	Path    string      `json:"path"` // absolute
	Version qmp.Version `json:"version"`
	Objects []string    `json:"objects"` // the types that -object takes, sorted

	Target       string          `json:"target,omitempty"`       // QEMU's name for the architecture, such as "x86_64"
	Machines     []Machine       `json:"machines,omitempty"`     // in the binary's own order
	Accelerators []string        `json:"accelerators,omitempty"` // built in, such as "tcg" and "kvm"; whether the host lets them work is another question
	Devices      []string        `json:"devices,omitempty"`      // the names that -device takes, sorted
	Capabilities map[string]bool `json:"capabilities,omitempty"` // of migration, with their values at start
	Features     Features        `json:"features"`

	// Doubts says why the fields from Target on may be incomplete; "" where
	// they are not.
	Doubts string `json:"doubts,omitempty"`
}

// Features are the answers to single questions.
type Features struct {
	QTest          bool `json:"qtest"`           // -object qtest, 6.0 and later: qtest over an inherited descriptor
	MonitorObject  bool `json:"monitor_object"`  // -object monitor-qmp, 11.1 and later
	QMPDescriptors bool `json:"qmp_descriptors"` // a monitor on an inherited descriptor
	OOB            bool `json:"oob"`             // commands out of band
	Channels       bool `json:"channels"`        // migrate takes a list of channels
	Postcopy       bool `json:"postcopy"`        // built with userfaultfd; whether the host has it, package host knows
	TLS            bool `json:"tls"`             // built with GnuTLS
	Zstd           bool `json:"zstd"`            // multifd-compression zstd
	IOUring        bool `json:"io_uring"`        // aio=io_uring for files
}

// HasObject reports whether -object takes a type, for instance "qtest".
func (i Info) HasObject(name string) bool { return slices.Contains(i.Objects, name) }

// HasDevice reports whether -device takes a name.
func (i Info) HasDevice(name string) bool {
	_, found := slices.BinarySearch(i.Devices, name)
	return found
}

// HasAccelerator reports whether an accelerator is built in.
func (i Info) HasAccelerator(name string) bool { return slices.Contains(i.Accelerators, name) }

// HasMachine reports whether -machine takes a name.
func (i Info) HasMachine(name string) bool {
	return slices.ContainsFunc(i.Machines, func(m Machine) bool { return m.Name == name })
}

// A NotQEMUError says that a path names no QEMU that can be used, and why.
type NotQEMUError struct {
	Path   string
	Reason string
}

func (e *NotQEMUError) Error() string { return e.Path + " " + e.Reason }

// A NotStartedError says that this host did not let a program start, which says nothing of
// the program: it is out of processes, memory or open files.
type NotStartedError struct {
	Path  string
	Cause error // the system's: matches syscall.EAGAIN, ENOMEM, EMFILE or ENFILE
}

func (e *NotStartedError) Error() string {
	return fmt.Sprintf("%s could not be started: %v: this host, or a limit of this user's (ulimit -u, -n, -v), has no room for another process; end some, or raise it", e.Path, e.Cause)
}

// Unwrap returns Cause.
func (e *NotStartedError) Unwrap() error { return e.Cause }

// NotStarted is why the program at path was not started: a [*NotStartedError] where the host has
// no room for it or for what it talks through, else err itself.
func NotStarted(path string, err error) error {
	if lacking(err) {
		return &NotStartedError{Path: path, Cause: err}
	}
	return err
}

// lacking says whether it is the host that has no room for what was to be started.
func lacking(err error) bool {
	return slices.ContainsFunc([]syscall.Errno{syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE}, func(e syscall.Errno) bool { return errors.Is(err, e) })
}

// Binary asks the binary at path the first questions only: what it is, and
// which objects it has. It takes a tenth of a second with a QEMU, and at most a dozen
// seconds with a program that hangs; one that is no QEMU is a *NotQEMUError, and where the host has no room for it, a
// *NotStartedError. A script
// that starts a QEMU may take its time: 10 seconds to print the version (also behind
// lines of its own), 20 for the objects. The answers are kept as those of [Inspect]
// are. It may be called from several goroutines at once: [Known] makes them share one
// question.
func Binary(ctx context.Context, path string) (Info, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Info{}, err
	}
	kept := cacheOf(path, "first")
	info, whole, err := kept.first(ctx)
	if err != nil || whole {
		return info, err
	}
	info.Objects, err = objects(ctx, path)
	if err != nil {
		return Info{}, err
	}
	kept.write(info)
	return info, nil
}

// ask runs a binary that is known to be a QEMU with a help option.
func ask(ctx context.Context, path string, option string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeoutAfterIdentify)
	defer cancel()
	out, errs, err := run(ctx, path, option, "help")
	if err != nil {
		return "", fmt.Errorf("%s %s help: %w: %s", path, option, err, lastLine(errs))
	}
	return out, nil
}

func objects(ctx context.Context, path string) ([]string, error) {
	help, err := ask(ctx, path, "-object")
	return objectNames(help), err
}

var versionLine = regexp.MustCompile(`^QEMU emulator version (\d+)\.(\d+)\.(\d+)(?: ?\((.*)\))?`)

// versionWithin is among how many lines of a binary's output its version is looked
// for: a script that starts a QEMU may print some of its own first.
const versionWithin = 20

// findVersion returns the parts of the version in what -version printed; nil where
// there is none.
func findVersion(output string) []string {
	lines := 0
	for line := range strings.Lines(output) {
		if match := versionLine.FindStringSubmatch(strings.TrimRight(line, "\r\n")); match != nil {
			return match
		}
		if lines++; lines == versionWithin {
			break
		}
	}
	return nil
}

// identify asks a binary for its version and so finds out whether it is a
// QEMU at all.
func identify(ctx context.Context, path string) (qmp.Version, error) {
	stat, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return qmp.Version{}, errorf(path, "does not exist; name a qemu-system binary")
	case err != nil:
		return qmp.Version{}, errorf(path, "can't be looked at: %v", err)
	case stat.IsDir():
		return qmp.Version{}, errorf(path, "is a folder; name the qemu-system binary inside it")
	case !stat.Mode().IsRegular():
		return qmp.Version{}, errorf(path, "is not a regular file; name a qemu-system binary")
	case stat.Mode()&0o111 == 0:
		return qmp.Version{}, errorf(path, "is not executable; chmod +x it if it is a QEMU")
	}

	timed, cancel := context.WithTimeout(ctx, identifyTimeout)
	defer cancel()
	out, errs, err := run(timed, path, "-version")
	if match := findVersion(out); match != nil && err == nil {
		var v qmp.Version
		for i, part := range []*int{&v.Major, &v.Minor, &v.Micro} {
			if *part, err = strconv.Atoi(match[i+1]); err != nil {
				return qmp.Version{}, errorf(path, "is not a QEMU that drover knows: its version is %q", match[0])
			}
		}
		v.Package = match[4]
		return v, nil
	}
	if ctx.Err() != nil {
		return qmp.Version{}, fmt.Errorf("asking %s for its version: %w", path, ended.By(ctx))
	}
	output := lastLine(errs) // why it failed
	if err == nil || output == "" {
		output = cmp.Or(firstLine(out), output) // what it is instead
	}
	if output != "" {
		output = ": its output: " + output
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return qmp.Version{}, errorf(path, "is not a QEMU, hangs, or is slow to start: it did not answer -version within %v%s", identifyTimeout, output)
	case errors.Is(err, errTooMuch):
		return qmp.Version{}, errorf(path, "is not a QEMU: it printed without end when asked for its -version")
	case errors.Is(err, syscall.ENOEXEC):
		return qmp.Version{}, errorf(path, "is not a program that this machine can run")
	case lacking(err):
		return qmp.Version{}, NotStarted(path, err)
	case errors.Is(err, fs.ErrPermission):
		return qmp.Version{}, errorf(path, "may not be run by this user: permission denied")
	case err != nil:
		return qmp.Version{}, errorf(path, "is not a QEMU that works: -version ended with %v%s", err, output)
	}
	return qmp.Version{}, errorf(path, "is not a QEMU: asked for its -version it did not print \"QEMU emulator version\"%s", output)
}

// objectNames reads the reply to -object help: a heading that ends in a
// colon, and a name in each indented line.
func objectNames(help string) []string {
	var names []string
	for line := range strings.Lines(behind(help, "List of user creatable objects")) {
		if name := strings.TrimSpace(line); name != line && strings.HasPrefix(line, " ") && name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// timeoutAfterIdentify bounds everything that is asked of a binary once it
// is known to be a QEMU.
const timeoutAfterIdentify = 20 * time.Second
