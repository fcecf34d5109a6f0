package stream_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/stream"
)

// TestZerosBehindTheStreamAreNoFault: the description is found before them.
func TestZerosBehindTheStreamAreNoFault(t *testing.T) {
	for _, name := range []string{"7.2", "11.1-suppress-vmdesc", "11.1-mapped-ram", "10.0-sparc64"} {
		b := recorded(t, name)
		want, err := readFile(b, stream.Options{})
		require.NoError(t, err)
		for _, n := range []int{1, 4095, 70_000, 3_000_000} {
			s, err := readFile(append(b[:len(b):len(b)], make([]byte, n)...), stream.Options{})
			require.NoError(t, err)
			require.Empty(t, s.Check())
			require.EqualValues(t, n, s.Trailing)
			require.True(t, s.TrailingZeros)
			require.Equal(t, want.Sections, s.Sections, "%s and %d zeros", name, n)
		}
	}
}

func TestAnythingElseBehindTheStreamIsAProblem(t *testing.T) {
	b := recorded(t, "7.2")
	for _, behind := range []string{"x", "\x00\x00x", "x\x00\x00", string(make([]byte, 300_000)) + "x" + string(make([]byte, 300_000))} {
		s, err := readFile(append(b[:len(b):len(b)], behind...), stream.Options{})
		require.NoError(t, err)
		require.Len(t, s.Check(), 1)
		require.Contains(t, s.Check()[0].What, "bytes stand behind the end")
		require.False(t, s.TrailingZeros)

		s, err = readFile(append(b[:len(b):len(b)], behind...), stream.Options{Volume: true})
		require.NoError(t, err)
		require.Empty(t, s.Check(), "a volume has what was on it before")
		require.Zero(t, s.Trailing)
	}
}

// counted counts what is read of a file.
type counted struct {
	*os.File
	read int64
}

func (c *counted) ReadAt(b []byte, at int64) (int, error) {
	n, err := c.File.ReadAt(b, at)
	c.read += int64(n)
	return n, err
}

// TestHolesOfAFileAreNotRead: a file that claims 100 GiB takes no longer than the
// stream in it.
func TestHolesOfAFileAreNotRead(t *testing.T) {
	const size = 100 << 30
	f, err := os.Create(filepath.Join(t.TempDir(), "sparse"))
	require.NoError(t, err)
	defer f.Close()
	b := recorded(t, "11.1")
	_, err = f.Write(b)
	require.NoError(t, err)
	if err := f.Truncate(size); err != nil {
		t.Skipf("the file system of %s has no room for a sparse file of 100 GiB: set TMPDIR to another (%v)", t.TempDir(), err)
	}
	const seekData = 3 // SEEK_DATA
	if at, err := f.Seek(size/2, seekData); err == nil && at == size/2 {
		t.Skipf("the file system of %s doesn't know where its files have holes: set TMPDIR to another", t.TempDir())
	}
	c := &counted{File: f}
	s, err := stream.ReadFile(c, size, stream.Options{})
	require.NoError(t, err)
	require.Empty(t, s.Check())
	require.EqualValues(t, size-len(b), s.Trailing)
	require.Less(t, c.read, int64(256<<20))

	_, err = f.WriteAt([]byte("x"), size-100<<20)
	require.NoError(t, err)
	s, err = stream.ReadFile(c, size, stream.Options{})
	require.NoError(t, err)
	require.Len(t, s.Check(), 1)
}

func TestZerosAtTheEndAreCounted(t *testing.T) {
	for _, c := range []struct{ from, data, zeros int }{
		{0, 0, 0}, {0, 0, 1}, {0, 1, 0}, {0, 1, 5000}, {0, 5000, 4096}, {0, 4096, 4096}, {0, 4097, 300_000}, {10, 10, 0}, {10, 11, 300_000}, {5, 5, 300_000}, {0, 300_000, 600_000},
	} {
		b := append(bytes.Repeat([]byte{1}, c.data), make([]byte, c.zeros)...)
		require.EqualValues(t, c.data, stream.ZerosAtEnd(bytes.NewReader(b), int64(c.from), int64(len(b))), "%+v", c)
	}
	b := make([]byte, 65<<20)
	require.EqualValues(t, len(b), stream.ZerosAtEnd(bytes.NewReader(b), 0, int64(len(b))), "more than are looked at")
	require.EqualValues(t, 100, stream.ZerosAtEnd(io.NewSectionReader(bytes.NewReader(b), 0, 50), 0, 100), "a file that has become shorter")
}
