package launcher

import (
	"fmt"
	"io"
	"os"
)

// DefaultKeptBytes is how much of each stream is kept in Config.Dir where
// Config.KeptBytes says nothing: a run that works keeps less than a megabyte of all.
const DefaultKeptBytes = 64 << 20

// A bounded writer keeps the beginning of a stream, with a line where the rest of it
// was cut off. What comes then is dropped: the stream is never held up.
type bounded struct {
	to    io.Writer
	left  int64
	lines bool          // each write is a line, and kept whole or not at all
	cut   func() string // the line, with its end
}

// boundedText is for what is text, or whatever QEMU and its guest print.
func boundedText(f *os.File, most int64) *bounded {
	return &bounded{to: f, left: most, cut: func() string { return "\n[" + cutOff(most) + "]\n" }}
}

// boundedLines is for transcripts, in which # begins a comment.
func boundedLines(f *os.File, most int64) *bounded {
	return &bounded{to: f, left: most, lines: true, cut: func() string { return "# " + cutOff(most) + "\n" }}
}

// cutOff is what a file says where it was cut off.
func cutOff(most int64) string {
	return fmt.Sprintf("drover: cut off here; the first %d bytes are kept", most)
}

// Write never fails and takes all: a full disk costs the copy, not QEMU.
func (b *bounded) Write(p []byte) (int, error) {
	switch n := int64(len(p)); {
	case b.left < 0: // it has been cut off
	case n <= b.left:
		_, _ = b.to.Write(p)
		b.left -= n
	default:
		kept := p[:b.left]
		if b.lines {
			kept = nil
		}
		_, _ = b.to.Write(append(kept[:len(kept):len(kept)], b.cut()...))
		b.left = -1
	}
	return len(p), nil
}
