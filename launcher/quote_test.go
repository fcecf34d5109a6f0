package launcher_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"
)

// awkward are names of files that mean something else somewhere.
func awkward() map[string]string {
	return map[string]string{
		"comma":         "a,b,,c,share=on",
		"equals":        "a=b",
		"blank":         " a  b ",
		"quote":         `it's "quoted"`,
		"backslash":     `a\nb\`,
		"bracket":       "a[b]{c}(d)",
		"star":          "*?!",
		"shell":         "$(id) `id` ;&|<>#~",
		"percent":       "%s%n%d",
		"colon":         "nbd:a:b",
		"dash":          "-S",
		"line's end":    "a\nb\r",
		"own script":    "größe",
		"json":          `{"a": 1}`,
		"no UTF-8":      "a\xff\xfeb",
		"control codes": "a\x01\x1b[2Jb",
	}
}

func TestOptionsAreEscapedWhateverAPathHolds(t *testing.T) {
	for _, binary := range qemutest.Binaries(t, "x86_64") {
		for name, file := range awkward() {
			t.Run(qemutest.Version(t, binary)+" "+name, func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(short(t), file)
				require.NoError(t, os.Mkdir(dir, 0o700))
				attach, log := filepath.Join(dir, "q"), filepath.Join(dir, file)
				vm := launch(t, launcher.Config{
					Binary: binary, Machine: "none", Name: strings.ReplaceAll(file, "/", "-"), Dir: dir, Attach: attach,
					Args:    []string{"-chardev", launcher.Option("file", "id", "log", "path", log)},
					Secrets: map[string][]byte{"s": []byte("secret")},
				})
				require.FileExists(t, log)
				second, err := qmp.Dial(t.Context(), "unix", attach, qmp.Options{})
				require.NoError(t, err)
				require.NoError(t, second.Close())
				require.NoError(t, vm.SaveCommand(dir))
			})
		}
	}
}

func TestMonitorReadsBackWhatIsQuoted(t *testing.T) {
	for _, binary := range qemutest.Binaries(t, "x86_64") {
		t.Run(qemutest.Version(t, binary), func(t *testing.T) {
			vm := launch(t, launcher.Config{Binary: binary})
			dir := t.TempDir()
			for name, file := range awkward() {
				if name == "no UTF-8" {
					continue
				}
				path := filepath.Join(dir, file)
				answer, err := qapi.HumanMonitor(t.Context(), vm.QMP(), "pmemsave 0 16 "+launcher.MonitorQuote(path))
				require.NoError(t, err)
				require.Empty(t, answer, name)
				require.FileExists(t, path, name)
			}
		})
	}
}

func TestShellReadsBackWhatIsQuoted(t *testing.T) {
	words := []string{"", "plain", "-x"}
	for _, word := range awkward() {
		words = append(words, word)
	}
	out, err := exec.Command("/bin/sh", "-c", `printf '<%s>' `+launcher.ShellQuote(words...)).Output()
	require.NoError(t, err)
	require.Equal(t, "<"+strings.Join(words, "><")+">", string(out))
}

func TestCommandLineThatIsSavedStartsTheSame(t *testing.T) {
	for name, file := range awkward() {
		dir := t.TempDir()
		vm := launch(t, launcher.Config{
			Machine: "none", Name: file,
			Args: []string{"-chardev", launcher.Option("file", "id", "log", "path", filepath.Join(dir, file+".log"))},
		})
		// What QEMU inherits is replaced by what it makes itself: only the quoting is tried here.
		line := strings.Replace(vm.ShellCommand(), vm.Binary(), "printf '%s\\0'", 1)
		require.NotEqual(t, vm.ShellCommand(), line)
		out, err := exec.Command("/bin/sh", "-c", line).Output()
		require.NoError(t, err, name)
		words := strings.Split(string(out), "\x00")
		require.Contains(t, words, "guest="+launcher.Escape(file)+",debug-threads=on", name)
		require.Contains(t, words, launcher.Option("file", "id", "log", "path", filepath.Join(dir, file+".log")), name)
	}
}

func TestOptionIsWrittenAsQEMUReadsIt(t *testing.T) {
	require.Equal(t, "memory-backend-file,id=ram,mem-path=/a,,b=c,share", launcher.Option("memory-backend-file", "id", "ram", "mem-path", "/a,b=c", "share"))
	require.Equal(t, "path=x", launcher.Option("", "path", "x"))
	require.Equal(t, "tcg", launcher.Option("tcg"))
}

func TestZeroByteInACommandLineIsRefused(t *testing.T) {
	_, err := launcher.Launch(t.Context(), launcher.Config{Args: []string{"-name", "a\x00b"}})
	require.ErrorContains(t, err, "zero byte")
	_, err = launcher.Launch(t.Context(), launcher.Config{Machine: "a\x00b"})
	require.ErrorContains(t, err, "zero byte")
}
