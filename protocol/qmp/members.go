package qmp

import (
	"bytes"
	"encoding/json"
	"iter"
	"unicode/utf8"
)

// members iterates over the members of an object that is valid JSON: over what
// is between the quotes of a name, unless that is escaped, and over values as they
// are there. Both are parts of the object.
func members(object []byte) iter.Seq2[[]byte, json.RawMessage] {
	return func(yield func([]byte, json.RawMessage) bool) {
		for i := blank(object, 1); object[i] == '"'; i = blank(object, i+1) {
			end := i + length(object[i:])
			name := object[i+1 : end-1]
			if bytes.IndexByte(name, '\\') >= 0 {
				plain, _ := text(object[i:end])
				name = []byte(plain)
			}
			i = blank(object, blank(object, end)+1) // over the colon
			end = i + length(object[i:])
			if !yield(name, object[i:end:end]) {
				return
			}
			if i = blank(object, end); object[i] == '}' {
				return
			}
		}
	}
}

// blank returns where white space ends.
func blank(b []byte, i int) int {
	for b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t' {
		i++
	}
	return i
}

// length returns how long the value is that valid JSON begins with.
func length(b []byte) int {
	depth := 0
	for i := 0; ; i++ {
		switch b[i] {
		case '"':
			for i++; b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		default: // a number or a word, or what is between values
			if depth > 0 {
				continue
			}
			for i+1 < len(b) && bytes.IndexByte([]byte(",}] \t\r\n"), b[i+1]) < 0 {
				i++
			}
		}
		if depth == 0 {
			return i + 1
		}
	}
}

// text returns a string that is valid JSON, and whether it is one.
func text(value []byte) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	if inner := value[1 : len(value)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner), true
	}
	var s string
	err := json.Unmarshal(value, &s)
	return s, err == nil
}

// appendText writes a string as JSON.
func appendText(b []byte, s string) []byte {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string can always be encoded
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
