package asm

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// gnu assembles a source with GNU as, or skips the test where there is none.
func gnu(t testing.TB, source string) []byte {
	t.Helper()
	for _, tool := range []string{"as", "objcopy"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("compares with GNU as and objcopy, and there is no %s here: install binutils", tool)
		}
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(at("source.s"), []byte(source), 0o644))
	for _, command := range [][]string{
		{"as", "--32", "--fatal-warnings", "-o", at("object.o"), at("source.s")},
		{"objcopy", "-O", "binary", "-j", ".text", at("object.o"), at("image")},
	} {
		out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
		require.NoError(t, err, "%s: %s", command, out)
	}
	image, err := os.ReadFile(at("image"))
	require.NoError(t, err)
	return image
}

// requireSameAsGNU holds our bytes against those of GNU as, which also has what
// a leading .org skips. On a difference it names the line.
func requireSameAsGNU(t testing.TB, source string) {
	t.Helper()
	image, err := Assemble("source.s", []byte(source))
	require.NoError(t, err)
	theirs := gnu(t, source)
	require.GreaterOrEqual(t, len(theirs), image.Origin)
	theirs = theirs[image.Origin:]
	if bytes.Equal(theirs, image.Bytes) {
		return
	}
	lines := bytes.Split([]byte(source), []byte("\n"))
	for _, l := range image.Lines {
		at := l.Address - image.Origin
		end := min(at+len(l.Bytes), len(theirs))
		require.Equal(t, theirs[min(at, end):end], l.Bytes, "line %d: %s", l.Number, lines[l.Number-1])
	}
	require.Equal(t, theirs, image.Bytes)
}
