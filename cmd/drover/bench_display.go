package main

import (
	"fmt"
	"io"
	"time"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/migration/bench"
	"github.com/drover-vm/drover/migration/bench/stats"
	"github.com/drover-vm/drover/migration/report"
)

// A benchDisplay shows a bench as it goes: on a terminal the migration that is under way, how
// far all is, and for how long it still goes; a line for each that failed, or, verbose, for
// each. Its methods are called by one goroutine.
type benchDisplay struct {
	text    *textDisplay
	out     io.Writer
	verbose bool
	began   time.Time
	name    string // of what is under way
	failed  bool
}

// newBenchDisplay shows on stdout, and on stderr where the other is for JSON.
func newBenchDisplay(stdout, stderr io.Writer, verbose, json bool) *benchDisplay {
	out := stdout
	if json {
		out = stderr
	}
	return &benchDisplay{text: newTextDisplay(out, false, 0), out: out, verbose: verbose, began: time.Now()}
}

func (d *benchDisplay) begin(p bench.Plan) {
	d.line(fmt.Sprintf("%d cells, %d migrations, seed %d", len(p.Cells), len(p.Order()), p.Seed))
}

func (d *benchDisplay) watch(e bench.Event) {
	switch {
	case e.Over:
		d.text.done(d.name, nil)
		d.over(e)
	case e.Step != "":
		d.text.step(d.name, e.Step)
	default:
		d.name = shortCell(e)
		d.text.expect(outlook{total: e.Of, done: e.N - 1, left: d.left(e)})
		d.text.begin(d.name)
	}
}

// left is for how long a bench still goes when a migration begins, by those that are done; nil
// where too few are.
func (d *benchDisplay) left(e bench.Event) func() (time.Duration, bool) {
	const enough = 5
	if e.N <= enough {
		return nil
	}
	each := time.Since(d.began) / time.Duration(e.N-1)
	left := each * time.Duration(e.Of-e.N+1)
	return func() (time.Duration, bool) { return left, true }
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
		d.failed = true
		d.line("failed  " + where + ": " + e.Failed)
		if e.Dir != "" {
			d.line("        artifacts: " + e.Dir)
		}
	case e.Skipped != "":
		d.line("skipped " + e.Method + ": " + e.Skipped)
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

// exit is 1 where a migration failed.
func (d *benchDisplay) exit() int {
	if d.failed {
		return exitFailed
	}
	return exitOK
}
