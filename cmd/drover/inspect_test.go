package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/stream"
)

// runInspect runs the command on a file, and returns its exit status and what it wrote.
func runInspect(ctx context.Context, stdin *os.File, args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	s := session{stdin: stdin, stdout: &out, stderr: &errs}
	status = s.execute(ctx, append([]string{"inspect"}, args...))
	return status, out.String(), errs.String()
}

// recordedStream writes a stream of a real QEMU into a file (README.md beside them).
func recordedStream(t testing.TB, name string) (path string) {
	t.Helper()
	packed, err := os.Open("../../migration/stream/testdata/streams/" + name + ".gz")
	require.NoError(t, err)
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	require.NoError(t, err)
	b, err := io.ReadAll(unpacked)
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, b, 0o600))
	return path
}

// TestInspectEndsWithItsContext wherever it waits: for who opens a FIFO, for who writes
// to it, for the rest of a stream.
func TestInspectEndsWithItsContext(t *testing.T) {
	half := recordedStream(t, "11.1")
	require.NoError(t, os.Truncate(half, 100_000))
	fifo := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	silent, writer, err := os.Pipe()
	require.NoError(t, err)
	defer silent.Close()
	defer writer.Close()
	slow, slower, err := os.Pipe()
	require.NoError(t, err)
	defer slow.Close()
	defer slower.Close()
	beginning, err := os.ReadFile(half)
	require.NoError(t, err)
	taken := make(chan struct{})
	go func() { // more than a pipe holds, so that somebody is reading when it is written
		defer close(taken)
		_, _ = slower.Write(beginning)
	}()
	for name, c := range map[string]struct {
		file  string
		stdin *os.File
		wait  <-chan struct{}
	}{
		"a FIFO that nobody opens":    {fifo, nil, nil},
		"a pipe that nobody writes":   {"-", silent, nil},
		"a pipe that stops in RAM":    {"-", slow, taken},
		"a file that is much to read": {half, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan int, 1)
			var said string
			if c.file == half {
				cancel()
			}
			go func() {
				status, _, errs := runInspect(ctx, c.stdin, c.file)
				said = errs
				ended <- status
			}()
			if c.wait != nil {
				<-c.wait
			}
			cancel()
			select {
			case status := <-ended:
				require.Equal(t, exitCannotRun, status)
				require.Contains(t, said, "interrupted")
			case <-time.After(10 * time.Second):
				t.Fatal("it goes on reading")
			}
		})
	}
}

// TestInspectWaitsForWhoWritesToAFIFO.
func TestInspectWaitsForWhoWritesToAFIFO(t *testing.T) {
	path := recordedStream(t, "7.2-none")
	fifo := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	go func() {
		b, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(fifo, b, 0o600) // which waits for who reads
		}
		if err != nil {
			t.Error(err)
		}
	}()
	status, out, errs := runInspect(t.Context(), nil, fifo)
	require.Equal(t, exitOK, status, errs)
	require.Contains(t, out, "no problems")
}

// TestARegularStandardInputIsReadInAnyPlace: a mapped-ram file needs that.
func TestARegularStandardInputIsReadInAnyPlace(t *testing.T) {
	path := recordedStream(t, "11.1-mapped-ram-ignore-shared")
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	status, out, errs := runInspect(t.Context(), f, "-")
	require.Equal(t, exitOK, status, errs)
	require.Regexp(t, `(?m)^ +1048576 +256 +0 +0 +0 +0 +0  r$`, out)
	require.Contains(t, out, "no problems")

	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer reader.Close()
	go func() {
		defer writer.Close()
		_, _ = io.Copy(writer, io.NewSectionReader(f, 0, 1<<20))
	}()
	status, out, _ = runInspect(t.Context(), reader, "-")
	require.Equal(t, exitFailed, status)
	require.Contains(t, out, "can be read from a file only")
}

// hostileName moves the cursor, sets the title, and writes a line of its own.
const hostileName = "\x1b]0;owned\a\x1b[2J\r\nno problems\n\x9b31m\u009b\u202e\x7f"

// hostileStream has that name wherever a stream has one.
func hostileStream() []byte {
	var b []byte
	u8 := func(v byte) { b = append(b, v) }
	u32 := func(v uint32) { b = binary.BigEndian.AppendUint32(b, v) }
	u64 := func(v uint64) { b = binary.BigEndian.AppendUint64(b, v) }
	name := func(s string) { u8(byte(len(s))); b = append(b, s...) }
	b = append(b, "QEVM\x00\x00\x00\x03\x07"...)
	u32(uint32(len(hostileName)))
	b = append(b, hostileName...)
	u8(5)
	name("configuration/capabilities")
	u32(1)
	u32(1)
	name(hostileName)
	b = append(b, "\x01\x00\x00\x00\x02\x03ram\x00\x00\x00\x00\x00\x00\x00\x04"...)
	u64(4096 | 4)
	name(hostileName)
	u64(4096)
	u64(0x02)
	name(hostileName)
	u8(0)
	u64(0x10)
	b = append(b, "\x7e\x00\x00\x00\x02\x03\x00\x00\x00\x02"...)
	u64(0x10)
	b = append(b, "\x7e\x00\x00\x00\x02\x04\x00\x00\x00\x03"...)
	name(hostileName)
	u32(0)
	u32(1)
	b = append(b, "\x01\x02\x7e\x00\x00\x00\x03\x00\x06"...)
	text, _ := json.Marshal(hostileName)
	description := `{"devices": [{"name": "lamp", "vmsd_name": "x", "version": 1, "fields": [{"name": ` + string(text) + `, "type": ` + string(text) + `, "size": 2}]}]}`
	description = strings.Replace(description, `"lamp"`, string(text), 1)
	u32(uint32(len(description)))
	return append(b, description...)
}

// requireShowable demands that a terminal shows each character, and obeys none.
func requireShowable(t testing.TB, text string) {
	t.Helper()
	at := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) })
	require.Negative(t, at, "%q", text)
}

// TestNamesInAStreamAreNotObeyedByATerminal, nor do they write lines of their own.
func TestNamesInAStreamAreNotObeyedByATerminal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a\x1b[2Jb\n")
	require.NoError(t, os.WriteFile(path, hostileStream(), 0o600))
	for _, args := range [][]string{{path}, {"-v", path}, {"-json", path}, {"-json", "-v", path}} {
		status, out, errs := runInspect(t.Context(), nil, args...)
		require.Empty(t, errs)
		require.Equal(t, exitFailed, status, "the name in JSON is another than that in the stream")
		requireShowable(t, out)
		require.NotContains(t, out, "\nno problems\n")
	}
	_, out, _ := runInspect(t.Context(), nil, "-json", path)
	var read struct{ Configuration stream.Configuration }
	require.NoError(t, json.Unmarshal([]byte(out), &read))
	require.Equal(t, strings.ToValidUTF8(hostileName, "\ufffd"), read.Configuration.Machine)

	require.NoError(t, os.WriteFile(path, []byte("\x1f\x8b"), 0o600))
	status, _, errs := runInspect(t.Context(), nil, path)
	require.Equal(t, exitCannotRun, status)
	requireShowable(t, errs)
	_, _, errs = runInspect(t.Context(), nil, path+"\x1b")
	requireShowable(t, errs)
}

// TestShellWordsAreReadByAShell as the name that they were made of.
func TestShellWordsAreReadByAShell(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash in PATH: install the package bash")
	}
	for _, name := range []string{
		"guest.mig", "a b", "it's", `"`, `\`, "$HOME", "`x`", "*", "-rf", "a\tb", "a\x1b[2J'\"\\ $x", "ü", "", "a\nb", "\u202e", "\x9b", "~",
	} {
		word := shellWord(name)
		requireShowable(t, word)
		require.NotContains(t, word, "\n")
		for _, locale := range []string{"C", "C.UTF-8"} {
			shell := exec.CommandContext(t.Context(), bash, "-c", "printf %s "+word)
			shell.Env = []string{"LC_ALL=" + locale}
			out, err := shell.Output()
			require.NoError(t, err, word)
			require.Equal(t, strings.TrimPrefix(name, "./"), strings.TrimPrefix(string(out), "./"), "%s in the locale %s", word, locale)
		}
	}
	require.Equal(t, "./-rf", shellWord("-rf"))
}

// FuzzInspect: whatever is in the file, what is printed is for a terminal to show only.
func FuzzInspect(f *testing.F) {
	for _, name := range []string{"7.2-none", "7.2-avr", "7.2-microvm"} {
		b, err := os.ReadFile(recordedStream(f, name))
		require.NoError(f, err)
		f.Add(b, true)
	}
	f.Add(hostileStream(), false)
	f.Add([]byte("LibvirtQemudSave\x02\x00\x00\x00\x04\x00\x00\x00"+strings.Repeat("\x00", 72)+"QEVM\x00\x00\x00\x03"), true)
	path := filepath.Join(f.TempDir(), "stream")
	f.Fuzz(func(t *testing.T, b []byte, asJSON bool) {
		require.NoError(t, os.WriteFile(path, b, 0o600))
		args := []string{"-v", path}
		if asJSON {
			args = append(args, "-json")
		}
		status, out, errs := runInspect(t.Context(), nil, args...)
		requireShowable(t, out)
		requireShowable(t, errs)
		require.Equal(t, status == exitCannotRun, errs != "", "%d %q", status, errs)
		if asJSON && status != exitCannotRun {
			require.True(t, json.Valid([]byte(out)))
		}
	})
}
