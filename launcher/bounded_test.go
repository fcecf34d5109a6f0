package launcher_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/fakeprocess"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/protocol/transcript"
)

// keptBytes is enough for nothing that these tests write.
const keptBytes = 3000

// cutAt reads a file of a stream that was cut off, and returns what was kept of it.
func cutAt(t *testing.T, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	require.LessOrEqual(t, len(data), keptBytes+300, "%s has a bound", name)
	require.Equal(t, 1, bytes.Count(data, []byte("drover: cut off here; the first 3000 bytes are kept")), "%s", name)
	lines := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	require.Contains(t, string(lines[len(lines)-1]), "cut off here", "%s: nothing is written behind the cut", name)
	return data
}

func TestEveryStreamThatIsKeptHasABound(t *testing.T) {
	dir := t.TempDir()
	output := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	written := make(chan error, 1)
	vm := onFake(t, launcher.Config{Dir: dir, KeptBytes: keptBytes}, func(p *fakeprocess.Process) {
		go func() {
			_, err := p.Console.Write(output)
			written <- err
		}()
	})
	require.NoError(t, <-written, "the guest is not held up")
	_, err := vm.Console().WaitFunc(t.Context(), 0, "all of it", func([]byte) (int, error) {
		return int(vm.Console().Mark()/int64(len(output))) - 1, nil
	})
	require.NoError(t, err)
	for range 200 {
		require.NoError(t, vm.QMP().Execute(t.Context(), "query-status", nil, nil))
		_, err := vm.QTest().Readl(t.Context(), 0)
		require.NoError(t, err)
	}
	require.NoError(t, vm.Close())

	console := cutAt(t, dir, "vm.console")
	require.Equal(t, output[:keptBytes], console[:keptBytes])
	cast := bufio.NewScanner(bytes.NewReader(cutAt(t, dir, "vm.console.cast")))
	for cast.Scan() {
		require.True(t, json.Valid(cast.Bytes()), "%s", cast.Bytes())
	}
	require.NoError(t, cast.Err())
	for _, name := range []string{"vm.qmp", "vm.qtest"} {
		messages, err := transcript.Read(bytes.NewReader(cutAt(t, dir, name)))
		require.NoError(t, err, "no message is cut in two")
		require.NotEmpty(t, messages)
	}
}

func TestErrorOutputWithoutEndIsDrainedAndCutOff(t *testing.T) {
	dir := t.TempDir()
	binary := likeQEMU(t, "yes flood | head -c 20000000 >&2; echo the last line >&2; exit 3")
	_, err := launcher.Launch(t.Context(), launcher.Config{Binary: binary, Dir: dir, KeptBytes: keptBytes})
	require.ErrorContains(t, err, "exit status 3")
	require.ErrorContains(t, err, "the last line", "the end of it is in memory")
	require.True(t, strings.HasPrefix(string(cutAt(t, dir, "vm.stderr")), "flood\nflood\n"))
}

func TestStreamsThatFitAreKeptWhole(t *testing.T) {
	dir := t.TempDir()
	vm := onFake(t, launcher.Config{Dir: dir}, func(p *fakeprocess.Process) {
		go func() { _, _ = p.Console.Write([]byte("hello")) }()
	})
	_, err := vm.Console().Wait(t.Context(), 0, "hello")
	require.NoError(t, err)
	require.NoError(t, vm.Close())
	for _, name := range []string{"vm.console", "vm.console.cast", "vm.stderr", "vm.qmp", "vm.qtest"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.NotContains(t, string(text), "cut off")
	}
	console, err := os.ReadFile(filepath.Join(dir, "vm.console"))
	require.NoError(t, err)
	require.Equal(t, "hello", string(console))

	_, err = launcher.Launch(t.Context(), launcher.Config{KeptBytes: -1})
	require.ErrorContains(t, err, "must not be negative")
}

func TestFloodThatGoesOnEndsWithTheStart(t *testing.T) {
	dir := t.TempDir()
	_, err := launcher.Launch(t.Context(), launcher.Config{
		Binary: likeQEMU(t, "exec yes >&2"), Dir: dir, KeptBytes: keptBytes, StartTimeout: 300 * time.Millisecond,
	})
	require.ErrorAs(t, err, new(*launcher.SlowStartError))
	cutAt(t, dir, "vm.stderr")
}
