package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
)

// JSONLine writes a value as JSON, on one line. What a terminal would obey is escaped in it,
// control characters beyond ASCII too. In place of a value that JSON doesn't know it writes
// an object whose Error says so.
func JSONLine(w io.Writer, value any) {
	var line bytes.Buffer
	if err := json.NewEncoder(&line).Encode(value); err != nil {
		line.Reset()
		_ = json.NewEncoder(&line).Encode(struct{ Error string }{err.Error()})
	}
	_, _ = w.Write(printable(line.Bytes()))
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
