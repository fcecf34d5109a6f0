package fleet

import (
	"archive/tar"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// TestMain is also the fake tools: this test's own program, started under
// their names.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "apt-get":
		os.Exit(fakeAptGet(os.Args[1:]))
	case "dpkg":
		fmt.Println("amd64")
		os.Exit(0)
	case "dpkg-deb":
		os.Exit(fakeDpkgDeb(os.Args[len(os.Args)-1]))
	}
	// A program built with the race detector otherwise ends a second late.
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0")
	goleak.VerifyTestMain(m)
}

// A fakeHost is a system with an apt whose tools are fakes, and no QEMU.
type fakeHost struct {
	fleet Fleet
	env   map[string]string
	root  string
}

// newFakeHost makes one. A file bin/fake-apt with "WORD TEXT" makes its apt-get
// fail with the text when the word is among its arguments, and hang if the
// text is "hang".
func newFakeHost(t *testing.T) *fakeHost {
	t.Helper()
	h := &fakeHost{root: t.TempDir()}
	h.env = map[string]string{
		"PATH":         h.dir(t, "bin"),
		"DROVER_CACHE": h.dir(t, "a user's cache"),
	}
	self, err := os.Executable()
	require.NoError(t, err)
	for _, tool := range []string{"apt-get", "dpkg", "dpkg-deb"} {
		require.NoError(t, os.Symlink(self, filepath.Join(h.env["PATH"], tool)))
	}
	h.write(t, "etc/os-release", "ID=debian\nVERSION_CODENAME=bookworm\n")
	h.write(t, "usr/share/keyrings/debian-archive-keyring.gpg", "keys")
	h.write(t, "etc/apt/sources.list.d/debian.sources", "Types: deb deb-src\nURIs: http://mirror.test/debian\nSuites: bookworm bookworm-updates\nComponents: main\n")
	h.fleet = Fleet{Env: func(name string) string { return h.env[name] }, system: h.root}
	return h
}

func (h *fakeHost) dir(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(h.root, name)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	return dir
}

func (h *fakeHost) write(t *testing.T, name, text string) string {
	t.Helper()
	return h.writeMode(t, name, text, 0o644)
}

// program writes a script that may be run.
func (h *fakeHost) program(t *testing.T, name string) string {
	t.Helper()
	return h.writeMode(t, name, "#!/bin/sh\necho QEMU emulator version 0.0.0\n", 0o755)
}

func (h *fakeHost) writeMode(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(h.root, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), mode))
	return path
}

// fakePackages are what the fake mirror carries.
func fakePackages() map[string][]string {
	return map[string][]string{
		"qemu-system-x86":         {"usr/bin/qemu-system-x86_64", "usr/bin/qemu-system-i386", "usr/share/qemu/bios.bin", "usr/share/doc/x/y", "etc/z"},
		"linux-image-cloud-amd64": {"boot/vmlinuz-6.1.0-fake", "boot/config-6.1.0-fake", "lib/modules/6.1.0-fake/kernel/virtio.ko", "usr/share/doc/x/y"},
		"linux-image-amd64":       {"boot/vmlinuz-6.1.0-full", "lib/modules/6.1.0-full/kernel/ahci.ko"},
		"linux-image-s390x":       {"boot/config-6.1.0-fake"},
		"qemu-system-ppc":         {"usr/bin/qemu-system-ppc64", "usr/share/qemu/slof.bin"},
	}
}

var configLine = regexp.MustCompile(`(?m)^Dir::Cache::archives "(.*)";$`)

// fakeAptGet does what the package asks of apt-get.
func fakeAptGet(args []string) int {
	config, err := os.ReadFile(args[1])
	if err != nil || args[0] != "-c" {
		fmt.Fprintln(os.Stderr, "E: no configuration", err)
		return 100
	}
	archives := configLine.FindStringSubmatch(string(config))[1]
	script, _ := os.ReadFile(filepath.Join(filepath.Dir(os.Args[0]), "fake-apt"))
	if word, text, ok := strings.Cut(string(script), " "); ok && slices.Contains(args, word) {
		if text == "hang" {
			time.Sleep(time.Hour) // until it is killed
		}
		fmt.Fprintln(os.Stderr, text)
		return 100
	}
	name := args[len(args)-1]
	files, ok := fakePackages()[name]
	content := []byte(strings.Join(files, "\n"))
	hash, err := os.ReadFile(filepath.Join(filepath.Dir(os.Args[0]), "fake-hash")) // another one than it has
	if err != nil {
		hash = fmt.Appendf(nil, "SHA256:%x", sha256.Sum256(content))
	}
	switch {
	case slices.Contains(args, "update"):
		return 0
	case !ok:
		fmt.Fprintln(os.Stderr, "E: Unable to locate package "+name)
		return 100
	case slices.Contains(args, "--print-uris"):
		fmt.Printf("Reading package lists...\n'http://mirror.test/pool/%s.deb' %s_1%%3a2_amd64.deb 1000 %s\n", name, name, hash)
		return 0
	}
	status := os.NewFile(3, "status")
	fmt.Fprintln(status, "dlstatus:1:50.0000:Retrieving file 1 of 1")
	file := filepath.Join(archives, name+"_1%3a2_amd64.deb")
	if info, err := os.Stat(file); err == nil && info.Size() == int64(len(content)) {
		return 0 // for good, as apt does
	}
	if err := os.WriteFile(file, content, 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "E:", err)
		return 100
	}
	return 0
}

// fakeDpkgDeb writes the archive of a package that the fake apt-get fetched.
func fakeDpkgDeb(file string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		fmt.Fprintln(os.Stderr, "dpkg-deb: error:", err)
		return 2
	}
	if strings.HasPrefix(string(text), "X") {
		fmt.Fprintln(os.Stderr, "dpkg-deb: error: decompressing archive: lzma error")
		return 2
	}
	archive := tar.NewWriter(os.Stdout)
	for name := range strings.SplitSeq(string(text), "\n") {
		body := "#!/bin/sh\necho QEMU emulator version 7.2.0 \"$@\"\n"
		_ = archive.WriteHeader(&tar.Header{Name: "./" + name, Mode: 0o4755, Size: int64(len(body)), Typeflag: tar.TypeReg})
		_, _ = io.WriteString(archive, body)
	}
	_ = archive.Close()
	return 0
}
