package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
)

// A display shows a run as it goes. Its methods may be called at once by
// several scenarios.
type display interface {
	begin(name string)
	step(name, step string)
	done(name string, r *record.Result) // r is nil where it could not run
	end(sum report.Sum)
}

// jsonDisplay writes one object a line.
type jsonDisplay struct {
	mu  sync.Mutex
	out io.Writer
}

func (d *jsonDisplay) begin(string)        {}
func (d *jsonDisplay) step(string, string) {}

func (d *jsonDisplay) done(_ string, r *record.Result) {
	if r != nil {
		d.write(r)
	}
}

func (d *jsonDisplay) end(sum report.Sum) { d.write(map[string]report.Sum{"Sum": sum}) }

func (d *jsonDisplay) write(value any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	report.JSONLine(d.out, value)
}

// textDisplay writes a line a scenario. On a terminal a last line shows what
// is under way, and goes away again.
type textDisplay struct {
	out     io.Writer
	live    bool
	colour  bool
	verbose bool
	width   int           // of the column of names
	times   *report.Times // where wanted

	mu      sync.Mutex
	running []*underWay
	paused  bool
	stop    chan struct{}
	stopped sync.WaitGroup
}

type underWay struct {
	name, step string
	since      time.Time
}

// liveEvery is how often the line of what is under way is drawn anew.
const liveEvery = 100 * time.Millisecond

func newTextDisplay(out io.Writer, verbose bool, width int) *textDisplay {
	d := &textDisplay{out: out, verbose: verbose, width: width, stop: make(chan struct{})}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		d.live = true
		d.colour = os.Getenv("NO_COLOR") == ""
		d.stopped.Go(d.redraw)
	}
	return d
}

func (d *textDisplay) redraw() {
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			d.mu.Lock()
			d.draw()
			d.mu.Unlock()
		case <-d.stop:
			return
		}
	}
}

// wipe takes the line of what is under way off the terminal.
func (d *textDisplay) wipe() {
	if d.live {
		fmt.Fprint(d.out, "\r\x1b[K")
	}
}

func (d *textDisplay) draw() {
	if !d.live || d.paused || len(d.running) == 0 {
		return
	}
	u := d.running[0]
	line := fmt.Sprintf("...      %s %.1f s: %s", u.name, time.Since(u.since).Seconds(), u.step)
	if others := len(d.running) - 1; others > 0 {
		line += fmt.Sprintf(" (and %d more)", others)
	}
	if f, ok := d.out.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 1 && len(line) >= width {
			line = line[:width-1]
		}
	}
	fmt.Fprint(d.out, "\r\x1b[K"+line)
}

func (d *textDisplay) begin(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running = append(d.running, &underWay{name: name, since: time.Now()})
	d.draw()
}

func (d *textDisplay) step(name, step string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, u := range d.running {
		if u.name == name {
			u.step = step
		}
	}
	d.draw()
}

func (d *textDisplay) done(name string, r *record.Result) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running = slices.DeleteFunc(d.running, func(u *underWay) bool { return u.name == name })
	d.wipe()
	if r == nil {
		return
	}
	fmt.Fprintln(d.out, report.Line(r, d.width, d.colour))
	if d.times != nil {
		d.times.Add(r)
	}
	if d.verbose && r.Record != nil {
		fmt.Fprintf(d.out, "    accelerator %s\n", r.Record.Accel)
		report.Steps(d.out, r.Record.Steps)
		report.Verdicts(d.out, r.Verdicts)
	}
	if r.Outcome != record.Skip && (r.Outcome != record.Pass || r.Dir != "") {
		report.Details(d.out, r)
	}
	d.draw()
}

// pause writes a text, and leaves the terminal to a person until resume.
func (d *textDisplay) pause(w io.Writer, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wipe()
	fmt.Fprint(w, text)
	d.paused = true
}

func (d *textDisplay) resume() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.paused = false
}

func (d *textDisplay) end(sum report.Sum) {
	close(d.stop)
	d.stopped.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wipe()
	if d.times != nil {
		d.times.Write(d.out)
	}
	if sum.Total > 0 {
		fmt.Fprintln(d.out, sum)
	}
}
