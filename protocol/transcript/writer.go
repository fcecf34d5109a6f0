package transcript

import (
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Writer writes a transcript. Its Trace is what the sessions' Options want;
// it may be called by many goroutines at once.
type Writer struct {
	// Limit is how many bytes of a message are written; 0 means all. Set it before
	// the first message.
	Limit int

	mu      sync.Mutex
	to      io.Writer
	started bool
	first   time.Time
	line    []byte
	err     error
}

// keptLine is how large a buffer one large message may leave behind.
const keptLine = 1 << 20

// NewWriter returns a Writer that writes each message to w as it comes, in
// one call.
func NewWriter(w io.Writer) *Writer { return &Writer{to: w} }

// Trace writes one message. Where its time is before the first message's, it
// counts as the same. After an error nothing more is written: see Err.
func (w *Writer) Trace(m Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return
	}
	if m.Direction != Sent && m.Direction != Received {
		w.err = fmt.Errorf("transcript: a message has the direction %q, which is neither Sent nor Received", byte(m.Direction))
		return
	}
	if !w.started {
		w.first, w.started = m.Time, true
	}
	w.line = w.append(w.line[:0], m)
	_, w.err = w.to.Write(w.line)
	if cap(w.line) > keptLine {
		w.line = nil
	}
}

// Err returns the error that ended the writing, if one did.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *Writer) append(b []byte, m Message) []byte {
	since := max(0, m.Time.Sub(w.first))
	b = fmt.Appendf(b, "%d.%06d %c", since/time.Second, since%time.Second/time.Microsecond, m.Direction)
	data, cut := m.Data, m.Cut
	if w.Limit > 0 && len(data) > w.Limit {
		cut = max(cut, len(data))
		data = head(data, w.Limit)
	}
	quoted := !plain(data)
	if quoted {
		b = append(b, 'q')
	}
	if cut > 0 {
		b = append(b, '+')
		b = strconv.AppendInt(b, int64(cut), 10)
	}
	b = append(b, ' ')
	if quoted {
		b = strconv.AppendQuote(b, string(data))
	} else {
		b = append(b, data...)
	}
	return append(b, '\n')
}

// head returns up to n bytes of data, and cuts no character in two.
func head(data []byte, n int) []byte {
	for back := range min(n, utf8.UTFMax) {
		if utf8.RuneStart(data[n-back]) {
			return data[:n-back]
		}
	}
	return data[:n] // it isn't UTF-8
}

// plain reports whether a message can be put on a line as it is.
func plain(data []byte) bool {
	if len(data) == 0 || data[0] == ' ' || data[len(data)-1] == ' ' {
		return false
	}
	for len(data) > 0 {
		if data[0] < utf8.RuneSelf {
			if data[0] < ' ' || data[0] == 0x7f {
				return false
			}
			data = data[1:]
			continue
		}
		r, size := utf8.DecodeRune(data)
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return false
		}
		data = data[size:]
	}
	return true
}
