package launcher

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/internal/flock"
)

// An ArtifactFolder is where a run keeps what it finds until it is known whether a
// person is to see it. Exactly one of Keep and Remove ends that. Where the process is
// killed before, the folder goes when the next one is made in the same place.
//
// Until then it holds a file, named ".not-kept", that is locked by its process.
type ArtifactFolder struct {
	path string

	mu   sync.Mutex
	held *os.File // the locked file; nil once the folder is kept or removed, and where files can't be locked
}

// artifactPrefix begins the names of artifact folders: no other is swept.
const artifactPrefix = "drover-"

// notKept is the file in an artifact folder whose path nobody has.
const notKept = ".not-kept"

// NewArtifactFolder makes a folder in base, named drover-NAME-NUMBER, for this user
// only. An empty base is the system's folder for temporary files (TMPDIR); one that isn't there is made.
// Slashes in the name become dashes.
//
// It also removes from base the folders that this user's runs left there when they
// were killed, unless Keep had been called: it knows them by their names, their owner, and
// a file in them that nobody has locked. Folders of runs that go on, in this process or
// another, stay, and so does whatever else is in base.
//
// On a file system without locks, folders of killed runs stay.
func NewArtifactFolder(base, name string) (*ArtifactFolder, error) {
	f, err := newArtifactFolder(base, name)
	if err != nil && base == "" {
		err = aboutTMPDIR(os.TempDir(), err)
	}
	if err != nil {
		return nil, fmt.Errorf("launcher: a folder for artifacts: %w", err)
	}
	return f, nil
}

func newArtifactFolder(base, name string) (*ArtifactFolder, error) {
	if base == "" {
		base = os.TempDir()
	} else if err := os.MkdirAll(base, 0o700); err != nil {
		return nil, err
	}
	base, err := filepath.Abs(base)
	if err != nil {
		return nil, err
	}
	sweepArtifacts(base)
	path, err := os.MkdirTemp(base, artifactPrefix+strings.ReplaceAll(name, "/", "-")+"-")
	if err != nil {
		return nil, err
	}
	f := &ArtifactFolder{path: path}
	if err := f.hold(); err != nil {
		_ = os.RemoveAll(path)
		return nil, err
	}
	return f, nil
}

// hold marks the folder as not kept. The mark has its name only once it is locked:
// whoever finds it not locked finds one whose process has ended.
func (f *ArtifactFolder) hold() error {
	mark := filepath.Join(f.path, notKept)
	file, err := os.OpenFile(mark+".new", os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	_, _ = file.WriteString("The run of this folder goes on, or was killed. The next run removes it then.\n")
	if locked, err := flock.Try(file); err != nil || !locked {
		_ = file.Close()
		return os.Remove(mark + ".new")
	}
	f.held = file
	return os.Rename(mark+".new", mark)
}

// Path returns the folder's absolute path.
func (f *ArtifactFolder) Path() string { return f.path }

// Keep makes the folder stay: it has been, or is about to be, named to a person. Call
// it before the name is shown. It may be called again.
func (f *ArtifactFolder) Keep() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held == nil {
		return nil
	}
	err := os.Remove(filepath.Join(f.path, notKept))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	_ = f.held.Close()
	f.held = nil
	return err
}

// Remove removes the folder with all that is in it, also after Keep. It may be called
// again.
func (f *ArtifactFolder) Remove() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := os.RemoveAll(f.path)
	if f.held != nil {
		_ = f.held.Close()
		f.held = nil
	}
	return err
}

// sweepArtifacts removes what killed runs have left. What can't be removed is left to
// the next. Nothing outside of base is touched, whoever may write there.
func sweepArtifacts(base string) {
	root, err := os.OpenRoot(base)
	if err != nil {
		return
	}
	defer root.Close()
	entries, _ := fs.ReadDir(root.FS(), ".")
	for _, entry := range entries {
		if !entry.IsDir() || !strings.HasPrefix(entry.Name(), artifactPrefix) {
			continue
		}
		if info, err := entry.Info(); err != nil || !isOurs(info) {
			continue
		}
		if left := abandoned(root, entry.Name()); left != nil {
			_ = root.RemoveAll(entry.Name())
			_ = left.Close()
		}
	}
}

// abandoned returns the mark of a folder that isn't kept and whose process has ended,
// locked; nil for any other.
func abandoned(root *os.Root, folder string) *os.File {
	mark := filepath.Join(folder, notKept)
	if info, err := root.Lstat(mark); err != nil || !info.Mode().IsRegular() || !isOurs(info) {
		return nil
	}
	f, err := root.OpenFile(mark, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	locked, err := flock.Try(f)
	if _, missing := root.Lstat(mark); err != nil || !locked || missing != nil { // missing: it has been kept meanwhile
		_ = f.Close()
		return nil
	}
	return f
}
