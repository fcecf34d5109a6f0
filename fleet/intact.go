package fleet

import (
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/drover-vm/drover/internal/owned"
)

// A DamagedError says that a private copy is there and can't be run: something of
// it is missing or cut off. Fetching it makes it anew.
type DamagedError struct {
	Suite  string
	Arch   string // to be named to fetch it; empty where it is fetched without
	Folder string // of the copy
	Reason string
}

func (e *DamagedError) Error() string {
	command := "drover fleet fetch " + e.Suite
	if e.Arch != "" {
		command += " --arch " + e.Arch
	}
	return fmt.Sprintf("the private copy %s is damaged: %s; %s makes it anew", e.Folder, e.Reason, command)
}

// Problems returns what keeps private copies from being used: a *DamagedError for
// each that is damaged, an *UnsafeFolderError where another user can change one.
func (f Fleet) Problems() []error {
	var all []error
	for _, suite := range f.suites() {
		all = append(all, f.lookAt(suite).problems...)
	}
	return all
}

// there is what a look at the private copies of a suite finds.
type there struct {
	binaries map[string]Binary // by architecture: those that can be run
	problems []error           // with the others
}

// Fetched returns a suite's private copy for an architecture, as [ParseArch] writes it, where
// that is here and can be run.
func (f Fleet) Fetched(suite, arch string) (Binary, bool) {
	binary, ok := f.lookAt(suite, arch).binaries[arch]
	return binary, ok
}

// lookAt finds out what there is of a suite, and whether it is whole, and safe to
// be run. A copy has a thousand files or more, so it passes over those that have a binary for none
// of the architectures that are named.
func (f Fleet) lookAt(suite string, arches ...string) there {
	found := there{binaries: map[string]Binary{}}
	fleet, err := f.Folder()
	if err != nil {
		return found
	}
	folder := filepath.Join(fleet, suite)
	stamps := readStamps(folder)
	if len(stamps) == 0 {
		return found
	}
	if err := owned.Check(folder); err != nil {
		found.problems = append(found.problems, unsafeFolder(folder, err))
		return found
	}
	for _, s := range stamps {
		if len(arches) > 0 && !slices.ContainsFunc(s.Arches, func(arch string) bool { return slices.Contains(arches, arch) }) {
			continue
		}
		place := filepath.Join(folder, s.Package)
		problem := s.check(folder)
		for _, arch := range s.Arches {
			if problem != nil {
				break
			}
			script := filepath.Join(folder, "bin", binaryName(arch))
			if problem = checkScript(script, place); problem == nil {
				found.binaries[arch] = Binary{Arch: arch, Path: script, Origin: "fleet", Suite: suite}
			}
		}
		if _, unsafe := errors.AsType[*owned.Error](problem); unsafe {
			found.problems = append(found.problems, unsafeFolder(place, problem))
		} else if problem != nil {
			found.problems = append(found.problems, &DamagedError{suite, s.archToFetch(suite), place, problem.Error()})
		}
	}
	return found
}

// archToFetch is the architecture that has to be named for a copy to be fetched; empty where the
// command's own default will do.
func (s stamp) archToFetch(suite string) string {
	switch {
	case suite == KernelsName || suite == FullKernelsName:
		return s.Package
	case len(s.Arches) == 0 || slices.Contains(s.Arches, "x86_64"):
		return ""
	}
	return s.Arches[0]
}

// check says what is wrong with a copy in a suite's folder, which only we can change.
// The error is an *owned.Error where another user can change something of it.
func (s stamp) check(folder string) error {
	place := filepath.Join(folder, s.Package)
	checked := make(map[string]bool) // folders
	look := func(file string) (fs.FileInfo, error) {
		for above := path.Dir(file); !checked[above]; above = path.Dir(above) {
			checked[above] = true
			if err := checkOne(place, above); err != nil {
				return nil, err
			}
		}
		if err := checkOne(place, file); err != nil {
			return nil, err
		}
		return os.Stat(filepath.Join(place, file))
	}
	for _, file := range slices.Sorted(maps.Keys(s.Sizes)) {
		info, err := look(file)
		switch {
		case err != nil:
			return err
		case info.Size() != s.Sizes[file]:
			return fmt.Errorf("%s has %d bytes, not %d", file, info.Size(), s.Sizes[file])
		}
	}
	program := func(file string) error {
		if file == "" {
			return nil
		}
		if _, err := look(file); err != nil {
			return err
		}
		return cutOff(place, file)
	}
	for _, arch := range s.Arches {
		named := path.Join("usr/bin", binaryName(arch))
		if err := program(named); err != nil {
			return err
		}
		l, err := layoutOf(place, named)
		if err == nil {
			err = cmp.Or(program(l.binary), program(l.loader))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkOne looks at one file or folder of a copy: is it there, and nobody else's?
func checkOne(place, name string) error {
	file := filepath.Join(place, name)
	info, err := os.Lstat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is missing", name)
	}
	if err != nil {
		return err
	}
	return owned.CheckInfo(file, info)
}

// cutOff returns an error where an ELF file in a copy is shorter than its own headers
// say, or any file is empty.
func cutOff(place, name string) error {
	file := filepath.Join(place, name)
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return fmt.Errorf("%s is empty", name)
	}
	if isELF, err := startsAsELF(file); !isELF {
		return err // nil for a script
	}
	program, err := elf.Open(file)
	if err != nil {
		return fmt.Errorf("%s is cut off after %d bytes: %w", name, info.Size(), err)
	}
	defer program.Close()
	for _, p := range program.Progs {
		if end := p.Off + p.Filesz; p.Filesz > 0 && (end < p.Off || end > uint64(info.Size())) {
			return fmt.Errorf("%s is cut off after %d bytes, of at least %d", name, info.Size(), end)
		}
	}
	return nil
}

// checkScript returns an error where a script that starts a copy isn't the one that
// was written for the copy at that place.
func checkScript(script, place string) error {
	err := owned.Check(script)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is missing", script)
	}
	if err != nil {
		return err
	}
	if reason, _ := unusable(script); reason != "" {
		return fmt.Errorf("%s %s", script, reason)
	}
	text, err := os.ReadFile(script)
	if err != nil {
		return err
	}
	switch {
	case !strings.HasPrefix(string(text), scriptHead) || !strings.HasSuffix(string(text), scriptTail):
		return fmt.Errorf("%s is not the script that drover wrote", script)
	case !strings.Contains(string(text), strings.TrimSuffix(quote(place+"/"), "'")):
		return fmt.Errorf("%s starts a copy in another folder", script)
	}
	return nil
}
