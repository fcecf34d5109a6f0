package fleet

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Ensure returns a QEMU for each architecture (none is x86_64): what [Find]
// finds, else the distribution's, of which a private copy is fetched. Where
// that can't be done, the error is a *NotFoundError that says what to install
// and, as its Cause, why it can't be fetched.
func (f Fleet) Ensure(ctx context.Context, arches ...string) ([]Binary, error) {
	if len(arches) == 0 {
		arches = []string{"x86_64"}
	}
	var missing []string
	var first *NotFoundError
	for _, arch := range arches {
		_, err := f.Find(arch, Either)
		if notFound, ok := errors.AsType[*NotFoundError](err); ok {
			missing = append(missing, notFound.Arch)
			if first == nil {
				first = notFound
			}
		} else if err != nil {
			return nil, err
		}
	}
	if first != nil {
		own, err := f.Distribution()
		if err == nil {
			_, err = f.Fetch(ctx, own, missing...)
		}
		if ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			first.Cause, first.Remedy = err, f.remedy(first.Arch, false)
			return nil, first
		}
	}
	var found []Binary
	for _, arch := range arches {
		binary, err := f.Find(arch, Either)
		if err != nil {
			return nil, err
		}
		found = append(found, binary)
	}
	return found, nil
}

// All returns every QEMU that is known here: those that the environment
// names, those in PATH and all private copies; each file once. What can't be
// run is passed over.
func (f Fleet) All() []Binary {
	var all []Binary
	seen := make(map[string]bool)
	add := func(b Binary) {
		place := b.Path // /bin is often another name of /usr/bin, and both are in PATH
		if folder, err := filepath.EvalSymlinks(filepath.Dir(b.Path)); err == nil {
			place = filepath.Join(folder, filepath.Base(b.Path))
		}
		if !seen[place] && executable(b.Path) {
			seen[place] = true
			all = append(all, b)
		}
	}
	for _, variable := range slices.Concat(Source.variables(), Destination.variables()) {
		name := f.getenv(variable)
		if name == "" {
			continue
		}
		path, err := filepath.Abs(name)
		if !strings.ContainsRune(name, filepath.Separator) {
			path = f.inPath(name)
		}
		if err == nil && path != "" {
			add(Binary{Arch: archOf(filepath.Base(path)), Path: path, Origin: variable})
		}
	}
	for _, folder := range f.pathFolders() {
		for _, t := range targets() {
			add(Binary{Arch: t.arch, Path: filepath.Join(folder, binaryName(t.arch)), Origin: "PATH"})
		}
	}
	for _, c := range f.Copies() {
		for _, binary := range c.Binaries {
			add(binary)
		}
	}
	return all
}

// A Copy is what is fetched of one release.
type Copy struct {
	Suite    string   `json:"suite"`
	Folder   string   `json:"folder"`
	Binaries []Binary `json:"binaries"`
}

// Copies returns the private copies that can be run, a suite each, the fleet's
// releases in their order first. [Fleet.Problems] has the others.
func (f Fleet) Copies() []Copy {
	folder, err := f.Folder()
	if err != nil {
		return nil
	}
	var copies []Copy
	for _, suite := range f.suites() {
		c := Copy{Suite: suite, Folder: filepath.Join(folder, suite)}
		found := f.lookAt(suite)
		for _, t := range targets() {
			if binary, ok := found.binaries[t.arch]; ok {
				c.Binaries = append(c.Binaries, binary)
			}
		}
		if len(c.Binaries) > 0 {
			copies = append(copies, c)
		}
	}
	return copies
}

// suites are those of the fleet's releases, and what else has a folder.
func (f Fleet) suites() []string {
	folder, err := f.Folder()
	if err != nil {
		return nil
	}
	var suites []string
	for _, r := range Releases() {
		suites = append(suites, r.Suite)
	}
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries {
		if entry.IsDir() && !slices.Contains(suites, entry.Name()) {
			suites = append(suites, entry.Name())
		}
	}
	return suites
}

// Remove deletes what was fetched of a release, given its suite or its
// QEMU's version, half-finished downloads included. It waits for a fetch of
// it that goes on. Removing what isn't there is an error that matches
// fs.ErrNotExist.
func (f Fleet) Remove(ctx context.Context, name string) error {
	folder, err := f.Folder()
	if err != nil {
		return err
	}
	suite := name
	if r, err := f.Release(name); err == nil {
		suite = r.Suite
	} else if suite == "" || strings.ContainsAny(suite, "/\x00") || strings.HasPrefix(suite, ".") {
		return err
	}
	place := filepath.Join(folder, suite)
	if _, err := os.Stat(place); err != nil {
		return &RemoveError{Name: name, Err: err}
	}
	held, err := lock(ctx, folder, suite, func() {})
	if err != nil {
		return &RemoveError{Name: name, Err: err}
	}
	defer held.Close()
	if err := os.RemoveAll(place); err != nil {
		return &RemoveError{Name: name, Err: err}
	}
	return nil
}

// A RemoveError says which release could not be removed and why.
type RemoveError struct {
	Name string
	Err  error
}

func (e *RemoveError) Error() string {
	if errors.Is(e.Err, os.ErrNotExist) {
		return "nothing is fetched of " + e.Name + "; drover fleet list says what is"
	}
	return "removing " + e.Name + ": " + e.Err.Error()
}

func (e *RemoveError) Unwrap() error { return e.Err }
