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
	// Limit is how many bytes of a message are written; 0 means all.
	Limit int

	mu    sync.Mutex
	to    io.Writer
	first time.Time
	line  []byte
	err   error
}

// NewWriter returns a Writer that writes each message to w as it comes, in
// one call.
func NewWriter(w io.Writer) *Writer { return &Writer{to: w} }

// Trace writes one message. After an error it writes no more: see Err.
func (w *Writer) Trace(m Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return
	}
	if w.first.IsZero() {
		w.first = m.Time
	}
	w.line = w.append(w.line[:0], m)
	_, w.err = w.to.Write(w.line)
}

// Err returns the error that ended the writing, if one did.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *Writer) append(b []byte, m Message) []byte {
	since := m.Time.Sub(w.first)
	b = fmt.Appendf(b, "%d.%06d %c", since/time.Second, since%time.Second/time.Microsecond, m.Direction)
	data, cut := m.Data, m.Cut
	if w.Limit > 0 && len(data) > w.Limit {
		cut = max(cut, len(data))
		data = data[:w.Limit]
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

// plain says whether a message can stand on a line as it is.
func plain(data []byte) bool {
	for _, r := range string(data) {
		if r == utf8.RuneError || unicode.IsControl(r) && r != '\t' {
			return false
		}
	}
	return true
}
