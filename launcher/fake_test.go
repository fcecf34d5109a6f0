package launcher_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/fakeprocess"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/protocol/fakeqemu"
)

// onFake starts a fake, so that these run where no QEMU is, and ask for what a
// real one can't be asked for.
func onFake(t *testing.T, c launcher.Config, script func(p *fakeprocess.Process)) *launcher.VM {
	t.Helper()
	c.Binary = fakeprocess.Binary(t, script)
	return launch(t, c)
}

func TestFakeIsLaunchedTalkedToAndQuit(t *testing.T) {
	vm := onFake(t, launcher.Config{MemoryMiB: 2}, func(p *fakeprocess.Process) {
		p.WriteMemory(0x1000, []byte("drover"))
		go func() { _, _ = p.Console.Write([]byte("hello")) }()
	})
	_, err := vm.Console().Wait(t.Context(), 0, "hello")
	require.NoError(t, err)
	dump, err := vm.Dump(t.Context(), 0x1000, 6)
	require.NoError(t, err)
	require.Equal(t, "drover", string(dump.Bytes))
	require.NoError(t, dump.Close())
	memory, err := vm.Memory(t.Context())
	require.NoError(t, err)
	found := make([]byte, 6)
	_, err = memory.ReadAt(found, 0x1000)
	require.NoError(t, err)
	require.Equal(t, "drover", string(found))
	require.NoError(t, memory.Close())
	require.NoError(t, vm.Quit(t.Context()))
}

func TestQuitThatIsNotFollowedIsFollowedBySignals(t *testing.T) {
	vm := onFake(t, launcher.Config{QuitTimeout: 100 * time.Millisecond}, func(p *fakeprocess.Process) {
		p.Handle("quit", func(fakeqemu.Command) (any, error) { return nil, &fakeqemu.Error{Desc: "not now"} })
	})
	_ = vm.Close() // says that QEMU had to be forced
	require.NotNil(t, vm.ExitState())
	require.False(t, vm.ExitState().Success())
}

func TestGreetingThatNeverComesEndsTheStart(t *testing.T) {
	_, err := launcher.Launch(t.Context(), launcher.Config{
		StartTimeout: 6 * time.Second,
		Binary: fakeprocess.Binary(t, func(p *fakeprocess.Process) {
			p.Inject(fakeqemu.Fault{On: func(m []byte) bool { return bytes.Contains(m, []byte("QMP")) }, Hang: true})
		}),
	})
	require.ErrorContains(t, err, "took 6s to start, and its monitor has still not answered")
}
