package flock_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/drover-vm/drover/internal/flock"
	"github.com/drover-vm/drover/internal/owned"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := flock.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func try(t *testing.T, f *os.File) bool {
	t.Helper()
	locked, err := flock.Try(f)
	require.NoError(t, err)
	return locked
}

func TestOneHoldsALockAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, second := open(t, path), open(t, path)
	require.True(t, try(t, first))
	require.True(t, try(t, first), "it is the same holder")
	require.False(t, try(t, second))
	flock.Unlock(first)
	require.True(t, try(t, second))
	require.NoError(t, second.Close())
	require.True(t, try(t, first), "closing gives it back")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}

func TestALockIsWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var holders, locked atomic.Int64
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			f, err := flock.Open(path)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			ctx := context.Background()
			if i%2 == 0 {
				ctx = t.Context()
			}
			for range 50 {
				if err := flock.Lock(ctx, f, nil); err != nil {
					t.Error(err)
					return
				}
				if n := holders.Add(1); n != 1 {
					t.Errorf("%d hold it at once", n)
				}
				locked.Add(1)
				holders.Add(-1)
				flock.Unlock(f)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 8*50, locked.Load())
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	require.True(t, try(t, open(t, path)))
	enough := errors.New("enough")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, enough)
	defer cancel()
	told := 0
	err := flock.Lock(ctx, open(t, path), func() { told++ })
	require.ErrorIs(t, err, enough)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, 1, told)
}

func TestALinkIsNotOpened(t *testing.T) {
	dir := t.TempDir()
	for _, target := range []string{"precious", "none"} {
		link := filepath.Join(dir, "to-"+target)
		require.NoError(t, os.Symlink(filepath.Join(dir, target), link))
		_, err := flock.Open(link)
		require.ErrorAs(t, err, new(*owned.Error))
		require.NoFileExists(t, filepath.Join(dir, "none"))
		_, err = flock.OpenFolder(link)
		require.Error(t, err)
	}
}

func TestAFolderCanBeLocked(t *testing.T) {
	dir := t.TempDir()
	first, err := flock.OpenFolder(dir)
	require.NoError(t, err)
	defer first.Close()
	second, err := flock.OpenFolder(dir)
	require.NoError(t, err)
	defer second.Close()
	require.True(t, try(t, first))
	require.False(t, try(t, second))
}

func TestWhatCanNotBeLockedIsAnError(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "lock"))
	require.NoError(t, f.Close())
	_, err := flock.Try(f)
	require.Error(t, err)
	require.Error(t, flock.Lock(t.Context(), f, nil))
}
