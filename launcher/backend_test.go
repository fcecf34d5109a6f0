package launcher_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher"
)

// aBackend runs a line of shell, in which $1 is what it is to listen on, before it says which
// process it is in the file pid, beside its folder. QEMU connects to it.
func aBackend(dir, line string) launcher.Config {
	b := launcher.Backend{Name: "behind", Binary: "sh", Socket: filepath.Join(dir, "a,sock"), Folder: filepath.Join(dir, "its own")}
	b.Args = []string{"-c", line, "sh", "{socket}", b.Folder, filepath.Join(dir, "pid")}
	return launcher.Config{
		Machine: "none", Backends: []launcher.Backend{b},
		Args: []string{"-chardev", launcher.Option("socket", "id", "behind", "path", b.Socket)},
	}
}

// untilKilled is what most backends here do.
const untilKilled = `echo $$ > "$3.new" && mv "$3.new" "$3" && echo listening on "$1" && exec sleep 1000`

// pidOf is the process of a backend.
func pidOf(t *testing.T, dir string) (pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "pid"))
		if err == nil {
			pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
		}
		return err == nil
	}, 10*time.Second, time.Millisecond)
	return pid
}

func TestABackendEndsWithItsQEMU(t *testing.T) {
	for name, c := range map[string]struct {
		line string
		end  func(vm *launcher.VM) error
	}{
		"that is closed": {untilKilled, (*launcher.VM).Close},
		"that is killed": {untilKilled, (*launcher.VM).Kill},
		"that another killed": {untilKilled, func(vm *launcher.VM) error {
			err := unix.Kill(vm.PID(), unix.SIGKILL)
			<-vm.Exited()
			_ = vm.Close()
			return err
		}},
		"though it does not go": {"trap '' TERM; " + strings.Replace(untilKilled, "exec sleep 1000", "while :; do sleep 1000; done", 1), (*launcher.VM).Close},
		"and before it":         {untilKilled, nil},
		"though it is stopped":  {strings.Replace(untilKilled, "exec", "kill -STOP $$; exec", 1), (*launcher.VM).Close},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			config := aBackend(dir, c.line)
			config.TermTimeout, config.Dir = 200*time.Millisecond, dir
			config.Binary = qemutest.Binary(t, "x86_64")
			vm, err := launcher.Launch(t.Context(), config)
			require.NoError(t, err)
			require.NoError(t, vm.QMP().Alive(t.Context()))
			pid := pidOf(t, dir)
			if c.end == nil { // it ends by itself
				require.NoError(t, unix.Kill(pid, unix.SIGKILL))
				c.end = (*launcher.VM).Close
			}
			require.NoError(t, c.end(vm))
			require.NoDirExists(t, fmt.Sprintf("/proc/%d", pid))
			require.NoDirExists(t, config.Backends[0].Folder)
			require.NoFileExists(t, config.Backends[0].Socket)
			output, err := os.ReadFile(filepath.Join(dir, "vm.behind"))
			require.NoError(t, err)
			require.Equal(t, "listening on fd=3\n", string(output))
		})
	}
}

// TestABackendBeginsAnew with each QEMU, on what an earlier one has left.
func TestABackendBeginsAnew(t *testing.T) {
	dir := t.TempDir()
	config := aBackend(dir, `touch "$2/$(ls "$2" | wc -l)" && `+untilKilled)
	require.NoError(t, os.Mkdir(config.Backends[0].Folder, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(config.Backends[0].Folder, "old"), nil, 0o600))
	require.NoError(t, os.WriteFile(config.Backends[0].Socket, nil, 0o600))
	vm := launch(t, config)
	pidOf(t, dir)
	require.FileExists(t, filepath.Join(config.Backends[0].Folder, "0"))
	require.NoError(t, vm.SaveCommand(dir))
	text, err := os.ReadFile(filepath.Join(dir, "vm.cmd"))
	require.NoError(t, err)
	require.Contains(t, string(text), "mkdir -p '"+config.Backends[0].Folder+"' && ")
	require.Contains(t, string(text), " path="+dir+"/a,,sock ")
	require.Contains(t, string(text), " &\n"+vm.ShellCommand()+"\n")
}

func TestABackendThatCanNotBeSaysWhy(t *testing.T) {
	for name, c := range map[string]struct {
		change func(c *launcher.Config)
		words  []string
	}{
		"it is not there": {func(c *launcher.Config) { c.Backends[0].Binary = "no-such-program" }, []string{"behind, which vm needs for a device", "no-such-program is not in PATH"}},
		"it fails at once": {
			func(c *launcher.Config) {
				c.Args = []string{"-chardev", "socket,id=other,path=/nonexistent/socket"}
				c.Backends[0].Args[1] = "echo no room >&2; exit 3"
			},
			[]string{"/nonexistent/socket", "behind, which it needs for a device, has ended: exit status 3: no room"},
		},
		"it does not answer": {
			func(c *launcher.Config) {
				c.Args = []string{"-chardev", "socket,id=other,server=on,wait=on,path=" + filepath.Dir(c.Backends[0].Folder) + "/other"}
				c.StartTimeout = 500 * time.Millisecond
			},
			[]string{"still not answered", "it may wait for behind, which it needs for a device"},
		},
		"its folder can't be made": {func(c *launcher.Config) { c.Backends[0].Folder += "/x/y" }, []string{"its own/x/y"}},
		"its socket can't be made": {func(c *launcher.Config) { c.Backends[0].Socket = "/nonexistent/socket" }, []string{"behind", "/nonexistent/socket"}},
		"its path is too long":     {func(c *launcher.Config) { c.Backends[0].Socket = "/" + strings.Repeat("x", 200) }, []string{"behind's socket", "1 to 107 bytes"}},
		"it has no name":           {func(c *launcher.Config) { c.Backends[0].Name = "" }, []string{`the backend's name ""`}},
		"a zero byte":              {func(c *launcher.Config) { c.Backends[0].Args[0] = "\x00" }, []string{"zero byte"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			config := aBackend(dir, untilKilled)
			config.Binary = qemutest.Binary(t, "x86_64")
			c.change(&config)
			_, err := launcher.Launch(t.Context(), config)
			for _, word := range c.words {
				require.ErrorContains(t, err, word)
			}
			left, err := filepath.Glob(filepath.Join(dir, "[ai]*"))
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

// TestABackendEndsWithUs, however we end.
func TestABackendEndsWithUs(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			within, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			child := exec.CommandContext(within, os.Args[0])
			child.Env = append(os.Environ(), childEnd+"=backend", "TMPDIR="+dir, "PATH="+asQEMU(t, qemutest.Binary(t, "x86_64"))+":"+os.Getenv("PATH"))
			_, err := child.StdinPipe()
			require.NoError(t, err)
			out, err := child.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, child.Start())
			output, err := bufio.NewReader(out).ReadString('\n')
			require.NoError(t, err)
			_, err = strconv.Atoi(strings.TrimSpace(output))
			require.NoError(t, err, output)
			pidfd, err := unix.PidfdOpen(pidOf(t, dir), 0)
			require.NoError(t, err)
			defer unix.Close(pidfd)
			require.NoError(t, child.Process.Signal(signal))
			_ = child.Wait()
			ended(t, pidfd)
		})
	}
}
