package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
)

// pageFlags say which reports a run of many leaves.
type pageFlags struct {
	dir    string
	github bool
}

func (f *pageFlags) flags(set *pflag.FlagSet) {
	set.StringVar(&f.dir, "report", "", "`folder` for index.html, results.json, junit.xml and a page of each run")
	set.BoolVar(&f.github, "github", false, "print GitHub's annotations of what failed at the end")
}

// artifacts is the folder for what runs leave: that which was asked for, else one in that of
// the report.
func (f pageFlags) artifacts(asked string) string {
	if asked != "" || f.dir == "" {
		return asked
	}
	return filepath.Join(f.dir, "runs")
}

// open makes the folder of the report, and returns a display that writes it beside what the
// other shows. Its ranOn divides a scenario's name.
func (f pageFlags) open(show display, stdout, stderr io.Writer, ranOn func(string) (string, string)) (*reporting, error) {
	if f.dir != "" {
		const private = 0o700
		if err := os.MkdirAll(f.dir, private); err != nil {
			return nil, fmt.Errorf("--report: %w; name a folder that can be made", err)
		}
	}
	return &reporting{display: show, pageFlags: f, out: stdout, errors: stderr, ranOn: ranOn, good: openGoodRuns(), results: report.Results{Format: report.ResultsFormat, Started: time.Now()}}, nil
}

// reporting is a display that first writes the report of each run whose folder was kept
// into that folder, and in the end those of all. That one can't be written is said on errors.
type reporting struct {
	display
	pageFlags

	out, errors io.Writer
	ranOn       func(scenario string) (name, qemu string)
	good        goodRuns

	mu      sync.Mutex
	results report.Results
	failed  bool
}

func (d *reporting) done(name string, r *record.Result) {
	if r != nil {
		d.write(name, r)
	}
	d.display.done(name, r)
}

func (d *reporting) write(name string, r *record.Result) {
	d.good.note(r)
	page := ""
	if r.Dir != "" && r.Record != nil {
		if err := report.WriteRun(r.Dir, r); err != nil {
			d.complain(name, err)
		} else {
			page = d.linkTo(filepath.Join(r.Dir, report.HTMLFile))
		}
	}
	scenario, qemu := d.ranOn(r.Scenario)
	outline := report.Outlined(r, scenario, qemu, page)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.results.Add(outline)
}

// linkTo is a path as a link from the index, "" where there is no index.
func (d *reporting) linkTo(path string) string {
	if d.dir == "" {
		return ""
	}
	return "./" + relative(d.dir, path)
}

func (d *reporting) end(sum report.Sum) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.results.Seconds = time.Since(d.results.Started).Seconds()
	d.good.prune()
	d.display.end(sum)
	if d.dir != "" {
		if err := d.results.WriteSite(d.dir); err != nil {
			d.failed = true
			fmt.Fprintf(d.errors, "drover: %s\n", plain.Text(err.Error()))
		} else {
			fmt.Fprintf(d.errors, "report: %s\n", plain.Text(strings.TrimSuffix(d.dir, "/")+"/"+report.IndexFile))
		}
	}
	if d.github {
		d.results.Annotations(d.out)
	}
}

func (d *reporting) complain(name string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failed = true
	fmt.Fprintf(d.errors, "drover: %s: %s\n", plain.Text(name), plain.Text(err.Error()))
}

// exit is the exit status over reports: those that were asked for and can't be written are
// missing.
func (d *reporting) exit() int {
	if d.failed && d.dir != "" {
		return exitCannotRun
	}
	return exitOK
}
