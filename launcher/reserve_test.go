package launcher_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher"
)

// withSlots gives the test a machine of its own.
func withSlots(t *testing.T, slots int) {
	t.Helper()
	t.Setenv("DROVER_CACHE", t.TempDir())
	t.Setenv(launcher.SlotsVariable, strconv.Itoa(slots))
}

func one() launcher.Config { return launcher.Config{MemoryMiB: 1} }

// full reports whether there is no room for what is asked.
func full(t *testing.T, configs ...launcher.Config) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	r, err := launcher.Reserve(ctx, configs...)
	if err != nil {
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, launcher.SlotsVariable)
		return true
	}
	r.Release()
	return false
}

func TestRoomIsWaitedForAndHandedOn(t *testing.T) {
	withSlots(t, 2)
	first, err := launcher.Reserve(t.Context(), one())
	require.NoError(t, err)
	second, err := launcher.Reserve(t.Context(), one())
	require.NoError(t, err)
	require.True(t, full(t, one()))

	got := make(chan *launcher.Reservation)
	go func() {
		r, err := launcher.Reserve(context.Background(), one(), one())
		if err != nil {
			t.Error(err)
		}
		got <- r
	}()
	first.Release()
	first.Release()
	second.Release()
	pair := <-got
	require.True(t, full(t, one()))
	pair.Release()
	require.False(t, full(t, one(), one()))
}

func TestRoomOfAProcessThatIsKilledIsFree(t *testing.T) {
	withSlots(t, 1)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childEnd+"=reserve")
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	output, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "<nil>\n", output)
	require.True(t, full(t, one()))

	got := make(chan error)
	go func() {
		r, err := launcher.Reserve(context.Background(), one())
		if err == nil {
			r.Release()
		}
		got <- err
	}()
	require.NoError(t, child.Process.Kill())
	_ = child.Wait()
	require.NoError(t, <-got)
}

func TestPairsNeverStarveEachOther(t *testing.T) {
	withSlots(t, 3)
	var held, most atomic.Int64
	var all sync.WaitGroup
	for i := range 24 {
		all.Go(func() {
			configs := []launcher.Config{one(), one()}
			if i%3 == 0 {
				configs = configs[:1]
			}
			r, err := launcher.Reserve(t.Context(), configs...)
			if err != nil {
				t.Error(err)
				return
			}
			now := held.Add(int64(len(configs)))
			for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
			}
			held.Add(-int64(len(configs)))
			r.Release()
		})
	}
	all.Wait()
	require.LessOrEqual(t, most.Load(), int64(3))
}

// Every other process is killed where it is: none of the rest may be left
// waiting for what it held.
func TestProcessesThatContendAllGetThrough(t *testing.T) {
	withSlots(t, 3)
	var children []*exec.Cmd
	for range 8 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childEnd+"=contend")
		require.NoError(t, child.Start())
		children = append(children, child)
	}
	time.AfterFunc(100*time.Millisecond, func() {
		for i := 0; i < len(children); i += 2 {
			_ = children[i].Process.Kill()
		}
	})
	for i, child := range children {
		if err := child.Wait(); i%2 == 1 {
			require.NoError(t, err)
		}
	}
	require.False(t, full(t, one(), one(), one()))
}

func TestWaitForRoomEndsWithItsContext(t *testing.T) {
	withSlots(t, 1)
	r, err := launcher.Reserve(t.Context(), one())
	require.NoError(t, err)
	defer r.Release()
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	_, err = launcher.Reserve(ctx, one())
	require.ErrorIs(t, err, why)
}

func TestLargeVMTakesMoreRoomAndNeverMoreThanThereIs(t *testing.T) {
	withSlots(t, 4)
	r, err := launcher.Reserve(t.Context(), launcher.Config{MemoryMiB: 1 << 30})
	require.NoError(t, err)
	require.True(t, full(t, one()))
	r.Release()
	require.False(t, full(t, one(), one(), one(), one(), one()))
}

func TestNobodyIsCountedWithoutSlotsOrAFolder(t *testing.T) {
	withSlots(t, 0)
	for range 3 {
		r, err := launcher.Reserve(t.Context(), one())
		require.NoError(t, err)
		defer r.Release()
	}
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	t.Setenv("DROVER_CACHE", file)
	t.Setenv(launcher.SlotsVariable, "1")
	for range 3 {
		r, err := launcher.Reserve(t.Context(), one())
		require.NoError(t, err)
		defer r.Release()
	}
}

func TestSlotsAreForTheirUserOnly(t *testing.T) {
	withSlots(t, 1)
	r, err := launcher.Reserve(t.Context(), one())
	require.NoError(t, err)
	defer r.Release()
	folders, err := filepath.Glob(filepath.Join(os.Getenv("DROVER_CACHE"), "drover", "slots", "*"))
	require.NoError(t, err)
	require.Len(t, folders, 1)
	info, err := os.Stat(folders[0])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

func TestVMHoldsItsRoomUntilItIsClosed(t *testing.T) {
	binary := qemutest.Binary(t, "x86_64") // which may be found in the cache folder
	withSlots(t, 1)
	vm := launch(t, launcher.Config{Binary: binary, Machine: "none", MemoryMiB: 1})
	require.True(t, full(t, one()))
	second := launch(t, launcher.Config{Binary: binary, Machine: "none", MemoryMiB: 1}) // who has one doesn't wait
	require.NoError(t, second.Close())
	require.True(t, full(t, one()))
	require.NoError(t, vm.Close())
	require.False(t, full(t, one()))
}

func TestFailedLaunchGivesItsRoomBack(t *testing.T) {
	binary := qemutest.Binary(t, "x86_64") // which may be found in the cache folder
	withSlots(t, 1)
	_, err := launcher.Launch(t.Context(), launcher.Config{Binary: binary, Machine: "nonsense"})
	require.Error(t, err)
	require.False(t, full(t, one()))
}

func TestVMsShareTheReservationTheyAreGiven(t *testing.T) {
	binary := qemutest.Binary(t, "x86_64") // which may be found in the cache folder
	withSlots(t, 2)
	c := launcher.Config{Binary: binary, Machine: "none", MemoryMiB: 1}
	r, err := launcher.Reserve(t.Context(), c, c)
	require.NoError(t, err)
	c.Reservation = r
	source, destination := launch(t, c), launch(t, c)
	require.NoError(t, source.Close())
	require.True(t, full(t, one()), "it is the caller's")
	require.NoError(t, destination.Close())
	r.Release()
	require.False(t, full(t, one(), one()))
}

// slotsFolder returns the folder of the locked files, which it makes.
func slotsFolder(t *testing.T) string {
	t.Helper()
	r, err := launcher.Reserve(t.Context(), one())
	require.NoError(t, err)
	r.Release()
	folders, err := filepath.Glob(filepath.Join(os.Getenv("DROVER_CACHE"), "drover", "slots", "*"))
	require.NoError(t, err)
	require.Len(t, folders, 1)
	return folders[0]
}

func TestSlotThatIsALinkIsNotFollowed(t *testing.T) {
	for _, name := range []string{"slot-0", "turnstile"} {
		withSlots(t, 1)
		slot := filepath.Join(slotsFolder(t), name)
		precious := filepath.Join(t.TempDir(), "precious")
		require.NoError(t, os.WriteFile(precious, []byte("dear"), 0o600))
		for _, target := range []string{precious, precious + "-none"} {
			require.NoError(t, os.Remove(slot))
			require.NoError(t, os.Symlink(target, slot))
			for range 2 { // nobody is counted
				r, err := launcher.Reserve(t.Context(), one())
				require.NoError(t, err)
				defer r.Release()
			}
		}
		text, err := os.ReadFile(precious)
		require.NoError(t, err)
		require.Equal(t, "dear", string(text))
		require.NoFileExists(t, precious+"-none")
	}
}

func TestNothingIsWrittenIntoACacheThatAnotherUserCanChange(t *testing.T) {
	binary := qemutest.Binary(t, "x86_64") // which may be in the cache that there is before
	for name, spoil := range map[string]func(t *testing.T, cache string){
		"everybody may write it": func(t *testing.T, cache string) {
			require.NoError(t, os.Chmod(cache, 0o777))
		},
		"another user's": giveAway,
	} {
		t.Run(name, func(t *testing.T) {
			withSlots(t, 1)
			cache := os.Getenv("DROVER_CACHE")
			spoil(t, cache)
			for range 2 { // nobody is counted
				r, err := launcher.Reserve(t.Context(), one())
				require.NoError(t, err)
				defer r.Release()
			}
			_, err := launcher.ChooseAccel(t.Context(), binary, "x86_64")
			require.NoError(t, err)
			entries, err := os.ReadDir(cache)
			require.NoError(t, err)
			require.Empty(t, entries)
		})
	}
}
