package probe

import (
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
)

// Info is what a binary said of itself.
type Info struct {
	Path    string   `json:"path"`
	Version Version  `json:"version"`
	Objects []string `json:"objects"` // the types that -object takes, sorted
}

// HasObject reports whether -object takes a type, for instance "qtest" (6.0
// and later) or "monitor-qmp".
func (i Info) HasObject(name string) bool { return slices.Contains(i.Objects, name) }

// A Version is for reports. Ask an Info for what is there instead of
// comparing versions.
type Version struct {
	Major   int    `json:"major"`
	Minor   int    `json:"minor"`
	Micro   int    `json:"micro"`
	Package string `json:"package,omitempty"` // the distributor's own, as printed in parentheses
}

// String returns a version in the form 7.2.22.
func (v Version) String() string {
	return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Micro)
}

// A NotQEMUError says that a path names no QEMU that can be used, and why.
type NotQEMUError struct {
	Path   string
	Reason string
}

func (e *NotQEMUError) Error() string { return e.Path + " " + e.Reason }

// Binary asks the binary at path. It takes a tenth of a second with a QEMU,
// and at most a dozen seconds with a program that hangs; one that is no QEMU
// is a *NotQEMUError. It may be called from several goroutines at once.
func Binary(ctx context.Context, path string) (Info, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Info{}, err
	}
	info := Info{Path: path}
	version, err := identify(ctx, path)
	if err != nil {
		return Info{}, err
	}
	info.Version = version
	timed, cancel := context.WithTimeout(ctx, timeoutAfterIdentify)
	defer cancel()
	out, errs, err := run(timed, path, "-object", "help")
	if err != nil {
		return Info{}, fmt.Errorf("%s -object help: %w: %s", path, err, lastLine(errs))
	}
	info.Objects = objectNames(out)
	return info, nil
}

var versionLine = regexp.MustCompile(`^QEMU emulator version (\d+)\.(\d+)\.(\d+)(?: ?\((.*)\))?`)

// identify asks a binary for its version and so finds out whether it is a
// QEMU at all.
func identify(ctx context.Context, path string) (Version, error) {
	stat, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Version{}, errorf(path, "does not exist; name a qemu-system binary")
	case err != nil:
		return Version{}, errorf(path, "can't be looked at: %v", err)
	case stat.IsDir():
		return Version{}, errorf(path, "is a folder; name the qemu-system binary inside it")
	case !stat.Mode().IsRegular():
		return Version{}, errorf(path, "is not a regular file; name a qemu-system binary")
	case stat.Mode()&0o111 == 0:
		return Version{}, errorf(path, "is not executable; chmod +x it if it is a QEMU")
	}

	timed, cancel := context.WithTimeout(ctx, identifyTimeout)
	defer cancel()
	out, errs, err := run(timed, path, "-version")
	if match := versionLine.FindStringSubmatch(out); match != nil && err == nil {
		var v Version
		for i, part := range []*int{&v.Major, &v.Minor, &v.Micro} {
			if *part, err = strconv.Atoi(match[i+1]); err != nil {
				return Version{}, errorf(path, "is not a QEMU that drover knows: its version is %q", match[0])
			}
		}
		v.Package = match[4]
		return v, nil
	}
	if ctx.Err() != nil {
		return Version{}, fmt.Errorf("asking %s for its version: %w", path, context.Cause(ctx))
	}
	said := lastLine(errs)
	if said == "" {
		said = lastLine(out)
	}
	if said != "" {
		said = ": it said: " + said
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return Version{}, errorf(path, "is not a QEMU, or hangs: it did not answer -version within %v%s", identifyTimeout, said)
	case errors.Is(err, errTooMuch):
		return Version{}, errorf(path, "is not a QEMU: it printed without end when asked for its -version")
	case errors.Is(err, syscall.ENOEXEC):
		return Version{}, errorf(path, "is not a program that this machine can run")
	case errors.Is(err, fs.ErrPermission):
		return Version{}, errorf(path, "may not be run by this user: permission denied")
	case err != nil:
		return Version{}, errorf(path, "is not a QEMU that works: -version ended with %v%s", err, said)
	}
	return Version{}, errorf(path, "is not a QEMU: asked for its -version it did not print \"QEMU emulator version\"%s", said)
}

// objectNames reads the reply to -object help: a heading that ends in a
// colon, and a name in each indented line.
func objectNames(help string) []string {
	var names []string
	for line := range strings.Lines(help) {
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
