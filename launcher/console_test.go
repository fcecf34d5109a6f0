package launcher_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/internal/fakeprocess"
	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher"
)

// echo is a guest that says > and then every byte that it is told. It spins
// between its looks at the port, each of which takes QEMU's big lock: without
// that QEMU's main loop, which has the bytes, starves on a busy host. It waits until the port
// takes a byte: while nobody reads, a socket has room for some hundred.
func echo() *fixtures.Program {
	code := []byte{
		0xba, 0xf8, 0x03, // mov dx, 0x3f8
		0xb0, '>', // mov al, '>'
		0xee,             // out dx, al
		0xb9, 0x00, 0x40, // next: mov cx, 0x4000
		0xe2, 0xfe, // spin: loop spin
		0xba, 0xfd, 0x03, // mov dx, 0x3fd
		0xec,       // in al, dx
		0xa8, 0x01, // test al, 1
		0x74, 0xf3, // jz next
		0xba, 0xf8, 0x03, // mov dx, 0x3f8
		0xec,       // in al, dx
		0x88, 0xc3, // mov bl, al
		0xba, 0xfd, 0x03, // mov dx, 0x3fd
		0xec,       // full: in al, dx
		0xa8, 0x20, // test al, 0x20
		0x74, 0xfb, // jz full
		0xba, 0xf8, 0x03, // mov dx, 0x3f8
		0x88, 0xd8, // mov al, bl
		0xee,       // out dx, al
		0xeb, 0xdd, // jmp next
	}
	block := make([]byte, 512)
	copy(block, code)
	block[510], block[511] = 0x55, 0xaa
	return &fixtures.Program{Name: "echo", Arch: "x86_64", BootBlock: block, MemoryMiB: 32}
}

// onEachLine runs a test for each kind of serial line.
func onEachLine(t *testing.T, test func(t *testing.T, c launcher.Config)) {
	for _, serial := range []launcher.Serial{launcher.SerialSocket, launcher.SerialPTY} {
		t.Run(serial.String(), func(t *testing.T) {
			test(t, launcher.Config{Binary: qemutest.Binary(t, "x86_64"), Serial: serial})
		})
	}
}

// everyByte is all there are, control characters of terminals included.
func everyByte() string {
	var b strings.Builder
	for i := range 256 {
		b.WriteByte(byte(i))
	}
	return b.String()
}

func TestConsoleCarriesEveryByteBothWays(t *testing.T) {
	for _, binary := range qemutest.Binaries(t, "x86_64") {
		t.Run(qemutest.Version(t, binary), func(t *testing.T) {
			onEachLine(t, func(t *testing.T, c launcher.Config) {
				c.Binary, c.Program = binary, echo()
				console := launch(t, c).Console()
				place, err := console.Wait(t.Context(), 0, ">")
				require.NoError(t, err)
				require.NoError(t, console.Send(t.Context(), everyByte()))
				end, err := console.WaitFunc(t.Context(), place, "all bytes", func(output []byte) (int, error) {
					if len(output) < 256 {
						return -1, nil
					}
					return len(output), nil
				})
				require.NoError(t, err)
				require.Equal(t, everyByte(), string(console.Since(place)))
				require.Equal(t, place+256, end)
			})
		})
	}
}

func TestConsoleKnowsWhenWhatWasSaid(t *testing.T) {
	onEachLine(t, func(t *testing.T, c launcher.Config) {
		began := time.Now()
		c.Program = incrementer(t, "x86_64")
		console := launch(t, c).Console()
		_, err := console.WaitMatch(t.Context(), 0, regexp.MustCompile("AB{3}"))
		require.NoError(t, err)

		chunks := console.Chunks(0)
		require.Greater(t, len(chunks), 2, "heartbeats come one by one")
		place, last := int64(0), began
		for _, chunk := range chunks {
			require.Equal(t, place, chunk.Place)
			require.NotEmpty(t, chunk.Bytes)
			require.False(t, chunk.Time.Before(last), "times don't go back")
			place, last = chunk.Next(), chunk.Time
		}
		require.False(t, console.LastOutput().Before(last))
		require.Equal(t, "A", string(console.Chunks(0)[0].Bytes[:1]))
		require.Empty(t, console.Chunks(1<<40))
	})
}

func TestConsoleIsFollowedToItsEnd(t *testing.T) {
	onEachLine(t, func(t *testing.T, c launcher.Config) {
		c.Program = incrementer(t, "x86_64")
		vm := launch(t, c)
		var followed []byte
		for chunk, err := range vm.Console().Follow(t.Context(), 0) {
			if err != nil {
				exit, ok := errors.AsType[*launcher.ExitError](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, syscall.SIGKILL, exit.Signal())
				break
			}
			require.Equal(t, int64(len(followed)), chunk.Place)
			if followed = append(followed, chunk.Bytes...); bytes.HasPrefix(followed, []byte("ABB")) {
				_ = syscall.Kill(vm.PID(), syscall.SIGKILL) // again and again: it prints more until it is killed
			}
		}
		require.Equal(t, vm.Console().Since(0), followed)

		for chunk := range vm.Console().Follow(t.Context(), 1) {
			require.Equal(t, byte('B'), chunk.Bytes[0])
			break // a follower may leave
		}
	})
}

func TestSendToADeadGuestSaysHowItDied(t *testing.T) {
	onEachLine(t, func(t *testing.T, c launcher.Config) {
		vm := launch(t, c)
		require.NoError(t, syscall.Kill(vm.PID(), syscall.SIGABRT))
		<-vm.Exited()
		var err error
		for err == nil { // the line may have room that nobody will read from
			err = vm.Console().Send(t.Context(), everyByte())
		}
		exit, ok := errors.AsType[*launcher.ExitError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, syscall.SIGABRT, exit.Signal())
		_, err = vm.Console().Write([]byte("again"))
		require.ErrorAs(t, err, &exit)
	})
}

func TestSendToAGuestThatDoesNotReadIsGivenUp(t *testing.T) {
	onEachLine(t, func(t *testing.T, c launcher.Config) {
		vm := launch(t, c) // the firmware reads nothing
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		err := vm.Console().Send(ctx, strings.Repeat("?", 4<<20))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "of 4194304 bytes to the guest")

		// A sender that waits behind another ends as well, and the VM's end
		// ends the one that never would.
		sent := make(chan error)
		go func() {
			_, err := vm.Console().Write(make([]byte, 4<<20))
			sent <- err
		}()
		ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, vm.Console().Send(ctx, strings.Repeat("!", 4<<20)), context.DeadlineExceeded)
		require.NoError(t, vm.Close())
		_, ok := errors.AsType[*launcher.ExitError](<-sent)
		require.True(t, ok)
	})
}

func TestTwoSendersAreNotMixed(t *testing.T) {
	onEachLine(t, func(t *testing.T, c launcher.Config) {
		c.Program = echo()
		console := launch(t, c).Console()
		place, err := console.Wait(t.Context(), 0, ">")
		require.NoError(t, err)
		var senders sync.WaitGroup
		for _, letter := range []string{"x", "y"} {
			senders.Go(func() {
				for range 8 {
					_ = console.Send(t.Context(), strings.Repeat(letter, 32)+".")
				}
			})
		}
		senders.Wait()
		_, err = console.WaitMatch(t.Context(), place, regexp.MustCompile(`^((x{32}|y{32})\.){16}$`))
		require.NoError(t, err)
	})
}

func TestBreakIsSent(t *testing.T) {
	onEachLine(t, func(t *testing.T, c launcher.Config) {
		vm := launch(t, c)
		require.NoError(t, vm.SendBreak(t.Context()))
		require.NoError(t, vm.QMP().Alive(t.Context()))
	})
}

func TestConsoleLeavesNoDescriptor(t *testing.T) {
	count := func() int {
		open, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(open)
	}
	onEachLine(t, func(t *testing.T, c launcher.Config) {
		before := count()
		vm, err := launcher.Launch(t.Context(), c)
		require.NoError(t, err)
		require.NoError(t, vm.Close())
		require.Equal(t, before, count())
		c.Accel = "nonsense"
		_, err = launcher.Launch(t.Context(), c)
		require.Error(t, err)
		require.Equal(t, before, count(), "nor where QEMU doesn't start")
	})
}

func TestUnknownSerialLineIsRefused(t *testing.T) {
	_, err := launcher.Launch(t.Context(), launcher.Config{Binary: qemutest.Binary(t, "x86_64"), Serial: 7})
	require.ErrorContains(t, err, "Serial(7)")
}

func TestConsoleWithItsTimesIsKept(t *testing.T) {
	onEachLine(t, func(t *testing.T, c launcher.Config) {
		c.Dir, c.Name, c.Program = t.TempDir(), "guest", incrementer(t, "x86_64")
		vm := launch(t, c)
		_, err := vm.Console().Wait(t.Context(), 0, "ABB")
		require.NoError(t, err)
		require.NoError(t, vm.Close())

		text, err := os.ReadFile(filepath.Join(c.Dir, "guest.console"))
		require.NoError(t, err)
		require.Equal(t, vm.Console().Since(0), text)
		cast, err := os.ReadFile(filepath.Join(c.Dir, "guest.console.cast"))
		require.NoError(t, err)
		var played strings.Builder
		lines := strings.Split(strings.TrimSpace(string(cast)), "\n")
		require.Contains(t, lines[0], `"version":2`)
		at := 0.0
		for _, line := range lines[1:] {
			var event []any
			require.NoError(t, json.Unmarshal([]byte(line), &event))
			require.GreaterOrEqual(t, event[0], at)
			at = event[0].(float64)
			played.WriteString(event[2].(string))
		}
		require.Equal(t, string(text), played.String())
	})
}

func TestWaitThatEndsNamesBothTheTimeAndWhoseItWas(t *testing.T) {
	vm := onFake(t, launcher.Config{}, func(*fakeprocess.Process) {})
	own := errors.New("the 10s that the step may take are over")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Millisecond, own)
	defer cancel()
	_, err := vm.Console().Wait(ctx, 0, "never")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, own)
	var waited *launcher.ConsoleError
	require.ErrorAs(t, err, &waited)
	require.ErrorContains(t, err, "nothing at all")
	err = vm.Watch(ctx, time.Minute)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, own)
}
