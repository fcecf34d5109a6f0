package asm

import (
	"strconv"
	"strings"
)

type tokenKind uint8

const (
	tokenEnd    tokenKind = iota
	tokenName             // a mnemonic, symbol, directive, or "." alone
	tokenNumber           // value holds it
	tokenString           // text holds its value
	tokenPunct            // text holds the one or two characters
)

type token struct {
	kind  tokenKind
	text  string
	value int64
}

func (t token) String() string {
	switch t.kind {
	case tokenEnd:
		return "end of line"
	case tokenString:
		return strconv.Quote(t.text)
	}
	return "'" + t.text + "'"
}

func (t token) is(punct string) bool { return t.kind == tokenPunct && t.text == punct }

// stripComments returns the source's lines without their comments. One begins with marker
// and ends with its line; a comment between /* and */ may span lines and counts as a space.
func stripComments(source, marker string) ([]string, *Error) {
	lines := strings.Split(source, "\n")
	open := 0 // the line where a /* still waits for its */
	for i, line := range lines {
		var kept strings.Builder
		for at := 0; at < len(line); {
			rest := line[at:]
			switch {
			case open > 0:
				end := strings.Index(rest, "*/")
				if end < 0 {
					at = len(line)
					continue
				}
				open, at = 0, at+end+2
				kept.WriteByte(' ')
			case strings.HasPrefix(rest, "/*"):
				open, at = i+1, at+2
			case strings.HasPrefix(rest, marker):
				at = len(line)
			case rest[0] == '"' || rest[0] == '\'':
				n := quotedLen(rest)
				kept.WriteString(rest[:n])
				at += n
			default:
				kept.WriteByte(rest[0])
				at++
			}
		}
		lines[i] = strings.TrimSuffix(kept.String(), "\r")
	}
	if open > 0 {
		return nil, &Error{Line: open, Msg: "this /* is never closed by */"}
	}
	return lines, nil
}

// quotedLen is the length of the string or character that s begins with, up to
// the end of s if it isn't closed: the scanner complains, later.
func quotedLen(s string) int {
	if s[0] == '\'' {
		return min(3, len(s))
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(s)
}

func isNameStart(c byte) bool {
	return c == '_' || c == '.' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// scan splits one line into tokens, the last of which is tokenEnd.
func scan(line string) ([]token, error) {
	var tokens []token
	for i := 0; i < len(line); {
		c := line[i]
		switch {
		case c == ' ' || c == '\t':
			i++
		case isNameStart(c):
			end := i + 1
			for end < len(line) && (isNameStart(line[end]) || isDigit(line[end])) {
				end++
			}
			tokens = append(tokens, token{kind: tokenName, text: line[i:end]})
			i = end
		case isDigit(c):
			end := i + 1
			for end < len(line) && (isNameStart(line[end]) || isDigit(line[end])) {
				end++
			}
			value, err := number(line[i:end])
			if err != nil {
				return nil, err
			}
			tokens = append(tokens, token{kind: tokenNumber, text: line[i:end], value: value})
			i = end
		case c == '\'':
			if i+2 >= len(line) || line[i+2] != '\'' || line[i+1] == '\\' || line[i+1] < ' ' || line[i+1] > '~' {
				return nil, faultf("a character is one printable ASCII character between two quotes, as in 'A'")
			}
			tokens = append(tokens, token{kind: tokenNumber, text: line[i : i+3], value: int64(line[i+1])})
			i += 3
		case c == '"':
			n := quotedLen(line[i:])
			text, err := unquote(line[i : i+n])
			if err != nil {
				return nil, err
			}
			tokens = append(tokens, token{kind: tokenString, text: text})
			i += n
		case strings.HasPrefix(line[i:], "<<") || strings.HasPrefix(line[i:], ">>"):
			tokens = append(tokens, token{kind: tokenPunct, text: line[i : i+2]})
			i += 2
		case strings.IndexByte("$%,:()+-*/&|^~=[]!#", c) >= 0:
			tokens = append(tokens, token{kind: tokenPunct, text: line[i : i+1]})
			i++
		case c == ';':
			return nil, faultf("';' separates nothing here: one statement a line")
		default:
			return nil, faultf("unexpected character %q", c)
		}
	}
	return append(tokens, token{kind: tokenEnd}), nil
}

// number reads 12, 0x1f, 0b101 and 017, all as GNU as does, below 2^63.
func number(s string) (int64, error) {
	digits, base := s, 10
	switch {
	case strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X"):
		digits, base = s[2:], 16
	case strings.HasPrefix(s, "0b") || strings.HasPrefix(s, "0B"):
		digits, base = s[2:], 2
	case len(s) > 1 && s[0] == '0':
		digits, base = s[1:], 8
	}
	// ParseInt would take a sign here, but the scanner never hands it one.
	v, err := strconv.ParseInt(digits, base, 64)
	if err != nil {
		return 0, faultf("%q isn't a number below 2^63 in base %d", s, base)
	}
	return v, nil
}

// unquote reads a string with the escapes \n \r \t \\ \" and \ooo.
func unquote(s string) (string, error) {
	if len(s) < 2 || s[len(s)-1] != '"' {
		return "", faultf("this string is never closed by a \"")
	}
	s = s[1 : len(s)-1]
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		if i == len(s) {
			return "", faultf("this string is never closed by a \"")
		}
		switch s[i] {
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case '\\', '"':
			b.WriteByte(s[i])
		default:
			if i+2 >= len(s) {
				return "", faultf(`unknown escape \%c: there are \n \r \t \\ \" and three octal digits`, s[i])
			}
			v, err := strconv.ParseUint(s[i:i+3], 8, 8)
			if err != nil {
				return "", faultf(`unknown escape \%s: there are \n \r \t \\ \" and three octal digits`, s[i:i+3])
			}
			b.WriteByte(byte(v))
			i += 2
		}
	}
	return b.String(), nil
}
