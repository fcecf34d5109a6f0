package launchertest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/launcher"
)

const (
	mostShown = 256 << 10 // bytes of a console that are printed
	lineShown = 200       // bytes after which a line is broken
)

// follow prints a console while it is written. The group is done when the console has
// ended, and all of it is printed.
func follow(vm *launcher.VM, to io.Writer) *sync.WaitGroup {
	var group sync.WaitGroup
	group.Go(func() {
		p := &printer{to: to, prefix: vm.Name() + "| "}
		for chunk, err := range vm.Console().Follow(context.Background(), 0) {
			if err == nil {
				p.print(chunk.Bytes)
			}
		}
		p.flush()
	})
	return &group
}

// A printer writes lines of printable text with a prefix, up to mostShown bytes.
type printer struct {
	to     io.Writer
	prefix string
	line   []byte // what has come of a line that isn't over
	shown  int
}

func (p *printer) print(text []byte) {
	for len(text) > 0 && p.shown <= mostShown {
		n, over := min(len(text), lineShown-len(p.line)), false
		if at := bytes.IndexByte(text[:n], '\n'); at >= 0 {
			n, over = at+1, true
		}
		p.line = append(p.line, text[:n]...)
		text = text[n:]
		if over || len(p.line) >= lineShown {
			p.flush()
		}
	}
}

// flush ends the line.
func (p *printer) flush() {
	if len(p.line) == 0 || p.shown > mostShown {
		return
	}
	p.shown += len(p.line)
	text := plain.Text(string(bytes.TrimRight(p.line, "\r\n")))
	if p.shown > mostShown {
		text = fmt.Sprintf("(the rest of more than %d KiB is in the file of the console)", mostShown>>10)
	}
	p.line = p.line[:0]
	_, _ = fmt.Fprintf(p.to, "%s%s\n", p.prefix, text)
}
