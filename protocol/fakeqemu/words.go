package fakeqemu

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// A reader takes a request's words as QEMU's server does: what is missing, or
// is no number where one must stand, is an assertion that fails. After the
// first such thing it gives zeros.
type reader struct {
	command string
	words   []string
	err     error
}

func (r *reader) word() string {
	if r.err != nil {
		return ""
	}
	if len(r.words) == 0 {
		r.err = crash("%s: an argument is missing", r.command)
		return ""
	}
	w := r.words[0]
	r.words = r.words[1:]
	return w
}

func (r *reader) number() uint64 {
	w := r.word()
	if r.err != nil {
		return 0
	}
	v, err := strconv.ParseUint(w, 0, 64)
	if err != nil || strings.Contains(w, "_") {
		r.err = crash("%s: %q is no number", r.command, w)
	}
	return v
}

func (r *reader) signed(most int64) int64 {
	w := r.word()
	if r.err != nil {
		return 0
	}
	v, err := strconv.ParseInt(w, 0, 64)
	if err != nil || v > most || v < -most-1 {
		r.err = crash("%s: %q is no number up to %d", r.command, w, most)
	}
	return v
}

func (r *reader) port() uint64 {
	v := r.number()
	if v > 0xffff {
		r.err = crash("%s: assertion failed: (addr <= 0xffff), it is 0x%x", r.command, v)
	}
	return v
}

// allocation is what the fake takes to be more than QEMU's heap gives.
const allocation = 1 << 30

// size reads how much QEMU is to allocate.
func (r *reader) size() uint64 {
	v := r.number()
	if v > allocation {
		r.err = crash("%s: failed to allocate %d bytes", r.command, v)
		return 0
	}
	return v
}

// integer reads p in the guest's byte order.
func (q *QEMU) integer(p []byte) uint64 {
	var b [8]byte
	if q.config.BigEndian {
		copy(b[8-len(p):], p)
		return binary.BigEndian.Uint64(b[:])
	}
	copy(b[:], p)
	return binary.LittleEndian.Uint64(b[:])
}

// bytes is the other way round.
func (q *QEMU) bytes(size int, v uint64) []byte {
	var b [8]byte
	if q.config.BigEndian {
		binary.BigEndian.PutUint64(b[:], v)
		return b[8-size:]
	}
	binary.LittleEndian.PutUint64(b[:], v)
	return b[:size]
}
