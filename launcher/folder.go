package launcher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/internal/flock"
)

// A PrivateFolder is a place for sockets and other short-lived files of VMs: its
// path is short and plain (see NewPrivateFolder), nobody but this user may enter it,
// and it goes with Remove, or, where this process was killed, when the user's next one
// is made.
//
// They are all in one folder of the user's, among the temporary files, and
// each is locked by its owner as long as that lives.
type PrivateFolder struct {
	path string
	held *os.File // locked
}

// NewPrivateFolder makes a folder, and removes those whose owners have ended.
//
// A socket in it may have a name of NameRoom bytes, and its path has only letters,
// digits and characters that neither QEMU nor a shell reads as anything else. Where
// TMPDIR is too long for that, has other characters, or is a place where another user
// could put something else in the folder's place, the folder is in /tmp, /var/tmp,
// $XDG_RUNTIME_DIR or /dev/shm, whichever is the first that can hold it. A TMPDIR that is not
// there or can't be written is an error that names it.
func NewPrivateFolder() (*PrivateFolder, error) {
	temporary, err := temporaryFolder()
	if err != nil {
		return nil, fmt.Errorf("launcher: %w", err)
	}
	unfit := fits(temporary)
	safe := ours(temporary)
	if unfit == nil && safe == nil {
		return privateFolderIn(temporary)
	}
	for _, place := range otherPlaces() {
		if place == temporary || fits(place) != nil || ours(place) != nil {
			continue
		}
		if f, err := privateFolderIn(place); err == nil {
			return f, nil
		}
	}
	if unfit == nil { // a container may have no place but one that everybody may write
		return privateFolderIn(temporary)
	}
	return nil, fmt.Errorf("launcher: %w; no other place can be used either (%q)", aboutTMPDIR(temporary, unfit), otherPlaces())
}

func privateFolderIn(place string) (*PrivateFolder, error) {
	base, err := lockedBase(filepath.Join(place, baseName()))
	if err != nil {
		return nil, fmt.Errorf("launcher: %w", aboutTMPDIR(place, err))
	}
	defer base.Close() // and so unlock
	sweep(base)
	path, err := os.MkdirTemp(base.Name(), "")
	if err != nil {
		return nil, fmt.Errorf("launcher: %w", aboutTMPDIR(place, err))
	}
	held, err := flock.OpenFolder(path)
	if err == nil {
		var locked bool
		if locked, err = flock.Try(held); err == nil && !locked {
			err = &fs.PathError{Op: "lock", Path: path, Err: unix.EWOULDBLOCK}
		}
	}
	if err != nil {
		_ = held.Close() // nil has a Close that says so
		_ = os.Remove(path)
		return nil, fmt.Errorf("launcher: %w", aboutTMPDIR(place, err))
	}
	return &PrivateFolder{path, held}, nil
}

// Path returns the folder's absolute path.
func (f *PrivateFolder) Path() string { return f.path }

// Remove removes the folder with all that is in it, and the one around it where
// it was the last. It may be called again.
func (f *PrivateFolder) Remove() error {
	err := os.RemoveAll(f.path)
	_ = f.held.Close()
	removeBase(filepath.Dir(f.path))
	return err
}

// removeBase removes the folder that they are in, where it is empty and nobody
// is making one in it.
func removeBase(path string) {
	base, err := flock.OpenFolder(path)
	if err != nil {
		return
	}
	defer base.Close()
	if locked, err := flock.Try(base); err != nil || !locked {
		return // somebody is
	}
	// What was locked may have been removed by now, and the path lead to one that was made
	// since, which somebody else has locked.
	if stillThere(base) == nil {
		_ = os.Remove(path) // not while there are others
	}
}

// lockedBase opens the folder that they are in, and locks it: whoever makes one
// has locked it before another looks whether it is locked.
func lockedBase(path string) (*os.File, error) {
	// Whoever removes the last of the folders removes this one too, and may do so
	// between our making and our locking it.
	const tries = 100
	var err error
	for range tries {
		var base *os.File
		if base, err = openBase(path); err == nil {
			if err = flock.Lock(context.Background(), base, nil); err == nil {
				err = stillThere(base)
			}
			if err == nil {
				return base, nil
			}
			_ = base.Close()
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return nil, err
}

// stillThere returns nil where the path of an open folder leads to it.
func stillThere(f *os.File) error {
	open, err := f.Stat()
	if err != nil {
		return err
	}
	there, err := os.Lstat(f.Name())
	if err == nil && !os.SameFile(open, there) {
		err = fs.ErrNotExist
	}
	return err
}

func openBase(path string) (*os.File, error) {
	if err := os.Mkdir(path, 0o700); err != nil && !os.IsExist(err) {
		return nil, err
	}
	// Others may write where temporary files are: what is there may be theirs.
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() || !isOurs(info) || info.Mode().Perm()&0o077 != 0 {
		return nil, &fs.PathError{Op: "use", Path: path, Err: fmt.Errorf("it is not a folder of this user's alone (%v): remove it", info.Mode())}
	}
	return flock.OpenFolder(path)
}

func isOurs(info fs.FileInfo) bool {
	owner, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(owner.Uid) == os.Getuid()
}

// sweep removes the folders in an open folder that nobody holds. What can't be removed
// is left to the next. Nothing outside of it is touched, wherever its path leads by
// now.
func sweep(base *os.File) {
	root, err := os.OpenRoot(base.Name())
	if err != nil {
		return
	}
	defer root.Close()
	open, err := base.Stat()
	if err != nil {
		return
	}
	if there, err := root.Stat("."); err != nil || !os.SameFile(open, there) {
		return
	}
	entries, _ := fs.ReadDir(root.FS(), ".")
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		f, err := root.OpenFile(entry.Name(), unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
		if err != nil {
			continue
		}
		if locked, err := flock.Try(f); err == nil && locked {
			_ = root.RemoveAll(entry.Name())
		}
		_ = f.Close()
	}
}
