// Package flock holds files and folders for one process at a time, with flock(2):
// the kernel gives a lock back however its process ends.
//
// What is locked is opened without following a link, and only where no other
// user could have put it there.
package flock

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/internal/ended"
	"github.com/drover-vm/drover/internal/owned"
)

// Open opens a file that exists to be locked, and makes it where it isn't there,
// readable by this user only. The folder that it is in has to be there. A link, a
// pipe, a file or a folder that another user could change are errors
// (*owned.Error), and nothing of them has been touched.
func Open(path string) (*os.File, error) {
	return owned.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}

// OpenFolder opens a folder that is to be locked itself. The path's last name must
// not be a link; who else may change it is the caller's to check.
func OpenFolder(path string) (*os.File, error) {
	return os.OpenFile(path, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
}

// Try locks an open file or folder for this process, and says whether it did:
// false is that somebody else holds it. An error says that it can't be locked at
// all, as on a file system without locks. The lock ends with Unlock, when the
// file is closed, and with the process.
func Try(f *os.File) (bool, error) {
	err := do(f, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// The pauses between two attempts of Lock.
const (
	firstPause = time.Millisecond
	lastPause  = 50 * time.Millisecond
)

// Lock is Try, and waits while somebody else holds the file, until ctx ends.
// Where waiting isn't nil it is called once, before the first wait. The error of a
// context is its error and its cause.
func Lock(ctx context.Context, f *os.File, waiting func()) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		if locked, err := Try(f); locked || err != nil {
			return err
		}
		if waiting != nil {
			waiting()
			waiting = nil
		}
		if ctx.Done() == nil {
			return do(f, unix.LOCK_EX)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ended.By(ctx)
		}
	}
}

// Unlock gives a lock back before the file is closed.
func Unlock(f *os.File) { _ = do(f, unix.LOCK_UN) }

func do(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, unix.EINTR):
			return &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
		}
	}
}
