package launcher_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher"
)

func TestWhatCannotStartSaysWhyInOneSentence(t *testing.T) {
	notExecutable := filepath.Join(t.TempDir(), "qemu-system-x86_64")
	require.NoError(t, os.WriteFile(notExecutable, nil, 0o600))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = taken.Close() }) // the subtests run after this function
	empty := t.TempDir()
	serve := "socket,id=c,server=on,wait=off,host=127.0.0.1,port=" + fmt.Sprint(taken.Addr().(*net.TCPAddr).Port)
	for _, binary := range qemutest.Binaries(t, "x86_64") {
		version := qemutest.Version(t, binary)
		for _, c := range []struct {
			what   string
			config launcher.Config
			words  []string
		}{
			{"not in PATH", launcher.Config{Binary: "qemu-system-nothing"}, []string{"qemu-system-nothing", "not in PATH"}},
			{"not there", launcher.Config{Binary: "/nowhere/qemu"}, []string{"/nowhere/qemu"}},
			{"not executable", launcher.Config{Binary: notExecutable}, []string{notExecutable, "executed"}},
			{"not QEMU", launcher.Config{Binary: "/bin/true"}, []string{"/bin/true"}},
			{"not QEMU either", launcher.Config{Binary: "/bin/sleep"}, []string{"/bin/sleep"}},
			{"a name with a slash", launcher.Config{Binary: binary, Name: "../vm"}, []string{"../vm", "slashes"}},
			{"negative memory", launcher.Config{Binary: binary, MemoryMiB: -1}, []string{"-1 MiB"}},
			{"a long path to attach to", launcher.Config{Binary: binary, Attach: "/" + strings.Repeat("a", 107)}, []string{"108 bytes", "shorter"}},
			{"a folder that isn't there", launcher.Config{Binary: binary, Dir: "/nowhere"}, []string{"/nowhere"}},
			{"unknown machine", launcher.Config{Binary: binary, Machine: "nonsense"}, []string{"before its monitor answered", "nonsense", "-machine help"}},
			{"unknown accelerator", launcher.Config{Binary: binary, Accel: "nonsense"}, []string{"before its monitor answered", "nonsense", "-accel help"}},
			{"unknown option", launcher.Config{Binary: binary, Args: []string{"-nonsense"}}, []string{"nonsense"}},
			{"unknown device", launcher.Config{Binary: binary, Args: []string{"-device", "nonsense"}}, []string{"nonsense", "-device help"}},
			{"too much memory", launcher.Config{Binary: binary, MemoryMiB: 1 << 26}, []string{"less memory"}},
			{"firmware missing", launcher.Config{Binary: binary, Args: []string{"-bios", "nothing.bin"}}, []string{"nothing.bin", "install the firmware"}},
			{"option ROM missing", launcher.Config{Binary: binary, Args: []string{"-device", "e1000,romfile=nothing.rom"}}, []string{"nothing.rom", "romfile="}},
			{"address in use", launcher.Config{Binary: binary, Args: []string{"-chardev", serve}}, []string{"in use", "port (0)"}},
			{"a socket without a folder", launcher.Config{Binary: binary, Attach: filepath.Join(empty, "nowhere", "a")}, []string{"nowhere"}},
			{"a disk that isn't there", launcher.Config{Binary: binary, Args: []string{"-drive", "file=/nowhere/disk.img,format=raw"}}, []string{"/nowhere/disk.img"}},
		} {
			t.Run(version+"/"+c.what, func(t *testing.T) {
				t.Parallel()
				vm, err := launcher.Launch(t.Context(), c.config)
				require.Nil(t, vm)
				for _, word := range c.words {
					require.ErrorContains(t, err, word)
				}
				require.NotContains(t, err.Error(), "\n")
			})
		}
	}
}

func TestWhyIsSaidWithoutWaitingForTheStart(t *testing.T) {
	binary := qemutest.Binary(t, "x86_64")
	began := time.Now()
	_, err := launcher.Launch(t.Context(), launcher.Config{Binary: binary, Machine: "nonsense"})
	require.Error(t, err)
	require.Less(t, time.Since(began), testPatience)
}

// What can't be had everywhere is printed by a stand-in, as a QEMU prints it.
func TestRemediesForWhatQEMUSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ message, way string }{
		{"Could not access KVM kernel module: Permission denied", "group kvm"},
		{"Could not access KVM kernel module: No such file or directory", "try the accelerator tcg"},
		{"qemu-system-x86_64: -accel kvm: failed to initialize kvm: Permission denied", "group kvm"},
		{"qemu-system-x86_64: -machine accel=kvm: failed to initialize kvm: Device or resource busy", "try the accelerator tcg"},
		{"qemu-system-x86_64: -drive file=a: Could not open 'a': Permission denied", "right to that file"},
		{"qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory", "less memory"},
		{"qemu-system-x86_64: could not load PC BIOS 'bios-256k.bin'", "seabios"},
		{"qemu-system-x86_64: -D log: No space left on device", "make room"},
		{`qemu-system-x86_64: -drive file=a: Failed to get "write" lock`, "overlay"},
		{"qemu-system-x86_64: failed to install seccomp syscall filter in the kernel: Operation not permitted", "Sandbox"},
		{"qemu-system-x86_64: -nographic -m 1G: invalid option", "an element of its own"},
		{"qemu-system-x86_64: -nographics: invalid option", ""},
		{"something that nobody has seen", ""},
	} {
		_, err := launcher.Launch(t.Context(), launcher.Config{Binary: likeQEMU(t, "cat >&2 <<'EOF'\n"+c.message+"\nEOF\nexit 1\n")})
		require.ErrorContains(t, err, c.message)
		require.ErrorContains(t, err, c.way)
	}
}
