package schema

import (
	"encoding/json"
	"strconv"
)

// kind is the JSON type that a value of the type has, as kindOf names it; 0
// where that may be any.
func (t *Type) kind() byte {
	switch {
	case t.Meta == Object:
		return '{'
	case t.Meta == Array:
		return '['
	case t.Meta == Enum:
		return '"'
	case t.Meta != Builtin:
		return 0
	}
	switch t.JSON {
	case "string":
		return '"'
	case "int", "number":
		return '0'
	case "boolean":
		return 't'
	case "null":
		return 'n'
	}
	return 0
}

// kindOf returns the first byte of the plainest value of its JSON type.
func kindOf(text string) byte {
	switch b := text[0]; b {
	case '{', '[', '"', 't', 'n':
		return b
	case 'f':
		return 't'
	}
	return '0'
}

func kindName(kind byte) string {
	switch kind {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// isInteger reports whether QEMU takes a number for an integer: -2^63 to 2^64-1,
// without a point or an exponent.
func isInteger(text string) bool {
	if _, err := strconv.ParseInt(text, 10, 64); err == nil {
		return true
	}
	_, err := strconv.ParseUint(text, 10, 64)
	return err == nil
}

func unquote(text string) string {
	var word string
	_ = json.Unmarshal([]byte(text), &word) // it is a valid string
	return word
}
