package fleet

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/drover-vm/drover/internal/flock"
	"github.com/drover-vm/drover/internal/owned"
)

// lock takes a suite's lock, which one process holds at a time, and calls
// waiting if another one has it. The kernel gives it back when the holder
// ends, however it ends. Unlock by closing.
func lock(ctx context.Context, folder, suite string, waiting func()) (*os.File, error) {
	if err := owned.MkdirAll(folder, 0o755); err != nil {
		return nil, unsafeFolder(folder, err)
	}
	file, err := flock.Open(filepath.Join(folder, suite+".lock"))
	if err != nil {
		return nil, unsafeFolder(folder, err)
	}
	if err := flock.Lock(ctx, file, waiting); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// An UnsafeFolderError says that another user can change the folder of the private
// copies, or what is in it: nothing of it is run, and nothing written there.
type UnsafeFolderError struct {
	Folder string
	Err    error // what can be changed, and by whom
}

func (e *UnsafeFolderError) Error() string {
	return "the private copies in " + e.Folder + " are not used: " + e.Err.Error() +
		"; set DROVER_CACHE to a folder that only you can change"
}

func (e *UnsafeFolderError) Unwrap() error { return e.Err }

// unsafeFolder makes an UnsafeFolderError of an error that is about the users that may change
// something, and returns any other as it is.
func unsafeFolder(folder string, err error) error {
	if _, unsafe := errors.AsType[*owned.Error](err); unsafe {
		return &UnsafeFolderError{folder, err}
	}
	return err
}
