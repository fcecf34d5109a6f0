package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
)

// JSONLine writes a value as JSON, on one line. What a terminal would obey is escaped in it,
// control characters beyond ASCII too. In place of a value that JSON doesn't know it writes
// an object whose Error says so, and returns that error; else it returns that of writing.
func JSONLine(w io.Writer, value any) error {
	var line bytes.Buffer
	wrong := json.NewEncoder(&line).Encode(value)
	if wrong != nil {
		wrong = fmt.Errorf("report: %T can't be written as JSON: %w", value, wrong)
		line.Reset()
		if err := json.NewEncoder(&line).Encode(struct{ Error string }{wrong.Error()}); err != nil {
			return errors.Join(wrong, err)
		}
	}
	_, err := w.Write(printable(line.Bytes()))
	return errors.Join(wrong, err)
}

// printable escapes, in JSON, what encoding/json leaves as it is and is not to be seen.
func printable(line []byte) []byte {
	unseen := func(r rune) bool { return r >= 0x7f && !unicode.IsGraphic(r) }
	if bytes.IndexFunc(line, unseen) < 0 {
		return line
	}
	var out bytes.Buffer
	for _, r := range string(line) {
		switch {
		case !unseen(r):
			out.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.Bytes()
}
