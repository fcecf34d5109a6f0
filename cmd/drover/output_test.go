package main

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// pipe returns both ends of a pipe that holds size bytes.
func pipe(t *testing.T, size int) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	_, err = unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, size) // and w blocks from now on
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	return r, w
}

func TestFirstErrorOfTheOutputEndsTheCommandAndStays(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	ctx, end := context.WithCancelCause(t.Context())
	p := newPrinter(ctx, end, full)
	require.NoError(t, p.output.lost())
	_, err = p.Write([]byte("text"))
	require.ErrorIs(t, err, syscall.ENOSPC)
	_, again := raw(p).Write([]byte("more"))
	require.Equal(t, err, again)
	require.ErrorIs(t, context.Cause(ctx), syscall.ENOSPC)
	require.EqualError(t, p.output.lost(), "the output can't be written: write /dev/full: no space left on device")
}

func TestClosedPipeIsNoLoss(t *testing.T) {
	r, w := pipe(t, 4096)
	require.NoError(t, r.Close())
	ctx, end := context.WithCancelCause(t.Context())
	p := newPrinter(ctx, end, w)
	_, err := p.Write([]byte("text"))
	require.ErrorIs(t, err, syscall.EPIPE)
	require.ErrorIs(t, context.Cause(ctx), syscall.EPIPE)
	require.NoError(t, p.output.lost())
}

func TestWriteThatNobodyReadsEndsSoonAfterTheContext(t *testing.T) {
	r, w := pipe(t, 4096)
	ctx, end := context.WithCancelCause(t.Context())
	p := newPrinter(ctx, end, w)
	written := make(chan error)
	go func() {
		_, err := p.Write(make([]byte, 8192))
		written <- err
	}()
	buf := make([]byte, 1)
	_, err := r.Read(buf) // it has begun
	require.NoError(t, err)
	select {
	case err := <-written:
		require.NoError(t, err, "it waits while the command lives")
	default:
	}
	end(errors.New("interrupted"))
	require.ErrorIs(t, <-written, errNobodyReads)
	_, err = p.Write([]byte("more"))
	require.ErrorIs(t, err, errNobodyReads, "at once")
	require.ErrorIs(t, p.output.lost(), errNobodyReads)
	require.NoError(t, r.Close()) // which ends the write that stayed behind
}

func TestOutputGoesOutAfterTheContextWhereSomebodyReads(t *testing.T) {
	r, w := pipe(t, 4096)
	ctx, end := context.WithCancelCause(t.Context())
	end(errors.New("interrupted"))
	p := newPrinter(ctx, end, w)
	_, err := p.Write([]byte("last words"))
	require.NoError(t, err)
	buf := make([]byte, 20)
	n, err := r.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "last words", string(buf[:n]))
}

func TestPrinterPrintsPlainText(t *testing.T) {
	r, w := pipe(t, 4096)
	p := newPrinter(t.Context(), func(error) {}, w)
	_, err := p.Write([]byte("a\x1b[2J\u009b\n"))
	require.NoError(t, err)
	_, err = raw(p).Write([]byte("\x1b[K"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	buf := make([]byte, 64)
	n, err := r.Read(buf)
	require.NoError(t, err)
	require.Equal(t, `a\x1b[2J\u009b`+"\n\x1b[K", string(buf[:n]))
	_, isTerminal := terminal(p)
	require.False(t, isTerminal)
}
