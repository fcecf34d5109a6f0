package launchertest_test

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/fleet"
	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/launcher/launchertest"
)

// aProgram builds testdata/program for guests.
func aProgram(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	build := exec.Command("go", "build", "-o", path, "./testdata/program")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)
	return path
}

// aDynamicProgram is the beginning of an ELF file that names a dynamic linker.
func aDynamicProgram(t *testing.T, machine elf.Machine) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, binary.Write(&out, binary.LittleEndian, elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(machine), Version: 1, Ehsize: 64, Phoff: 64, Phentsize: 56, Phnum: 1,
	}))
	require.NoError(t, binary.Write(&out, binary.LittleEndian, elf.Prog64{Type: uint32(elf.PT_INTERP)}))
	return out.Bytes()
}

// linuxConfig is one with QEMU 10.0, or the newest that is here.
func linuxConfig(t *testing.T) launcher.Config {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: Linux boots for seconds")
	}
	all := qemutest.Fleet(t, "x86_64")
	i := slices.IndexFunc(all, func(binary string) bool { return qemutest.Version(t, binary) == "10.0" })
	if i < 0 {
		i = len(all) - 1
	}
	return launcher.Config{Binary: all[i]}
}

func TestLinuxRunsPrograms(t *testing.T) {
	vm := launchertest.Linux(t, linuxConfig(t))
	program := aProgram(t)
	run := func(args ...string) (string, error) {
		output, err := vm.Run(t.Context(), program, args...)
		return string(output), err
	}

	t.Run("with arguments, and returns both outputs", func(t *testing.T) {
		output, err := run("print", "a b", "", "ü")
		require.NoError(t, err)
		require.Equal(t, "a b\n\nü\nerror output\n", output)
	})
	t.Run("and says how they failed", func(t *testing.T) {
		output, err := run("exit", "3")
		var failed *launchertest.ProgramError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, launchertest.ProgramError{Program: program, Status: 3, Tail: "about to exit"}, *failed)
		require.ErrorContains(t, err, `exited with status 3; its output ends with "about to exit"`)
		require.Equal(t, "about to exit\n", output)

		_, err = run("kill")
		require.ErrorAs(t, err, &failed)
		require.Equal(t, launchertest.ProgramError{Program: program, Status: -1, Signal: "killed"}, *failed)
	})
	t.Run("whose output is bounded", func(t *testing.T) {
		output, err := run("write", fmt.Sprint(launchertest.MaxOutput))
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("0123456789abcde\n", launchertest.MaxOutput/16), output)

		output, err = run("write", fmt.Sprint(launchertest.MaxOutput+160))
		var failed *launchertest.ProgramError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, int64(160), failed.Dropped)
		require.Zero(t, failed.Status)
		require.Len(t, output, launchertest.MaxOutput)
	})
	t.Run("at once", func(t *testing.T) {
		var group sync.WaitGroup
		var outputs [8]string
		var errs [8]error
		for i := range outputs {
			group.Go(func() { outputs[i], errs[i] = run("print", fmt.Sprint(i)) })
		}
		group.Wait()
		for i := range outputs {
			require.NoError(t, errs[i])
			require.Equal(t, fmt.Sprintf("%d\nerror output\n", i), outputs[i])
		}
	})
	t.Run("until the context ends", func(t *testing.T) {
		enough := errors.New("enough of it")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, enough)
		defer cancel()
		_, err := vm.Run(ctx, program, "hang")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, enough)
		require.Eventually(t, func() bool {
			output, err := run("count")
			return err == nil && output == "0\n"
		}, time.Minute, time.Millisecond, "it and its child were killed")
	})
	t.Run("that say something on the console", func(t *testing.T) {
		mark := vm.Console().Mark()
		_, err := run("console")
		require.NoError(t, err)
		_, err = vm.Console().Wait(t.Context(), mark, "from the program")
		require.NoError(t, err)
	})
	t.Run("unless they can't be run", func(t *testing.T) {
		text := filepath.Join(t.TempDir(), "text")
		require.NoError(t, os.WriteFile(text, []byte("#!/bin/sh\n"), 0o755))
		dynamic := filepath.Join(t.TempDir(), "dynamic")
		require.NoError(t, os.WriteFile(dynamic, aDynamicProgram(t, elf.EM_X86_64), 0o755))
		foreign := filepath.Join(t.TempDir(), "foreign")
		require.NoError(t, os.WriteFile(foreign, aDynamicProgram(t, elf.EM_AARCH64), 0o755))
		for path, want := range map[string]string{
			text:        "is no program that a guest without a shell can run",
			text + "x":  "no such file",
			dynamic:     "build it static",
			t.TempDir(): "is no file with a program in it",
			foreign:     "is for EM_AARCH64, and the guest's programs are for EM_X86_64",
		} {
			_, err := vm.Run(t.Context(), path)
			require.ErrorContains(t, err, want)
		}
		_, err := vm.Run(t.Context(), program, strings.Repeat("x", 64<<10))
		require.ErrorContains(t, err, "shorten them")
	})
	t.Run("as long as it runs", func(t *testing.T) {
		_, err := run("panic-kernel")
		var exit *launcher.ExitError
		require.ErrorAs(t, err, &exit)
		_, err = run("print")
		require.Error(t, err)
		require.Contains(t, string(vm.Console().Since(0)), "sysrq triggered crash")
	})
}

func TestNoKernelIsASkipWithTheWayToGetOne(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("DROVER_CACHE", "")
	_, err := fleet.Fleet{}.FindKernel("x86_64")
	require.Error(t, err)
	config := fake(t, quiet)
	requireSkip(t, func(r *recorder) { launchertest.Linux(r, config) }, "fleet fetch kernels --arch x86_64")
}

func TestLinuxWhoseConfigCanNotBeIsFatal(t *testing.T) {
	for want, change := range map[string]func(c *launcher.Config){
		`Port is "mine"`:              func(c *launcher.Config) { c.Port = "mine" },
		"no Linux kernel for sparc64": func(c *launcher.Config) { c.Arch = "sparc64" },
	} {
		config := fake(t, quiet)
		change(&config)
		r := during(t, func(r *recorder) { launchertest.Linux(r, config) })
		require.True(t, r.failed)
		require.False(t, r.skipped)
		require.Contains(t, r.log.String(), want)
	}
}

func TestLinuxThatPanicsIsFatalAtOnce(t *testing.T) {
	config := linuxConfig(t)
	config.Args = []string{"-append", "console=ttyS0 quiet panic=-1 rdinit=/nothing"} // instead of the guest's own
	r := during(t, func(r *recorder) { launchertest.Linux(r, config) })
	require.True(t, r.failed)
	require.Contains(t, r.log.String(), "Linux does not boot in vm: ")
	require.Contains(t, r.output.String(), "Kernel panic")
}
