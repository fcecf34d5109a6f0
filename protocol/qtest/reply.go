package qtest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strconv"
)

// maxLine bounds a line from the peer. The longest legitimate one is the reply to
// a read of pieceSize bytes, an eighth of this.
const maxLine = 1 << 20

// A reply is one line from the server, taken apart. Text points into the line.
type reply struct {
	status status
	text   []byte // what follows the status and a space
}

type status byte

const (
	statusOK status = iota
	statusFail
	statusErr
	statusIRQ
)

func (s status) String() string {
	return [...]string{"OK", "FAIL", "ERR", "IRQ"}[s]
}

// parseReply takes a line without its end apart.
func parseReply(line []byte) (reply, error) {
	word, text, _ := bytes.Cut(line, []byte{' '})
	switch string(word) {
	case "OK":
		return reply{statusOK, text}, nil
	case "FAIL":
		return reply{statusFail, text}, nil
	case "ERR":
		return reply{statusErr, text}, nil
	case "IRQ":
		return reply{statusIRQ, text}, nil
	}
	return reply{}, nonsense(line, "a line that is no reply")
}

// nonsense makes the error for a line, of which it keeps the beginning.
func nonsense(line []byte, problem string) *ProtocolError {
	const most = 80
	if len(line) > most {
		line = line[:most]
	}
	return &ProtocolError{Line: string(line), Problem: problem}
}

// parseIRQ reads "raise 5" or "lower 5".
func parseIRQ(text []byte) (IRQ, error) {
	word, number, _ := bytes.Cut(text, []byte{' '})
	line, err := strconv.Atoi(string(number))
	raised := string(word) == "raise"
	if err != nil || line < 0 || !raised && string(word) != "lower" {
		return IRQ{}, errors.New("an IRQ line without raise or lower and a number")
	}
	return IRQ{Line: line, Raised: raised}, nil
}

// parseNumber reads an unsigned number in hexadecimal with 0x before it, or in
// decimal without. It exists because strconv would need a string.
func parseNumber(text []byte) (uint64, bool) {
	base := uint64(10)
	if len(text) > 2 && text[0] == '0' && text[1] == 'x' {
		base, text = 16, text[2:]
	}
	if len(text) == 0 || len(text) > 20 {
		return 0, false
	}
	var v uint64
	for _, c := range text {
		d := uint64(digit(c))
		if d >= base || v > (1<<64-1-d)/base {
			return 0, false
		}
		v = v*base + d
	}
	return v, true
}

func digit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// decodeBase64 fills dst from text, which must hold exactly as many bytes.
func decodeBase64(dst, text []byte) bool {
	if len(text) != base64.StdEncoding.EncodedLen(len(dst)) {
		return false
	}
	// The decoder trusts the room it is given: padding in the wrong place
	// must not reach it.
	padding := (3 - len(dst)%3) % 3
	if bytes.IndexByte(text, '=') >= 0 != (padding > 0) || !bytes.HasSuffix(text, []byte("==")[:padding]) {
		return false
	}
	n, err := base64.StdEncoding.Decode(dst, text)
	return err == nil && n == len(dst)
}

// A lineReader splits a stream at '\n' without copying lines, of which each may
// be up to maxLine bytes long.
type lineReader struct {
	from       io.Reader
	buf        []byte
	start, end int // what has been read and not handed out
}

// next returns the next line without its end, valid until the next call.
func (r *lineReader) next() ([]byte, error) {
	searched := 0
	for {
		if i := bytes.IndexByte(r.buf[r.start+searched:r.end], '\n'); i >= 0 {
			line := r.buf[r.start : r.start+searched+i]
			r.start += searched + i + 1
			return line, nil
		}
		searched = r.end - r.start
		if searched >= maxLine {
			return nil, nonsense(r.buf[r.start:r.end], "a line of more than "+strconv.Itoa(maxLine)+" bytes")
		}
		r.makeRoom()
		n, err := r.from.Read(r.buf[r.end:])
		r.end += n
		if n == 0 && err != nil {
			if err == io.EOF && searched > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// makeRoom leaves space behind end: by moving what is left to the front, or
// where that is not enough, in a buffer twice as large.
func (r *lineReader) makeRoom() {
	const first = 64 << 10
	if r.start == r.end {
		r.start, r.end = 0, 0
	}
	if r.end < len(r.buf) {
		return
	}
	to := r.buf
	if r.end-r.start > len(r.buf)/2 || len(r.buf) == 0 {
		to = make([]byte, max(first, 2*len(r.buf)))
	}
	r.end = copy(to, r.buf[r.start:r.end])
	r.start, r.buf = 0, to
}
