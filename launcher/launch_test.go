package launcher_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/launcher/probe"
	"github.com/drover-vm/drover/protocol/qmp"
	"github.com/drover-vm/drover/protocol/qtest"
)

// script writes a program that stands in for a QEMU that goes wrong.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "qemu-system-x86_64")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o700))
	return path
}

// likeQEMU answers what a probe asks, and then does what body says.
func likeQEMU(t *testing.T, body string) string {
	return script(t, `case "$*" in
-version) echo "QEMU emulator version 7.2.0"; exit;;
-object\ help) printf 'List of user creatable objects:\n  qtest\n'; exit;;
*\ help|*help*) exit;;
esac
`+body)
}

func launch(t *testing.T, c launcher.Config) *launcher.VM {
	t.Helper()
	if c.Binary == "" {
		c.Binary = qemutest.Binary(t, "x86_64")
	}
	vm, err := launcher.Launch(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() {
		alive := vm.ExitState() == nil
		if err := vm.Close(); alive {
			require.NoError(t, err)
		}
		require.NoDirExists(t, "/proc/"+strconv.Itoa(vm.PID()))
	})
	return vm
}

func incrementer(t *testing.T, arch string) *fixtures.Program {
	t.Helper()
	p, err := fixtures.For(arch)
	require.NoError(t, err)
	return &p
}

func TestGuestBootsSpeaksAndShowsItsMemory(t *testing.T) {
	vm := launch(t, launcher.Config{Program: incrementer(t, "x86_64")})
	_, err := vm.Console().Wait(t.Context(), 0, "AB")
	require.NoError(t, err)

	require.NoError(t, vm.QMP().Execute(t.Context(), "stop", nil, nil))
	dump, err := vm.Dump(t.Context(), 1<<20, 4096)
	require.NoError(t, err)
	defer func() { require.NoError(t, dump.Close()) }()
	through := make([]byte, 4096)
	require.NoError(t, vm.QTest().ReadMemory(t.Context(), 1<<20, through))
	require.Equal(t, through, dump.Bytes)
	require.NotZero(t, dump.Bytes[0], "the workload has counted its first page up")
}

// TestMemoryIsWhatQTestAndADumpSay: RAM out of QEMU's process, ROMs and the hole
// above RAM through qtest, and the borders between them.
func TestMemoryIsWhatQTestAndADumpSay(t *testing.T) {
	vm := launch(t, launcher.Config{Program: incrementer(t, "x86_64")})
	_, err := vm.Console().Wait(t.Context(), 0, "AB")
	require.NoError(t, err)
	require.NoError(t, vm.QMP().Execute(t.Context(), "stop", nil, nil))
	const size = 150 << 20
	dump, err := vm.Dump(t.Context(), 0, size)
	require.NoError(t, err)
	defer func() { require.NoError(t, dump.Close()) }()
	memory, err := vm.Memory(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, memory.Close()) }()

	all := make([]byte, size)
	_, err = memory.ReadAt(all, 0)
	require.NoError(t, err)
	require.True(t, bytes.Equal(dump.Bytes, all), "memory and dump differ")
	require.NotEqual(t, make([]byte, 512), all[0x7c00:0x7e00], "the boot block is where the BIOS puts it")

	beyond := make([]byte, 0x3000)
	_, err = memory.ReadAt(beyond, size-0x1000)
	require.NoError(t, err)
	through := make([]byte, len(beyond))
	require.NoError(t, vm.QTest().ReadMemory(t.Context(), size-0x1000, through))
	require.Equal(t, through, beyond)
}

func TestQuitEndsWithStatusZero(t *testing.T) {
	vm := launch(t, launcher.Config{})
	require.Nil(t, vm.ExitState())
	require.NoError(t, vm.Quit(t.Context()))
	require.True(t, vm.ExitState().Success())
	require.NoError(t, vm.Close())
}

func TestQEMUThatDiesAtOnceIsAnExitError(t *testing.T) {
	_, err := launcher.Launch(t.Context(), launcher.Config{Binary: likeQEMU(t, "echo its last words >&2; exit 7")})
	exit, ok := errors.AsType[*launcher.ExitError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, 7, exit.ExitCode())
	require.ErrorContains(t, err, "its last words")
}

func TestQEMUThatNeverAnswersIsToldToBeSlow(t *testing.T) {
	t.Parallel()
	began := time.Now()
	_, err := launcher.Launch(t.Context(), launcher.Config{
		Binary: likeQEMU(t, "echo thinking >&2; exec sleep 600"), StartTimeout: 300 * time.Millisecond,
	})
	var slow *launcher.SlowStartError
	require.ErrorAs(t, err, &slow)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.GreaterOrEqual(t, slow.Took, 300*time.Millisecond)
	require.ErrorContains(t, err, "ms to start")
	require.ErrorContains(t, err, "thinking")
	require.Less(t, time.Since(began), testPatience)
}

func TestOldQEMUThatNeverConnectsIsGivenUp(t *testing.T) {
	old := strings.ReplaceAll(`case "$*" in -version) echo "QEMU emulator version 3.1.0"; exit;; *help*) exit;; esac; exit 3`, "\n", "")
	_, err := launcher.Launch(t.Context(), launcher.Config{Binary: script(t, old)})
	exit, ok := errors.AsType[*launcher.ExitError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, 3, exit.ExitCode())
}

func TestEndedContextKillsQEMU(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	vm, err := launcher.Launch(ctx, launcher.Config{Binary: qemutest.Binary(t, "x86_64")})
	require.NoError(t, err)
	cancel()
	<-vm.Exited()
	require.NoError(t, vm.Close())
}

func TestDeathReachesEveryWaiterWithTheExit(t *testing.T) {
	vm := launch(t, launcher.Config{})
	waits := map[string]func() error{
		"an event":    func() error { _, err := vm.QMP().Wait(context.Background(), vm.QMP().Mark(), "NEVER"); return err },
		"the console": func() error { _, err := vm.Console().Wait(context.Background(), 0, "never"); return err },
	}
	errs := make(chan error)
	for _, wait := range waits {
		go func() { errs <- wait() }()
	}
	require.NoError(t, syscall.Kill(vm.PID(), syscall.SIGSEGV))
	for range waits {
		err := <-errs
		exit, ok := errors.AsType[*launcher.ExitError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, syscall.SIGSEGV, exit.Signal())
	}
	_, err := vm.QTest().Readb(t.Context(), 0)
	_, ok := errors.AsType[*launcher.ExitError](err)
	require.True(t, ok, "%v", err)
}

func TestWhatQEMUStartedEndsWithIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	vm := launch(t, launcher.Config{})
	err := vm.QMP().Execute(t.Context(), "migrate", map[string]any{"uri": "exec:echo $$ >" + file + "; exec sleep 600"}, nil)
	require.NoError(t, err)
	var pid string
	require.Eventually(t, func() bool {
		text, _ := os.ReadFile(file)
		pid = strings.TrimSpace(string(text))
		return pid != ""
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, vm.Kill())
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ") // an orphan's corpse is its reaper's
	}, 10*time.Second, time.Millisecond)
}

func TestLogsAndTheCommandAreKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a folder, with a comma")
	require.NoError(t, os.Mkdir(dir, 0o700))
	attach := filepath.Join(t.TempDir(), "attach, please")
	vm := launch(t, launcher.Config{Name: "source", Dir: dir, Attach: attach, Program: incrementer(t, "x86_64")})
	_, err := vm.Console().Wait(t.Context(), 0, "A")
	require.NoError(t, err)

	second, err := qmp.Dial(t.Context(), "unix", vm.Attach(), qmp.Options{})
	require.NoError(t, err)
	require.NoError(t, second.Close())

	require.NoError(t, vm.SaveCommand(dir))
	require.NoError(t, vm.Close())
	for file, word := range map[string]string{
		"source.qmp": "qmp_capabilities", "source.qtest": "endianness", "source.console": "A",
		"source.cmd": "-machine", "source.boot.img": "\x55\xaa", "source.stderr": "",
	} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		require.NoError(t, err)
		require.Contains(t, string(text), word, file)
	}
}

func TestMachineWithoutCPUIsNotLostToAMemoryAccess(t *testing.T) {
	vm := launch(t, launcher.Config{Machine: "none"})
	_, err := vm.QTest().Readb(t.Context(), 0)
	refused, ok := errors.AsType[*qtest.ArgumentError](err)
	require.True(t, ok, "%v", err)
	require.ErrorContains(t, refused, "CPU")
	require.NoError(t, vm.QMP().Alive(t.Context()))
}

func TestInterruptsOfADeviceAreWatched(t *testing.T) {
	vm := launch(t, launcher.Config{Program: incrementer(t, "x86_64")})
	require.NoError(t, vm.QTest().InterceptIn(t.Context(), "ioapic"))
	require.Error(t, vm.QTest().InterceptIn(t.Context(), "nothing-of-that-name"))
	require.NoError(t, vm.QTest().Outb(t.Context(), 0x80, 0))
}

// How long a test waits for what has no event, and how often it looks.
const (
	testPatience = 10 * time.Second
	poll         = time.Millisecond
)

func TestScriptMayTalkAndTakeItsTimeBeforeItStartsAQEMU(t *testing.T) {
	slow := script(t, "echo starting\ncase $* in *-version*|*help*) ;; *) sleep 1;; esac\nexec '"+qemutest.Binary(t, "x86_64")+"' \"$@\"\n")
	vm := launch(t, launcher.Config{Binary: slow})
	require.GreaterOrEqual(t, vm.StartTook(), time.Second)
	require.Contains(t, vm.Stderr(), "starting")
}

func TestWhatWasIdentifiedIsNotAskedAgain(t *testing.T) {
	count := filepath.Join(t.TempDir(), "count")
	binary := script(t, "case $* in *-version*|*help*) echo >> '"+count+"';; esac\nexec '"+qemutest.Binary(t, "x86_64")+"' \"$@\"\n")
	t.Setenv("DROVER_CACHE", t.TempDir())
	c := launcher.Config{Binary: binary, Known: new(probe.Known), Machine: "none"}
	info, err := launcher.Identify(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, binary, info.Path)
	asked, err := os.ReadFile(count)
	require.NoError(t, err)
	for range 2 {
		launch(t, c)
	}
	again, err := os.ReadFile(count)
	require.NoError(t, err)
	require.Equal(t, asked, again)

	_, err = launcher.Identify(t.Context(), launcher.Config{Binary: "/bin/true"})
	require.ErrorAs(t, err, new(*probe.NotQEMUError))
	_, err = launcher.Identify(t.Context(), launcher.Config{Binary: "/nonexistent/qemu"})
	require.ErrorIs(t, err, os.ErrNotExist)
}
