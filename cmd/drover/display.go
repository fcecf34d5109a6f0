package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
)

// A display shows a run as it goes. Its methods may be called at once by
// several scenarios.
type display interface {
	expect(o outlook) // what will run
	begin(name string)
	step(name, step string)
	sample(name string, s record.Sample) // of its migration, while steps wait
	done(name string, r *record.Result)  // r is nil where it could not run
	end(sum report.Sum)
}

// jsonDisplay writes one object a line.
type jsonDisplay struct {
	mu    sync.Mutex
	out   io.Writer
	rates *rates   // where scenarios are repeated
	last  *lastRun // where results are kept
}

func (d *jsonDisplay) expect(outlook)      {}
func (d *jsonDisplay) begin(string)        {}
func (d *jsonDisplay) step(string, string) {}

func (d *jsonDisplay) sample(string, record.Sample) {}

func (d *jsonDisplay) done(name string, r *record.Result) {
	if r == nil {
		return
	}
	d.write(r)
	d.mu.Lock()
	defer d.mu.Unlock()
	count(name, r, d.rates, d.last)
}

func (d *jsonDisplay) end(sum report.Sum) {
	if d.rates != nil {
		if found := d.rates.intermittent(); len(found) > 0 {
			d.write(map[string][]intermittent{"Intermittent": found})
		}
	}
	d.write(map[string]report.Sum{"Sum": sum})
}

// count hands a result to those of the two that are there.
func count(name string, r *record.Result, often *rates, last *lastRun) {
	if often != nil {
		often.add(name, r)
	}
	if last != nil {
		last.add(name, r)
	}
}

func (d *jsonDisplay) write(value any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = report.JSONLine(d.out, value) // what can't be written, the output remembers; what is no JSON, the line says
}

// textDisplay writes a line a scenario. On a terminal two last lines show what
// is under way, and go away again. Scenarios that were skipped are summed up at the
// end, unless verbose.
type textDisplay struct {
	out     io.Writer // what others wrote goes here
	raw     io.Writer // the same without a filter, for colours and the last line
	live    bool
	colour  bool
	verbose bool
	width   int                               // of the column of names
	times   *report.Times                     // where wanted
	skips   *skips                            // where those that were skipped are summed up
	rates   *rates                            // where scenarios are repeated
	last    *lastRun                          // where results are kept
	took    *durations                        // where times are kept
	pages   bool                              // an index links to what passed runs left: no line of each says where
	next    func(worst *record.Result) string // what to try next, where the run ends with that
	worst   *record.Result                    // the first that failed, else the first unknown

	mu      sync.Mutex
	running []*underWay
	outlook outlook
	paused  bool
	stop    chan struct{}
	stopped sync.WaitGroup
}

// liveEvery is how often the line of what is under way is drawn anew.
const liveEvery = 100 * time.Millisecond

func newTextDisplay(out io.Writer, verbose bool, width int) *textDisplay {
	d := &textDisplay{out: out, raw: raw(out), verbose: verbose, width: width, stop: make(chan struct{})}
	if drawable(out) {
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

// wipe takes the lines of what is under way off the terminal.
func (d *textDisplay) wipe() {
	if d.live {
		fmt.Fprint(d.raw, "\r\x1b[J")
	}
}

// draw draws them, and leaves the cursor at the beginning of the first.
func (d *textDisplay) draw() {
	if !d.live || d.paused || len(d.running) == 0 {
		return
	}
	lines := liveLines(d.outlook, d.running, time.Now(), columnsOf(d.out))
	text := "\r\x1b[J" + strings.Join(lines, "\r\n")
	if below := len(lines) - 1; below > 0 {
		text += fmt.Sprintf("\r\x1b[%dA", below)
	}
	fmt.Fprint(d.raw, text)
}

func (d *textDisplay) expect(o outlook) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.outlook = o
}

// sample takes that of the scenario, or, without a name, of the only one that runs.
func (d *textDisplay) sample(name string, s record.Sample) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, u := range d.running {
		if u.name == name || name == "" {
			u.sample(s)
		}
	}
}

// gone takes a scenario off those that run.
func (d *textDisplay) gone(name string) {
	d.running = slices.DeleteFunc(d.running, func(u *underWay) bool { return u.name == name })
	d.outlook.next(name)
	d.wipe()
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
	d.gone(name)
	if r == nil {
		return
	}
	count(name, r, d.rates, d.last)
	if d.took != nil {
		d.took.add(name, r)
	}
	whole := r
	r = plainResult(r)
	d.worst = worse(d.worst, r)
	if d.times != nil {
		d.times.Add(r)
	}
	if r.Outcome == record.Skip && d.skips != nil {
		d.skips.add(r)
		d.draw()
		return
	}
	shown := *whole
	if d.pages && r.Outcome == record.Pass || r.Outcome == record.Skip {
		shown.Dir = ""
	}
	report.Print(d.raw, &shown, d.width, d.colour)
	if d.verbose && r.Record != nil {
		fmt.Fprintf(d.out, "    accelerator %s\n", r.Record.Accel)
		report.Steps(d.out, r.Record.Steps)
		report.Verdicts(d.out, r.Verdicts)
	}
	d.draw()
}

// plainResult is a result for a person: each of its texts is one line that a terminal
// only shows, also what a QEMU wrote.
func plainResult(r *record.Result) *record.Result {
	shown := *r
	shown.Scenario, shown.Arch, shown.Reason, shown.Dir = plain.Text(r.Scenario), plain.Text(r.Arch), plain.Text(r.Reason), plain.Text(r.Dir)
	shown.Verdicts = slices.Clone(r.Verdicts)
	for i, v := range shown.Verdicts {
		shown.Verdicts[i].Check, shown.Verdicts[i].Witness = plain.Text(v.Check), plain.Text(v.Witness)
	}
	if r.Record != nil {
		facts := *r.Record
		facts.Accel = plain.Text(facts.Accel)
		facts.Steps = slices.Clone(facts.Steps)
		for i, s := range facts.Steps {
			facts.Steps[i].Name = plain.Text(s.Name)
		}
		facts.Diagnosis = slices.Clone(facts.Diagnosis)
		for i, line := range facts.Diagnosis {
			facts.Diagnosis[i] = plain.Text(line)
		}
		shown.Record = &facts
	}
	return &shown
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
	if d.took != nil {
		d.took.save()
	}
	if d.times != nil {
		d.times.Write(d.out)
	}
	if d.skips != nil {
		most := 0
		if d.live {
			most = mostReasons
		}
		d.skips.write(d.out, most)
	}
	if d.rates != nil {
		d.rates.write(d.out)
	}
	if sum.Total > 0 {
		fmt.Fprintln(d.out, sum)
	}
	if d.live && d.next != nil {
		if next := d.next(d.worst); next != "" {
			fmt.Fprintln(d.out, "next:", next)
		}
	}
}
