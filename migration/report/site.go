package report

import (
	"bytes"
	_ "embed" // the index's template
	"fmt"
	"html/template"
	"path/filepath"
	"slices"
	"strings"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/migration/record"
)

// The files of a run of many.
const (
	IndexFile   = "index.html"
	ResultsFile = "results.json"
	JUnitFile   = "junit.xml"
)

//go:embed index.html.tmpl
var indexTemplate string

var indexPage = template.Must(template.New("index").Funcs(template.FuncMap{
	"plain":  plain.Lines,
	"signs":  func(o record.Outcome) string { return outcomeSigns[o] },
	"style":  func() template.CSS { return template.CSS(pageStyle) }, //nolint:gosec // our own
	"second": func(s float64) string { return fmt.Sprintf("%.1f s", s) },
}).Parse(indexTemplate))

var outcomeSigns = map[record.Outcome]string{record.Pass: "✓", record.Fail: "✗", record.Unknown: "?", record.Skip: "–"}

// An index is what stands in index.html.
type index struct {
	*Results

	Title   string
	Summary string
	QEMUs   []string
	Rows    []gridRow
	Bad     []Outline // failed, then unknown
	Skips   []skipGroup
	Slowest *figure
}

type gridRow struct {
	Name  string
	Cells []*Outline // one a QEMU; nil where it did not run
}

type skipGroup struct {
	Reason string
	Names  []string
}

// WriteSite writes index.html, results.json and junit.xml into a folder that is there, in
// place of those that were. The pages of the runs are not touched.
func (r *Results) WriteSite(dir string) error {
	r.settle()
	results, err := r.JSON()
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	junit, err := r.junit()
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	var html bytes.Buffer
	if err := indexPage.Execute(&html, r.index()); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	for _, file := range []struct {
		name string
		text []byte
	}{{ResultsFile, results}, {JUnitFile, junit}, {IndexFile, html.Bytes()}} {
		if err := replaceFile(filepath.Join(dir, file.name), file.text); err != nil {
			return fmt.Errorf("report: %w; is the folder writable, and the disk not full?", err)
		}
	}
	return nil
}

func (r *Results) index() index {
	sum := Sum{Total: len(r.Runs), Passed: r.Passed, Failed: r.Failed, Unknown: r.Unknown, Skipped: r.Skipped, Seconds: r.Seconds}
	x := index{Results: r, Summary: sum.String(), Title: "drover: " + sum.String(), QEMUs: r.qemus()}
	if slices.ContainsFunc(r.Runs, func(o Outline) bool { return o.QEMU == "" }) {
		x.QEMUs = append(x.QEMUs, "")
	}
	rows := map[string]int{}
	for i := range r.Runs {
		o := &r.Runs[i]
		name := o.Arch + "/" + o.Scenario
		n, there := rows[name]
		if !there {
			n = len(x.Rows)
			rows[name] = n
			x.Rows = append(x.Rows, gridRow{Name: name, Cells: make([]*Outline, len(x.QEMUs))})
		}
		cell := &x.Rows[n].Cells[slices.Index(x.QEMUs, o.QEMU)]
		if *cell == nil || badness(o.Outcome) > badness((*cell).Outcome) { // of several runs the worst is shown
			*cell = o
		}
	}
	for _, outcome := range []record.Outcome{record.Fail, record.Unknown} {
		for _, o := range r.Runs {
			if o.Outcome == outcome {
				x.Bad = append(x.Bad, o)
			}
		}
	}
	x.Skips = r.skips()
	x.Slowest = r.slowest()
	return x
}

// skips are those that were skipped, by reason, the reason of most first.
func (r *Results) skips() (groups []skipGroup) {
	for _, o := range r.Runs {
		if o.Outcome != record.Skip {
			continue
		}
		i := slices.IndexFunc(groups, func(g skipGroup) bool { return g.Reason == o.Reason })
		if i < 0 {
			i = len(groups)
			groups = append(groups, skipGroup{Reason: o.Reason})
		}
		groups[i].Names = append(groups[i].Names, strings.TrimSuffix(fmt.Sprintf("%s/%s (%s)", o.Arch, o.Scenario, o.QEMU), " ()"))
	}
	slices.SortStableFunc(groups, func(a, b skipGroup) int { return len(b.Names) - len(a.Names) })
	return groups
}

// slowest are the runs that took longest.
func (r *Results) slowest() *figure {
	const most = 10
	runs := slices.Clone(r.Runs)
	slices.SortStableFunc(runs, func(a, b Outline) int {
		switch {
		case a.Seconds > b.Seconds:
			return -1
		case a.Seconds < b.Seconds:
			return 1
		}
		return 0
	})
	var rows []bar
	for _, o := range runs[:min(most, len(runs))] {
		if o.Seconds > 0 {
			rows = append(rows, bar{label: tail(o.Scenario, 22), value: o.Seconds, unit: "s", bad: o.Outcome == record.Fail})
		}
	}
	return bars("The runs that took longest", rows)
}

// tail is a name's end, where the whole is too long.
func tail(name string, most int) string {
	runes := []rune(name)
	if len(runes) <= most {
		return name
	}
	return "…" + string(runes[len(runes)-most+1:])
}
