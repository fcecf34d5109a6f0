// Package plain makes text that came from elsewhere fit to be printed: what a QEMU
// wrote, what a file is called, what a record holds. A terminal obeys control
// characters whoever wrote them; here they become Go escapes (\x1b, \n, \u202e), and
// are read instead of obeyed.
package plain

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text returns s as one line of printable characters. What isn't printable becomes a Go
// escape: control characters (C0 with tab and newline, DEL, C1), bytes that are no
// UTF-8, format characters as those that change the direction of text, line separators,
// and what is private or unassigned. Printable text, blanks and backslashes stay as they
// are; so Text(Text(s)) is Text(s).
func Text(s string) string {
	if i := unfit(s, false); i == len(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for s != "" {
		word, size := next(s, false)
		b.WriteString(word)
		s = s[size:]
	}
	return b.String()
}

// Lines is Text for text of several lines: newlines and tabs stay. "\r\n" is a newline.
func Lines(s string) string {
	if i := unfit(s, true); i == len(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for s != "" {
		word, size := next(s, true)
		b.WriteString(word)
		s = s[size:]
	}
	return b.String()
}

// Cut is Text of at most n bytes. Longer text is cut between two characters, and an
// ellipsis and the length of s follow: "aaaa… (70000 bytes)". It takes time and memory
// for n bytes, however long s is.
func Cut(s string, n int) string {
	var b strings.Builder
	for rest := s; rest != ""; {
		word, size := next(rest, false)
		if b.Len()+len(word) > n {
			return b.String() + fmt.Sprintf("… (%d bytes)", len(s))
		}
		b.WriteString(word)
		rest = rest[size:]
	}
	return b.String()
}

// unfit is the place of the first character that doesn't stay as it is.
func unfit(s string, lines bool) int {
	for i := 0; i < len(s); {
		word, size := next(s[i:], lines)
		if word != s[i:i+size] {
			return i
		}
		i += size
	}
	return len(s)
}

// next returns what is printed for the character that s begins with, and its size in s.
func next(s string, lines bool) (word string, size int) {
	r, size := utf8.DecodeRuneInString(s)
	switch {
	case r == utf8.RuneError && size == 1: // no UTF-8
		return fmt.Sprintf(`\x%02x`, s[0]), 1
	case lines && (r == '\n' || r == '\t'):
		return s[:1], 1
	case lines && strings.HasPrefix(s, "\r\n"):
		return "\n", 2
	case unicode.IsGraphic(r):
		return s[:size], size
	}
	quoted := strconv.QuoteRune(r)
	return quoted[1 : len(quoted)-1], size
}
