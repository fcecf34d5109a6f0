package main

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/migration/bench"
	"github.com/drover-vm/drover/migration/bench/stats"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
)

// A benchDisplay shows a bench as it goes: on a terminal the migration that is under way, how
// far it and all is, and for how long it still goes; a line for each that failed, or, verbose,
// for each. Its methods are called by one goroutine, but for sample.
type benchDisplay struct {
	text    *textDisplay
	out     io.Writer
	verbose bool
	began   time.Time
	name    atomic.Value // string: of what is under way
	status  int          // that failures and doubts make
}

// newBenchDisplay shows on stdout, and on stderr where the other is for JSON.
func newBenchDisplay(stdout, stderr io.Writer, verbose, json bool) *benchDisplay {
	out := stdout
	if json {
		out = stderr
	}
	d := &benchDisplay{text: newTextDisplay(out, false, 0), out: out, verbose: verbose, began: time.Now()}
	d.name.Store("")
	return d
}

func (d *benchDisplay) begin(p bench.Plan) {
	d.line(fmt.Sprintf("%d cells, %d migrations, seed %d", len(p.Cells), len(p.Order()), p.Seed))
}

// sample shows what the source reports of its migration.
func (d *benchDisplay) sample(s record.Sample) { d.text.sample(d.under(), s) }

func (d *benchDisplay) under() string { return d.name.Load().(string) }

func (d *benchDisplay) watch(e bench.Event) {
	switch {
	case e.Over:
		d.text.done(d.under(), nil)
		d.over(e)
	case e.Step != "":
		d.text.step(d.under(), e.Step)
	default:
		d.text.expect(outlook{total: e.Of, done: e.N - 1, left: func() (time.Duration, bool) { return d.left(e) }})
		d.name.Store(shortCell(e))
		d.text.begin(shortCell(e))
	}
}

// left is for how long a bench still goes, by the migrations that are done.
func (d *benchDisplay) left(e bench.Event) (time.Duration, bool) {
	const enough = 5
	if e.N <= enough {
		return 0, false
	}
	each := time.Since(d.began) / time.Duration(e.N-1)
	return each * time.Duration(e.Of-e.N+1), true
}

func shortCell(e bench.Event) string {
	text := fmt.Sprintf("%s at %s", e.Method, e.DirtyRate)
	if e.WarmUp {
		text += ", warm-up"
	}
	return text
}

func (d *benchDisplay) over(e bench.Event) {
	where := fmt.Sprintf("%d of %d: %s", e.N, e.Of, e.Cell)
	switch {
	case e.Failed != "":
		d.status = exitFailed
		d.line("failed  " + where + ": " + e.Failed)
		if e.Dir != "" {
			d.line("        artifacts: " + e.Dir)
		}
	case e.Skipped != "":
		d.line("skipped " + e.Method + ": " + e.Skipped)
	case e.Unproven != "":
		d.line("unproven " + where + ": " + e.Unproven)
		if d.status == exitOK {
			d.status = exitCannotRun
		}
	case d.verbose && e.Sample != nil:
		d.line(where + ": " + sampleText(*e.Sample))
	}
}

func sampleText(s stats.Sample) string {
	text := fmt.Sprintf("total %s, downtime %s", stats.Text(s.Values[stats.Total], "s"), stats.Text(s.Values[stats.Downtime], "s"))
	if !s.Converged {
		text += ", not converged"
	}
	return text
}

// line prints one, and leaves what is under way below it.
func (d *benchDisplay) line(text string) {
	d.text.pause(d.out, plain.Text(text)+"\n")
	d.text.resume()
}

func (d *benchDisplay) end() { d.text.end(report.Sum{}) }

// exit is 1 where a migration failed, else 2 where a proof could not tell.
func (d *benchDisplay) exit() int { return d.status }
