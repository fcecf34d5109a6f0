package plain

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestTextIsOneLineThatATerminalOnlyShows(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"printable", "precopy/unix/plain: 2 pages, 100 %", "precopy/unix/plain: 2 pages, 100 %"},
		{"other scripts", "Fläche, 画面, שלום, e\u0301", "Fläche, 画面, שלום, e\u0301"},
		{"blanks of other scripts", "a\u00a0b\u3000c", "a\u00a0b\u3000c"},
		{"a backslash", `C:\x1b`, `C:\x1b`},
		{"a colour", "\x1b[31mred", `\x1b[31mred`},
		{"a title", "\x1b]0;owned\a", `\x1b]0;owned\a`},
		{"newline, return and tab", "a\r\nb\tc\v\f\b", `a\r\nb\tc\v\f\b`},
		{"nul and delete", "a\x00b\x7f", `a\x00b\x7f`},
		{"C1 as a character", "\u009b31m\u0085", `\u009b31m\u0085`},
		{"C1 as a byte", "\x9b31m", `\x9b31m`},
		{"no UTF-8", "a\xff\xc3(", `a\xff\xc3(`},
		{"an overlong slash", "\xc0\xaf", `\xc0\xaf`},
		{"half a surrogate", "\xed\xa0\x80", `\xed\xa0\x80`},
		{"the replacement character", "\ufffd", "\ufffd"},
		{"a direction", "a\u202egnp.exe\u2066\u200f", `a\u202egnp.exe\u2066\u200f`},
		{"no width", "a\u200bb\u200dc\u00ad\ufeff", `a\u200bb\u200dc\u00ad\ufeff`},
		{"line separators", "a\u2028b\u2029", `a\u2028b\u2029`},
		{"private and unassigned", "\ue000\u0378\U000e0041\U0010ffff", `\ue000\u0378\U000e0041\U0010ffff`},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, Text(c.text))
			require.Equal(t, c.want, Text(Text(c.text)))
		})
	}
}

func TestLinesKeepsNewlinesAndTabs(t *testing.T) {
	require.Equal(t, "a\tb\nc\\x1b[2J\n", Lines("a\tb\nc\x1b[2J\n"))
	require.Equal(t, "a\nb\n\\rc\\r", Lines("a\r\nb\r\n\rc\r"))
	require.Equal(t, "", Lines(""))
}

func TestCutSaysHowLongTheTextIs(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		want string
	}{
		{"", 0, ""},
		{"four", 4, "four"},
		{"four", 3, "fou… (4 bytes)"},
		{"four", 0, "… (4 bytes)"},
		{"four", -1, "… (4 bytes)"},
		{"aü", 2, "a… (3 bytes)"},          // no character is cut
		{"a\x1b[", 4, "a… (3 bytes)"},      // nor an escape
		{"a\x1b[", 6, `a\x1b[`},            // what is printed counts
		{"\xff\xfe", 4, `\xff… (2 bytes)`}, // also of bytes that are no UTF-8
		{strings.Repeat("a", 1<<20), 3, "aaa… (1048576 bytes)"},
	} {
		require.Equal(t, c.want, Cut(c.text, c.n), "%.20q of %d", c.text, c.n)
	}
}

// FuzzPlain: whatever comes in, no control character goes out.
func FuzzPlain(f *testing.F) {
	for _, s := range []string{"plain", "\x1b[2J\r\n\t", "\x9b\xff", "\u202e\u009b", "\xed\xa0\x80\xf4\x90\x80\x80", "\xe2\x80", "aü\U0010ffff"} {
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, s string, n int) {
		text, lines, cut := Text(s), Lines(s), Cut(s, n)
		requirePlain(t, text, "")
		requirePlain(t, lines, "\n\t")
		requirePlain(t, cut, "")
		require.Equal(t, text, Text(text))
		require.Equal(t, lines, Lines(lines))
		if s == "" || len(text) <= n {
			require.Equal(t, text, cut)
			return
		}
		at := strings.LastIndex(cut, "… (")
		require.True(t, at >= 0 && at <= max(n, 0) && strings.HasPrefix(text, cut[:at]), "%q of %q", cut, text)
	})
}

func requirePlain(t *testing.T, s, but string) {
	t.Helper()
	require.True(t, utf8.ValidString(s), "%q", s)
	for _, r := range s {
		require.True(t, unicode.IsGraphic(r) || strings.ContainsRune(but, r), "%U in %q", r, s)
	}
}
