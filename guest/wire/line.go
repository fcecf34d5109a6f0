package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"strconv"
	"time"
)

// Version is that of the protocol. It grows when a side that knows only the older one would
// take something wrong.
const Version = 1

// magic is what a line begins with.
var magic = []byte("drover" + strconv.Itoa(Version) + " ")

// MaxLine is how long a line may be, in bytes, its end included.
const MaxLine = 64 << 10

// A Verb says what a line is about.
type Verb string

// A Line is one message.
type Line struct {
	Sequence uint64        // of the sender's lines, from 1 on
	At       time.Duration // the sender's monotonic clock
	Verb     Verb
	Body     json.RawMessage
}

// New makes a line of a body, which must be one of this package's messages.
func New(sequence uint64, at time.Duration, verb Verb, body any) (Line, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return Line{}, fmt.Errorf("wire: %s: %w", verb, err)
	}
	return Line{sequence, at, verb, text}, nil
}

// Append appends the line as it is sent, with its line break.
func (l Line) Append(to []byte) []byte {
	start := len(to)
	to = append(to, magic...)
	to = strconv.AppendUint(to, l.Sequence, 10)
	to = append(to, ' ')
	to = strconv.AppendInt(to, int64(l.At), 10)
	to = append(to, ' ')
	to = append(to, l.Verb...)
	to = append(to, ' ')
	to = append(to, l.Body...)
	return fmt.Appendf(to, " %08x\n", crc32.ChecksumIEEE(to[start:]))
}

// Into decodes the body.
func (l Line) Into(body any) error {
	if err := json.Unmarshal(l.Body, body); err != nil {
		return fmt.Errorf("wire: line %d, %s: %w", l.Sequence, l.Verb, err)
	}
	return nil
}

// A DamagedError says that what looks like a line is none.
type DamagedError struct {
	Text   string // its beginning
	Reason string
}

func (e *DamagedError) Error() string { return fmt.Sprintf("wire: the line %q %s", e.Text, e.Reason) }

// Parse reads a line, without its line break. The error is a [*DamagedError].
func Parse(text []byte) (l Line, err error) {
	damaged := func(reason string) (Line, error) {
		return Line{}, &DamagedError{string(text[:min(len(text), 80)]), reason}
	}
	rest, ok := bytes.CutPrefix(text, magic)
	end := len(text) - 9
	if !ok || end < len(magic) || text[end] != ' ' {
		return damaged("is not whole")
	}
	sum, err := strconv.ParseUint(string(text[end+1:]), 16, 32)
	if err != nil || uint32(sum) != crc32.ChecksumIEEE(text[:end]) {
		return damaged("has another checksum than its bytes")
	}
	rest = rest[:len(rest)-9]
	words := bytes.SplitN(rest, []byte(" "), 4)
	if len(words) < 4 {
		return damaged("lacks a word")
	}
	sequence, err1 := strconv.ParseUint(string(words[0]), 10, 64)
	at, err2 := strconv.ParseInt(string(words[1]), 10, 64)
	if err1 != nil || err2 != nil || !json.Valid(words[3]) {
		return damaged("has no number, or no JSON, where there must be one")
	}
	return Line{sequence, time.Duration(at), Verb(words[2]), bytes.Clone(words[3])}, nil
}

// Cut takes the lines out of what has come. Noise is what is between them, and is nobody's;
// damaged counts the lines that are not as they were sent, for other output came between.
// Rest is what may become a line with what comes next.
func Cut(text []byte) (lines []Line, damaged int, rest []byte) {
	for {
		at := bytes.Index(text, magic)
		if at < 0 {
			return lines, damaged, text[max(0, len(text)-len(magic)+1):]
		}
		text = text[at:]
		end := bytes.IndexByte(text, '\n')
		if end < 0 && len(text) < MaxLine {
			return lines, damaged, text
		}
		if end < 0 {
			damaged++
			text = text[len(magic):]
			continue
		}
		whole := bytes.TrimRight(text[:end], "\r")
		if again := bytes.LastIndex(whole, magic); again > 0 { // cut short by one that may be whole
			if _, err := Parse(whole); err != nil {
				damaged++
				text = text[again:]
				continue
			}
		}
		l, err := Parse(whole)
		if err != nil {
			damaged++
		} else {
			lines = append(lines, l)
		}
		text = text[end+1:]
	}
}
