package launcher

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// A PrivateFolder is a place for sockets and other short-lived files of VMs: its
// path is short, nobody but this user may enter it, and it goes with Remove, or,
// where this process was killed, when the user's next one is made.
//
// They all stand in one folder of the user's, among the temporary files, and
// each is locked by its owner as long as that lives.
type PrivateFolder struct {
	path string
	held *os.File // locked
}

// NewPrivateFolder makes a folder, and removes those whose owners are gone.
func NewPrivateFolder() (*PrivateFolder, error) {
	base, err := lockedBase()
	if err != nil {
		return nil, fmt.Errorf("launcher: %w", err)
	}
	defer base.Close() // and so unlock
	sweep(base.Name())
	path, err := os.MkdirTemp(base.Name(), "")
	if err != nil {
		return nil, fmt.Errorf("launcher: %w", err)
	}
	held, err := lockFolder(path, unix.LOCK_NB)
	if err != nil {
		_ = os.Remove(path)
		return nil, fmt.Errorf("launcher: %w", err)
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

// removeBase removes the folder that they stand in, where it is empty and nobody
// is making one in it.
func removeBase(path string) {
	base, err := lockFolder(path, unix.LOCK_NB)
	if err != nil {
		return // somebody is
	}
	defer base.Close()
	// What was locked may have gone by now, and the path lead to one that was made
	// since, which somebody else has locked.
	if stillThere(base) == nil {
		_ = os.Remove(path) // not while there are others
	}
}

// lockedBase opens the folder that they stand in, and locks it: who makes one has
// locked it before another looks whether it is locked.
func lockedBase() (*os.File, error) {
	// Who removes the last of the folders removes this one too, and may do so
	// between our making and our locking it.
	const tries = 100
	var err error
	for range tries {
		var base *os.File
		if base, err = openBase(); err == nil {
			if err = stillThere(base); err == nil {
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

func openBase() (*os.File, error) {
	path, err := filepath.Abs(filepath.Join(os.TempDir(), fmt.Sprintf("drover-%d", os.Getuid())))
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !os.IsExist(err) {
		return nil, err
	}
	// Others may write where temporary files are: what stands there may be theirs.
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || int(owner.Uid) != os.Getuid() || info.Mode().Perm()&0o077 != 0 {
		return nil, &fs.PathError{Op: "use", Path: path, Err: fmt.Errorf("it is not a folder of this user's alone (%v): remove it, or set TMPDIR to another place", info.Mode())}
	}
	return lockFolder(path, 0)
}

// lockFolder opens a folder with a lock that ends when it is closed. Without
// LOCK_NB in how it waits for it.
func lockFolder(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|how)
		if err == nil {
			return f, nil
		}
		if err != unix.EINTR {
			_ = f.Close()
			return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
		}
	}
}

// sweep removes the folders that nobody holds. What can't be removed is left to
// the next.
func sweep(base string) {
	entries, _ := os.ReadDir(base)
	for _, entry := range entries {
		path := filepath.Join(base, entry.Name())
		if f, err := lockFolder(path, unix.LOCK_NB); err == nil {
			_ = os.RemoveAll(path)
			_ = f.Close()
		}
	}
}
