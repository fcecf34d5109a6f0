package plain

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// written is what a Writer makes of pieces.
func written(t require.TestingT, pieces ...string) string {
	var b strings.Builder
	w := NewWriter(&b)
	for _, p := range pieces {
		n, err := w.Write([]byte(p))
		require.NoError(t, err)
		require.Equal(t, len(p), n)
	}
	require.NoError(t, w.Flush())
	return b.String()
}

func TestWriterKeepsLinesAndEscapesTheRest(t *testing.T) {
	require.Equal(t, "a\tb\nFläche\n", written(t, "a\tb\n", "Fläche\n"))
	require.Equal(t, `\x1b[2J\r\x00\a`, written(t, "\x1b[2J\r\x00\a"))
	require.Equal(t, `\u009b31m\u007f\u202e\ue000`, written(t, "\u009b31m\x7f\u202e\ue000"))
	require.Equal(t, `\x9b31m\xff`, written(t, "\x9b31m\xff"))
	require.Equal(t, `\udb40\udc41\udbff\udfff`, written(t, "\U000e0041\U0010ffff"))
}

func TestWriterPutsCharactersTogether(t *testing.T) {
	require.Equal(t, "ü画😀", written(t, "\xc3", "\xbc\xe7", "\x94", "\xbb\xf0", "\x9f\x98", "\x80"))
	require.Equal(t, `\u009b`, written(t, "\xc2", "\x9b"))
	require.Equal(t, `a\xe7\x94`, written(t, "a\xe7", "\x94"), "whose end never came")
	require.Equal(t, `\xe7\x94b`, written(t, "\xe7\x94", "b"))
}

func TestWriterPassesTheErrorOn(t *testing.T) {
	w := NewWriter(failing{})
	_, err := w.Write([]byte("a"))
	require.ErrorIs(t, err, errFull)
	n, err := NewWriter(failing{}).Write(nil)
	require.NoError(t, err, "nothing is nothing to fail with")
	require.Zero(t, n)
}

var errFull = errors.New("full")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errFull }

// TestWriterLeavesJSONTheSameValue: C1, DEL and bidi controls are raw in what
// encoding/json writes.
func TestWriterLeavesJSONTheSameValue(t *testing.T) {
	value := "\x1b[2J\x7f\u009b31m\u202e\u2028\U000e0041\\u009b\"ü"
	text, err := json.Marshal(value)
	require.NoError(t, err)
	require.Contains(t, string(text), "\u009b")
	plain := written(t, string(text))
	requirePlain(t, plain, "")
	var back string
	require.NoError(t, json.Unmarshal([]byte(plain), &back))
	require.Equal(t, value, back)
}

// FuzzWriter: no control character goes out however the text is cut, and JSON keeps
// its value.
func FuzzWriter(f *testing.F) {
	f.Add("plain\n\ttext", 3)
	f.Add("\x1b[2J\u009b\x9b\xff\u202e\U000e0041", 5)
	f.Fuzz(func(t *testing.T, s string, at int) {
		at = min(max(at, 0), len(s))
		whole := written(t, s)
		requirePlain(t, whole, "\n\t")
		require.Equal(t, whole, written(t, s[:at], s[at:]))
		var bytewise bytes.Buffer
		w := NewWriter(&bytewise)
		_, err := io.Copy(w, iotest.OneByteReader(strings.NewReader(s)))
		require.NoError(t, errors.Join(err, w.Flush()))
		require.Equal(t, whole, bytewise.String())

		text, err := json.Marshal(s)
		require.NoError(t, err)
		var want, got string
		require.NoError(t, json.Unmarshal(text, &want))
		require.NoError(t, json.Unmarshal([]byte(written(t, string(text))), &got))
		require.Equal(t, want, got)
	})
}
