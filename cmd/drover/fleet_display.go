package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/drover-vm/drover/fleet"
	"github.com/drover-vm/drover/internal/plain"
)

// A fetchDisplay shows how fetching goes: on a terminal in a line that is
// drawn anew, elsewhere a line when something else begins, and now and then
// one more while it lasts.
type fetchDisplay struct {
	out  io.Writer
	raw  io.Writer // the same, for the line that is drawn anew
	live bool

	mu    sync.Mutex
	step  string
	drawn time.Time
}

// plainEvery is how often a step that lasts is shown where lines can't be
// drawn anew.
const plainEvery = 5 * time.Second

func newFetchDisplay(out io.Writer) *fetchDisplay {
	return &fetchDisplay{out: out, raw: raw(out), live: drawable(out)}
}

func (d *fetchDisplay) progress(p fleet.Progress) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now, step := time.Now(), p.Step+" "+p.Package+" "+p.Release
	switch {
	case d.live && p.Step == "done":
		fmt.Fprintf(d.raw, "\r\x1b[K%s\n", plain.Text(p.String()))
	case d.live && (step != d.step || now.Sub(d.drawn) > liveEvery):
		fmt.Fprintf(d.raw, "\r\x1b[K%s", cut(plain.Text(p.String()), columnsOf(d.out)))
	case !d.live && (step != d.step || now.Sub(d.drawn) > plainEvery):
		fmt.Fprintln(d.out, plain.Text(p.String()))
	default:
		return
	}
	d.step, d.drawn = step, now
}

// wipe takes an unfinished line off the terminal.
func (d *fetchDisplay) wipe() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.live {
		fmt.Fprint(d.raw, "\r\x1b[K")
	}
}

func (d *fetchDisplay) end() { d.wipe() }
