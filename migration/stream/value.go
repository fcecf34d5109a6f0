package stream

import (
	"encoding/hex"
	"strconv"
	"strings"
)

// Values are cut behind so many elements of an array, or bytes.
const (
	shownElements = 16
	shownBytes    = 32
)

// text is what a person reads of a field whose elements have so many bytes.
func text(f Field, size int) string {
	if !numeric(f.Type) || size == 0 {
		return hexText(f.Data)
	}
	if f.Count == 0 {
		return numberText(f.Type, f.Data)
	}
	var texts []string
	for b := f.Data; len(b) > 0; b = b[size:] {
		if len(texts) == shownElements {
			texts = append(texts, "...")
			break
		}
		texts = append(texts, numberText(f.Type, b[:size]))
	}
	return strings.Join(texts, " ")
}

func hexText(b []byte) string {
	if len(b) <= shownBytes {
		return hex.EncodeToString(b)
	}
	return hex.EncodeToString(b[:shownBytes]) + "..."
}

// numeric says whether QEMU's name of a type is that of a number, or of a truth.
func numeric(name string) bool {
	return strings.HasPrefix(name, "int") || strings.HasPrefix(name, "uint") || name == "bool" || name == "timer"
}

func number(b []byte) (n uint64, ok bool) {
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n, len(b) > 0 && len(b) <= 8
}

// numberText writes signed numbers in decimals, and others as registers are read.
func numberText(kind string, b []byte) string {
	n, ok := number(b)
	switch {
	case !ok:
		return hexText(b)
	case kind == "bool" && n < 2:
		return strconv.FormatBool(n == 1)
	case strings.HasPrefix(kind, "int"):
		unused := 64 - 8*len(b)
		return strconv.FormatInt(int64(n<<unused)>>unused, 10)
	default:
		return "0x" + strconv.FormatUint(n, 16)
	}
}
