package plain

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// A Writer makes what is written to it fit to be printed, newlines and tabs kept, and
// writes it on. It is for what is put together from many pieces, JSON among them: what
// JSON may hold unescaped (DEL, C1, format characters) becomes an escape that JSON reads
// as the same character (\u202e); what valid JSON never holds becomes a Go escape.
//
// It is safe for concurrent use. A character may come in pieces; Flush writes the
// beginning of one whose rest never came.
type Writer struct {
	mu   sync.Mutex
	to   io.Writer
	part []byte // the beginning of a character
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{to: w} }

// Write returns len(p), and the error of the writer below.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := p
	if len(w.part) > 0 {
		text = append(w.part, p...)
		w.part = nil
	}
	if n := Unfinished(text); n > 0 {
		w.part = append([]byte(nil), text[len(text)-n:]...)
		text = text[:len(text)-n]
	}
	if err := w.write(text); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes what is held back.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	part := w.part
	w.part = nil
	return w.write(part)
}

func (w *Writer) write(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	_, err := w.to.Write(escaped(text))
	return err
}

// escaped returns text itself where nothing in it has to be escaped.
func escaped(text []byte) []byte {
	var out []byte
	kept := 0 // of text, in out
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		word := ""
		switch {
		case r == utf8.RuneError && size == 1:
			word = fmt.Sprintf(`\x%02x`, text[i])
		case r == '\n' || r == '\t' || unicode.IsGraphic(r):
		case r < ' ':
			word, _ = next(string(r), false)
		default:
			word = jsonEscape(r)
		}
		if word != "" {
			out = append(append(out, text[kept:i]...), word...)
			kept = i + size
		}
		i += size
	}
	if kept == 0 {
		return text
	}
	return append(out, text[kept:]...)
}

func jsonEscape(r rune) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune{r}) {
		fmt.Fprintf(&b, `\u%04x`, unit)
	}
	return b.String()
}

// Unfinished returns how many bytes at the end of text are the beginning of a character.
func Unfinished(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if tail := text[len(text)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}
