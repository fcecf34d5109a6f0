package owned

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// OpenFile opens a regular file, or makes it where flag has os.O_CREATE, in a
// folder that only this user and root can change. What is there and is a link,
// a device or a pipe, or can be changed by somebody else, is not touched, and not
// waited for. The folder has to be there: see MkdirAll.
func OpenFile(path string, flag int, mode fs.FileMode) (*os.File, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := Check(filepath.Dir(path)); err != nil {
		return nil, err
	}
	truncate := flag & os.O_TRUNC // only once it is known what it is
	f, err := os.OpenFile(path, flag&^os.O_TRUNC|unix.O_NOFOLLOW|unix.O_NONBLOCK, mode)
	if errors.Is(err, unix.ELOOP) {
		return nil, &Error{path, "is a symbolic link"}
	}
	if err != nil {
		return nil, err
	}
	if err := checkOpen(f); err != nil {
		_ = f.Close()
		return nil, err
	}
	if truncate != 0 {
		if err := f.Truncate(0); err != nil {
			_ = f.Close()
			return nil, err
		}
	}
	return f, nil
}

func checkOpen(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return &Error{f.Name(), "is not a regular file"}
	}
	return checkOne(f.Name(), info, false)
}

// ReadFile reads a file as OpenFile opens it. One of more than limit bytes is an error.
func ReadFile(path string, limit int64) ([]byte, error) {
	f, err := OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}

// WriteFile makes or replaces a file in one step, readable by this user only.
// Its folder is made where it isn't there, as by MkdirAll with mode 0700.
func WriteFile(path string, data []byte) error {
	folder := filepath.Dir(path)
	if err := MkdirAll(folder, 0o700); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(folder, ".new-")
	if err != nil {
		return err
	}
	_, err = temporary.Write(data)
	if closeErr := temporary.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		_ = os.Remove(temporary.Name())
	}
	return err
}
