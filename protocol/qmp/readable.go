package qmp

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// unreadable returns what it is in a JSON text that QEMU's parser refuses,
// though it is valid. QEMU answers such a command with a handful of errors that
// name no command, so it must not be sent. The rules are those of
// qobject/json-parser.c and util/unicode.c.
func unreadable(text []byte) error {
	if len(text) > maxSent {
		return fmt.Errorf("it is %d bytes long, and QEMU reads at most %d", len(text), maxSent)
	}
	depth := 0
	for i := 0; i < len(text); {
		switch b := text[i]; {
		case b == '"':
			n, err := unreadableString(text[i+1:])
			if err != nil {
				return err
			}
			i += 1 + n
			continue
		case b == '{', b == '[':
			if depth++; depth > maxDepth {
				return fmt.Errorf("values are nested more than %d deep", maxDepth)
			}
		case b == '}', b == ']':
			depth--
		}
		i++
	}
	return nil
}

// maxSent is how long a message QEMU's parser takes (MAX_TOKEN_SIZE).
const maxSent = 64 << 20

// unreadableString looks at a string from behind its first quote, and returns
// how many bytes it is long with its last one.
func unreadableString(text []byte) (int, error) {
	for i := 0; i < len(text); {
		switch b := text[i]; {
		case b == '"':
			return i + 1, nil
		case b == '\\' && text[i+1] == 'u':
			r, n := escaped(text[i:])
			if !readable(r) {
				return 0, fmt.Errorf("a string has %s in it, which is no character", text[i:i+n])
			}
			i += n
		case b == '\\':
			i += 2
		case b < utf8.RuneSelf:
			i++
		default:
			r, n := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && n == 1 {
				return 0, errors.New("a string is not UTF-8")
			}
			if !readable(r) {
				return 0, fmt.Errorf("a string has %U in it, which is no character", r)
			}
			i += n
		}
	}
	return len(text), nil
}

// escaped reads \uXXXX, or two of them that make one character. What makes none
// is returned as the lone surrogate that it is.
func escaped(text []byte) (r rune, n int) {
	const one, two = 6, 12
	half := func(text []byte) rune {
		v, _ := strconv.ParseUint(string(text[2:one]), 16, 16) // valid JSON has four digits here
		return rune(v)
	}
	r = half(text)
	if r&^0x3ff == 0xd800 && len(text) >= two && text[6] == '\\' && text[7] == 'u' {
		if low := half(text[one:]); low&^0x3ff == 0xdc00 {
			return 0x10000 + (r&0x3ff)<<10 + low&0x3ff, two
		}
	}
	return r, one
}

// readable tells characters from surrogates and from the code points that
// Unicode has promised never to use.
func readable(r rune) bool {
	return utf8.ValidRune(r) && !(r >= 0xfdd0 && r <= 0xfdef) && r&0xfffe != 0xfffe
}
