package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/migration/stream"
)

// An inspectInput is a file that can be read in any place, or what can be read from
// front to back only. Reading it ends with a context.
type inspectInput struct {
	name    string
	options stream.Options
	close   func()

	file  io.ReaderAt // nil of a pipe
	size  int64       // of the file
	start int64       // where in it the standard input stands

	pipe *bufio.Reader
	past int64 // bytes of the pipe that have been passed over
}

// openInput opens a file, "-" for the standard input, which begins where that stands.
func openInput(ctx context.Context, name string, stdin *os.File, offset int64) (*inspectInput, error) {
	in := &inspectInput{name: name, options: stream.Options{Offset: offset}, close: func() {}}
	f := stdin
	if name != "-" {
		opened, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0) // a FIFO would wait for who writes
		if err != nil {
			return nil, err
		}
		in.close = func() { _ = opened.Close() }
		f = opened
	}
	if err := in.open(ctx, f); err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

func (in *inspectInput) open(ctx context.Context, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	mode := info.Mode()
	switch {
	case mode.IsDir():
		return fmt.Errorf("%s is a folder", in.name)
	case mode.IsRegular(), mode&os.ModeDevice != 0 && mode&os.ModeCharDevice == 0:
		in.options.Volume = !mode.IsRegular()
		in.file = contextFile{ctx, f}
		return in.measure(f)
	}
	in.pipe = bufio.NewReaderSize(contextPipe{ctx, f}, 64<<10)
	n, err := io.CopyN(io.Discard, in.pipe, in.options.Offset)
	if in.past = n; errors.Is(err, io.EOF) {
		err = nil // which reading the stream finds again
	}
	return err
}

// measure finds out how large a file or a volume is, and where the standard input is in
// it.
func (in *inspectInput) measure(f *os.File) error {
	var err error
	if in.start, err = f.Seek(0, io.SeekCurrent); err != nil {
		return err
	}
	if in.size, err = f.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	in.options.Offset += in.start
	_, err = f.Seek(in.start, io.SeekStart)
	return err
}

// head is what the input has where the stream should begin.
func (in *inspectInput) head() ([]byte, error) {
	b := make([]byte, stream.WrappingHead)
	var n int
	var err error
	if in.file != nil {
		n, err = in.file.ReadAt(b, in.options.Offset)
		b = b[:n]
	} else if b, err = in.pipe.Peek(len(streamBegin)); string(b) != streamBegin {
		b, err = in.pipe.Peek(stream.WrappingHead)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b, err
}

// streamBegin is what every stream begins with, also one that is shorter than a head.
const streamBegin = "QEVM"

func (in *inspectInput) read() (*stream.Stream, error) {
	if in.file != nil {
		return stream.ReadFile(in.file, in.size, in.options)
	}
	return stream.Read(io.MultiReader(io.LimitReader(zeroReader{}, in.past), in.pipe), in.options)
}

// A zeroReader stands for what has been passed over.
type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// A contextFile is a file that isn't read any more when its context has ended.
type contextFile struct {
	ctx  context.Context
	file *os.File
}

func (f contextFile) ReadAt(b []byte, at int64) (int, error) {
	if f.ctx.Err() != nil {
		return 0, context.Cause(f.ctx)
	}
	return f.file.ReadAt(b, at)
}

// Seek is for holes, which needn't be read.
func (f contextFile) Seek(offset int64, whence int) (int64, error) {
	return f.file.Seek(offset, whence)
}

// A contextPipe is a pipe, terminal or socket; reading it ends with its context, also
// where nothing comes. A FIFO waits so for who writes to it.
type contextPipe struct {
	ctx  context.Context
	file *os.File
}

// pollMillis is how often a context is looked at while nothing comes.
const pollMillis = 100

func (p contextPipe) Read(b []byte) (n int, err error) {
	conn, err := p.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	gone := conn.Control(func(fd uintptr) { n, err = p.read(int(fd), b) })
	return n, errors.Join(gone, err)
}

func (p contextPipe) read(fd int, b []byte) (int, error) {
	for {
		if p.ctx.Err() != nil {
			return 0, context.Cause(p.ctx)
		}
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, pollMillis)
		if n > 0 {
			n, err = unix.Read(fd, b)
		}
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
		case err != nil:
			return 0, &os.PathError{Op: "read", Path: p.file.Name(), Err: err}
		case n > 0:
			return n, nil
		case fds[0].Revents != 0:
			return 0, io.EOF
		}
	}
}
