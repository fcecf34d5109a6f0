package launcher_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher"
)

// leftOpen opens a file as a careless parent would have left it to us.
func leftOpen(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "left-open")
	fd, err := unix.Open(path, unix.O_CREAT|unix.O_RDWR, 0o600)
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	return path
}

func TestQEMUHasNoDescriptorButThoseMeant(t *testing.T) {
	path := leftOpen(t)
	for _, binary := range qemutest.Binaries(t, "x86_64") {
		t.Run(qemutest.Version(t, binary), func(t *testing.T) {
			vm := launch(t, launcher.Config{Binary: binary, Program: incrementer(t, "x86_64")})
			dir := fmt.Sprintf("/proc/%d/fd", vm.PID())
			list, err := os.ReadDir(dir)
			require.NoError(t, err)
			sockets := 0
			for _, entry := range list {
				target, err := os.Readlink(filepath.Join(dir, entry.Name()))
				if err != nil {
					continue // QEMU has closed it meanwhile
				}
				require.NotEqual(t, path, target)
				if regexp.MustCompile(`^socket:`).MatchString(target) {
					sockets++
				}
				require.Regexp(t, `^(/dev/null|pipe:.*|socket:.*|anon_inode:.*|/memfd:drover-.*|/memfd:tcg-jit.*|/memfd:.*\(deleted\)|/dev/fd.*)$`, target)
			}
			require.Equal(t, 3, sockets, "QMP, qtest and the console")
		})
	}
}

// What exec: starts inherits nothing that would keep a session open, for the
// file that it can see is only that of its own stream.
func TestWhatQEMUStartsSeesNoFileOfOurs(t *testing.T) {
	path := leftOpen(t)
	vm := launch(t, launcher.Config{})
	out := filepath.Join(t.TempDir(), "out")
	uri := "exec:ls -l /proc/self/fd >" + out + ".new; mv " + out + ".new " + out + "; cat >/dev/null"
	require.NoError(t, vm.QMP().Execute(t.Context(), "migrate", map[string]any{"uri": uri}, nil))
	var text []byte
	require.Eventually(t, func() (there bool) {
		var err error
		text, err = os.ReadFile(out)
		return err == nil
	}, testPatience, poll)
	require.NotContains(t, string(text), path)
}

func TestCrashLeavesACoreOnlyWhereAskedFor(t *testing.T) {
	var old unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_CORE, &old))
	for _, asked := range []bool{false, true} {
		t.Run(strconv.FormatBool(asked), func(t *testing.T) {
			dir := t.TempDir()
			t.Chdir(dir)
			// As a host would be where people want cores of everything.
			_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: old.Max, Max: old.Max})
			defer func() { _ = unix.Setrlimit(unix.RLIMIT_CORE, &old) }()
			vm := launchAnyEnd(t, launcher.Config{CoreDumps: asked, Machine: "none"})
			var limit unix.Rlimit
			require.NoError(t, unix.Prlimit(vm.PID(), unix.RLIMIT_CORE, nil, &limit))
			if asked {
				require.Equal(t, old.Max, limit.Cur)
			} else {
				require.Equal(t, uint64(1), limit.Cur)
			}
			require.NoError(t, syscall.Kill(vm.PID(), syscall.SIGABRT))
			<-vm.Exited()
			pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
			require.NoError(t, err)
			if here := !bytes.ContainsAny(pattern, "/|"); !asked || here && old.Max > 1<<30 {
				require.Equal(t, asked, entries(t, dir) > 0)
			}
		})
	}
}

func TestSecretIsNeverInTheCommandLine(t *testing.T) {
	const secret = "correct horse, battery staple"
	for _, binary := range qemutest.Binaries(t, "x86_64") {
		t.Run(qemutest.Version(t, binary), func(t *testing.T) {
			vm := launch(t, launcher.Config{Binary: binary, Secrets: map[string][]byte{"passphrase": []byte(secret)}})
			var objects []struct{ Name, Type string }
			require.NoError(t, vm.QMP().Execute(t.Context(), "qom-list", map[string]string{"path": "/objects"}, &objects))
			require.Contains(t, objects, struct{ Name, Type string }{"passphrase", "child<secret>"})
			for _, file := range []string{"cmdline", "environ"} {
				text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", vm.PID(), file))
				require.NoError(t, err)
				require.NotContains(t, string(text), "battery")
			}
			require.NotContains(t, vm.ShellCommand(), "battery")
		})
	}
}

func TestValuesWithCommasAndSpacesArriveAsTheyAre(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a folder, with 'quotes' and a comma")
	require.NoError(t, os.Mkdir(dir, 0o700))
	image := filepath.Join(dir, "disk,if=none.img")
	require.NoError(t, os.WriteFile(image, make([]byte, 1<<20), 0o600))
	for _, binary := range qemutest.Binaries(t, "x86_64") {
		t.Run(qemutest.Version(t, binary), func(t *testing.T) {
			vm := launch(t, launcher.Config{
				Binary: binary, Name: "one, two $(three)", Dir: dir,
				Args: []string{"-drive", "if=none,id=d,format=raw,file=" + launcher.Escape(image)},
			})
			var name struct{ Name string }
			require.NoError(t, vm.QMP().Execute(t.Context(), "query-name", nil, &name))
			require.Equal(t, "one, two $(three)", name.Name)
			var blocks []struct {
				Inserted struct{ File string }
			}
			require.NoError(t, vm.QMP().Execute(t.Context(), "query-block", nil, &blocks))
			require.Equal(t, image, blocks[0].Inserted.File)
		})
	}
}

// seccompMode is the second field of the line in /proc/PID/status.
var seccompMode = regexp.MustCompile(`(?m)^Seccomp:\s*(\d)`)

func TestSandboxIsOnUnlessItIsTurnedOff(t *testing.T) {
	for _, c := range []struct {
		sandbox string
		args    []string
		mode    string
	}{{"", nil, "2"}, {"off", nil, "0"}, {"on", nil, "2"}, {"", []string{"-sandbox", "off"}, "0"}} {
		for _, binary := range qemutest.Binaries(t, "x86_64") {
			t.Run(fmt.Sprintf("%s/%q%v", qemutest.Version(t, binary), c.sandbox, c.args), func(t *testing.T) {
				vm := launch(t, launcher.Config{Binary: binary, Sandbox: c.sandbox, Args: c.args, Machine: "none"})
				status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", vm.PID()))
				require.NoError(t, err)
				require.Equal(t, c.mode, seccompMode.FindStringSubmatch(string(status))[1])
			})
		}
	}
}

// A QEMU that was built without -sandbox says so, and starts all the same.
func TestQEMUWithoutASandboxIsStartedWithoutOne(t *testing.T) {
	wrapper := filepath.Join(t.TempDir(), "qemu-system-x86_64")
	text := fmt.Sprintf(`#!/bin/sh
case "$*" in *-sandbox*) echo "qemu-system-x86_64: -sandbox support is not enabled in this QEMU binary" >&2; exit 1;; esac
exec %s "$@"
`, qemutest.Binary(t, "x86_64"))
	require.NoError(t, os.WriteFile(wrapper, []byte(text), 0o700))
	vm := launch(t, launcher.Config{Binary: wrapper})
	require.NotContains(t, vm.ShellCommand(), "-sandbox")
	_, err := launcher.Launch(t.Context(), launcher.Config{Binary: wrapper, Sandbox: "on"})
	require.ErrorContains(t, err, "not enabled")
}
