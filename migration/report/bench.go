package report

import (
	"bytes"
	_ "embed" // the page's template and style
	"fmt"
	"html/template"
	"path/filepath"
	"slices"
	"strings"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/migration/bench/stats"
)

// BenchFile is a bench's page, in the folder of its reports.
const BenchFile = "bench.html"

//go:embed bench.html.tmpl
var benchTemplate string

//go:embed bench.css
var benchStyle string

var benchPage = template.Must(template.New("bench").Funcs(template.FuncMap{
	"plain": plain.Lines,
	"style": func() template.CSS { return template.CSS(pageStyle + benchStyle) }, //nolint:gosec // our own
}).Parse(benchTemplate))

// A benchModel is what stands in bench.html.
type benchModel struct {
	Title    string
	Class    string
	Facts    []para
	Compared *comparedModel
	Frontier []*figure
	Charts   []*figure
	Tables   []benchTable
	Left     int // charts for which there is no room
	Missing  []string
}

type benchTable struct {
	Caption string
	Heads   []string
	Rows    [][]string
}

type comparedModel struct {
	Gist, TooFew string
	Changed      []string
	Rows         []comparedRow
}

type comparedRow struct{ Mark, Word, Cell, Metric, Before, Now, P string }

// mostCharts bounds the page of a bench of many conditions.
const mostCharts = 24

func newBenchModel(r *stats.Results, c *stats.Comparison) benchModel {
	m := benchModel{Title: "drover bench: " + benchTitle(r), Class: "pass", Missing: unmeasured(r)}
	m.Facts = []para{
		{Label: "QEMU", Text: fmt.Sprintf("%s (%s), %s, %s", versionsOf(r), r.Source.Binary, r.Arch, r.Accel)},
		{Label: "measured", Text: fmt.Sprintf("%d migrations, each cell %d times, in %.0f s, begun %s, order of seed %d", r.Measured(), r.Repeats, r.Seconds, r.Started.UTC().Format("2006-01-02 15:04 UTC"), r.Seed)},
		{Label: "host", Text: hostText(r)},
	}
	if len(r.Args) > 0 {
		m.Facts = append(m.Facts, para{Label: "options", Text: strings.Join(r.Args, " ")})
	}
	if r.Interrupted {
		m.Facts = append(m.Facts, para{Label: "unfinished", Text: "interrupted before all was measured", Mark: "unknown"})
	}
	if c != nil {
		m.Compared = compared(*c)
		if len(c.Worse()) > 0 {
			m.Class = "fail"
		}
	}
	var networks [][2]int64
	for _, of := range allConditions(r) {
		m.Charts = append(m.Charts, curves(r, of, stats.Downtime), curves(r, of, stats.Total))
		if n := [2]int64{of.bandwidth, int64(of.memoryMiB)}; !slices.Contains(networks, n) {
			networks = append(networks, n)
			m.Frontier = append(m.Frontier, frontier(r, of.bandwidth, of.memoryMiB))
		}
		m.Tables = append(m.Tables, numbersUnder(r, of))
	}
	m.Charts = slices.DeleteFunc(m.Charts, func(f *figure) bool { return f == nil })
	m.Left = max(0, len(m.Charts)-mostCharts)
	m.Charts = m.Charts[:min(mostCharts, len(m.Charts))]
	return m
}

func benchTitle(r *stats.Results) string {
	return fmt.Sprintf("%s on QEMU %s", strings.Join(r.Methods(), ", "), versionsOf(r))
}

func hostText(r *stats.Results) string {
	text := fmt.Sprintf("%d CPUs", r.CPUs)
	if r.Slowdown > 0 {
		text += fmt.Sprintf(", %.2f times slower than alone for the load of others", r.Slowdown)
	}
	if r.Slowdown > quiet {
		text += ": compare CPU times rather than times"
	}
	return text
}

// numbersUnder are the medians of all metrics, a row a cell.
func numbersUnder(r *stats.Results, of conditions) benchTable {
	t := benchTable{Caption: of.String(), Heads: []string{"method", "dirty rate", "converged"}}
	var metrics []stats.MetricInfo
	for _, info := range stats.Metrics() {
		measured := func(c stats.CellResult) bool { return conditionsOf(c.Cell) == of && len(c.Values(info.Metric)) > 0 }
		if info.Metric != stats.NotConverged && slices.ContainsFunc(r.Cells, measured) {
			metrics = append(metrics, info)
			t.Heads = append(t.Heads, info.Label)
		}
	}
	for _, c := range r.Cells {
		if conditionsOf(c.Cell) != of || len(c.Samples) == 0 {
			continue
		}
		row := []string{c.Method, c.DirtyRate.String(), fmt.Sprintf("%d of %d", c.Converged(), len(c.Samples))}
		for _, info := range metrics {
			row = append(row, summaryText(c, info.Metric))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// compared are the differences beyond noise.
func compared(c stats.Comparison) *comparedModel {
	m := &comparedModel{Gist: comparisonGist(c), TooFew: c.TooFew, Changed: c.Changed}
	for _, d := range append(c.Worse(), c.Better()...) {
		info := stats.Info(d.Metric)
		row := comparedRow{
			"fail", "✗ worse", d.Cell.String(), info.Label, d.Before.Text(info.Unit), d.Now.Text(info.Unit),
			fmt.Sprintf("p=%.4f, n=%d+%d", d.P, d.Before.N, d.Now.N),
		}
		if d.Better {
			row.Mark, row.Word = "pass", "✓ better"
		}
		m.Rows = append(m.Rows, row)
	}
	return m
}

// BenchPage is bench.html: all of it, no style, script or picture is elsewhere. How the
// results compare with a baseline is in it unless that is nil.
func BenchPage(r *stats.Results, c *stats.Comparison) ([]byte, error) {
	var html bytes.Buffer
	if err := benchPage.Execute(&html, newBenchModel(r, c)); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return html.Bytes(), nil
}

// WriteBench writes bench.html, bench.json and bench.txt into a folder that is there, in
// place of those that were. Each file is complete or not there.
func WriteBench(dir string, r *stats.Results, c *stats.Comparison) error {
	page, err := BenchPage(r, c)
	if err != nil {
		return err
	}
	text, err := r.JSON()
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	lines, err := r.GoFormat()
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	for _, file := range []struct {
		name string
		text []byte
	}{{stats.File, text}, {stats.GoFile, lines}, {BenchFile, page}} {
		if err := replaceFile(filepath.Join(dir, file.name), file.text); err != nil {
			return fmt.Errorf("report: %w; is the folder writable, and the disk not full?", err)
		}
	}
	return nil
}
