package fleet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Side says for which end of a migration a binary is wanted.
type Side int

const (
	Either      Side = iota // no side: DROVER_QEMU only
	Source                  // DROVER_QEMU_SRC before DROVER_QEMU
	Destination             // DROVER_QEMU_DST before DROVER_QEMU
)

// variables returns the environment variables that may name a binary for a
// side, the strongest first.
func (s Side) variables() []string {
	suffixed := func(suffix string) []string {
		return []string{"DROVER_QEMU" + suffix, "DROVER_QEMU", "QTEST_QEMU_BINARY" + suffix, "QTEST_QEMU_BINARY"}
	}
	switch s {
	case Source:
		return suffixed("_SRC")
	case Destination:
		return suffixed("_DST")
	default:
		return []string{"DROVER_QEMU", "QTEST_QEMU_BINARY"}
	}
}

// A Binary is a QEMU, and what named it.
type Binary struct {
	Arch   string `json:"arch"`   // QEMU's name; "" where the binary's name doesn't say it
	Path   string `json:"path"`   // absolute
	Origin string `json:"origin"` // an environment variable's name, "PATH" or "fleet"
	Suite  string `json:"suite,omitempty"`
}

// A NotFoundError says that there is no QEMU for an architecture, where it
// was looked for, and what to do.
type NotFoundError struct {
	Arch     string
	Searched []string // in order, for instance "PATH"
	Remedy   string   // one clause, such as "install the package qemu-system-x86"
	Cause    error    // why a private copy could not be had, where that was tried
}

func (e *NotFoundError) Error() string {
	text := "no " + binaryName(e.Arch)
	if len(e.Searched) > 0 {
		text += " (looked in " + strings.Join(e.Searched, ", ") + ")"
	}
	if e.Cause != nil {
		text += fmt.Sprintf(", and a private copy can't be fetched: %v", e.Cause)
	}
	return text + "; " + e.Remedy
}

func (e *NotFoundError) Unwrap() error { return e.Cause }

// A NamedError says that what somebody named as a QEMU can't be one.
type NamedError struct {
	Variable string // what named it, for instance "DROVER_QEMU"
	Path     string // as it was named
	Reason   string
	Err      error // of the system, where it has one
}

func (e *NamedError) Error() string {
	return fmt.Sprintf("%s names %q, which %s", e.Variable, e.Path, e.Reason)
}

func (e *NamedError) Unwrap() error { return e.Err }

// Find returns the QEMU for an architecture: the one that the environment
// names, else the one in PATH, else the distribution's private copy if it was
// fetched before. It fetches nothing. A nil env is the process's own.
//
// DROVER_QEMU_SRC and _DST count for their side, before DROVER_QEMU; after
// these come the names of QEMU's own tests, QTEST_QEMU_BINARY_SRC, _DST and
// QTEST_QEMU_BINARY. A named binary called qemu-system-ARCH answers for its
// own architecture; for another one, its sibling in the same folder does, if
// there is one. A named binary with any other name is taken for what is asked.
//
// An error is a *NotFoundError, a *NamedError or an *UnknownArchError.
func Find(arch string, side Side, env func(string) string) (Binary, error) {
	return Fleet{Env: env}.Find(arch, side)
}

// Find is [Find] in this fleet's environment.
func (f Fleet) Find(arch string, side Side) (Binary, error) {
	arch, err := ParseArch(arch)
	if err != nil {
		return Binary{}, err
	}
	var searched []string
	for _, variable := range side.variables() {
		binary, err := f.named(arch, variable)
		if err != nil || binary.Path != "" {
			return binary, err
		}
		searched = append(searched, variable)
	}
	if path := f.inPath(binaryName(arch)); path != "" {
		return Binary{Arch: arch, Path: path, Origin: "PATH"}, nil
	}
	searched = append(searched, "PATH")

	own, err := f.Distribution()
	if err == nil {
		if _, err := f.Folder(); err != nil {
			return Binary{}, &NotFoundError{Arch: arch, Searched: searched, Remedy: err.Error()}
		}
		found := f.lookAt(own.Suite, arch)
		if binary, ok := found.binaries[arch]; ok {
			return binary, nil
		}
		searched = append(searched, "the private copies")
		if problem := errors.Join(found.problems...); problem != nil {
			return Binary{}, &NotFoundError{Arch: arch, Searched: searched, Remedy: strings.ReplaceAll(problem.Error(), "\n", "; ")}
		}
	}
	return Binary{}, &NotFoundError{Arch: arch, Searched: searched, Remedy: f.remedy(arch, err == nil)}
}

// named returns the binary that a variable names for an architecture; none,
// when the variable is unset or names another architecture's binary only.
func (f Fleet) named(arch, variable string) (Binary, error) {
	name := f.getenv(variable)
	if name == "" {
		return Binary{}, nil
	}
	path := name
	if !strings.ContainsRune(name, filepath.Separator) {
		// A bare name is a command, as it would be in a shell.
		if path = f.inPath(name); path == "" {
			return Binary{}, &NamedError{variable, name, "is not in PATH; give the path to it", fs.ErrNotExist}
		}
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return Binary{}, &NamedError{variable, name, "can't be made an absolute path: " + err.Error(), err}
	}
	if reason, err := unusable(path); reason != "" {
		return Binary{}, &NamedError{variable, name, reason, err}
	}
	switch archOf(filepath.Base(path)) {
	case arch, "":
		return Binary{Arch: arch, Path: path, Origin: variable}, nil
	}
	sibling := filepath.Join(filepath.Dir(path), binaryName(arch))
	if executable(sibling) {
		return Binary{Arch: arch, Path: sibling, Origin: variable}, nil
	}
	return Binary{}, nil
}

// unusable says what is wrong with a path as a program, going on after
// "which", with the system's error where there is one; "" says that it may be
// run.
func unusable(path string) (reason string, err error) {
	stat, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist", err
	case err != nil:
		return "can't be used: " + err.Error(), err
	case stat.IsDir():
		return "is a folder; name the qemu-system binary inside it", nil
	case !stat.Mode().IsRegular():
		return "is not a regular file", nil
	case stat.Mode()&0o111 == 0:
		return "is not executable; chmod +x it if it is a QEMU", nil
	}
	return "", nil
}

// executable reports whether a path names a file that may be run.
func executable(path string) bool {
	reason, _ := unusable(path)
	return reason == ""
}

// inPath looks a command up in the fleet's PATH. Entries that aren't absolute
// are passed over, as they mean another file in another folder.
func (f Fleet) inPath(name string) string {
	for _, folder := range f.pathFolders() {
		if path := filepath.Join(folder, name); executable(path) {
			return path
		}
	}
	return ""
}

func (f Fleet) pathFolders() []string {
	folders := filepath.SplitList(f.getenv("PATH"))
	return slices.DeleteFunc(folders, func(folder string) bool { return !filepath.IsAbs(folder) })
}
