package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/migration/bench"
)

// The files of a bench.
const (
	BenchHTMLFile = "bench.html"
	BenchJSONFile = "bench.json"
	BenchTextFile = "bench.txt" // in Go's benchmark format
)

// WriteBench writes bench.html, bench.json and bench.txt into a folder that is there, in place
// of those that were. The comparison may be nil.
func WriteBench(dir string, r *bench.Results, c *bench.Comparison) error {
	text, err := r.JSON()
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	var html, lines bytes.Buffer
	if err := writeHTML(&html, benchPage(r, c)); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := r.WriteBenchmarks(&lines); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	for _, file := range []struct {
		name string
		text []byte
	}{{BenchJSONFile, printable(text)}, {BenchTextFile, lines.Bytes()}, {BenchHTMLFile, html.Bytes()}} {
		if err := replaceFile(filepath.Join(dir, file.name), file.text); err != nil {
			return fmt.Errorf("report: %w; is the folder writable, and the disk not full?", err)
		}
	}
	return nil
}

// BenchText writes a bench as tables, a row a point.
func BenchText(w io.Writer, r *bench.Results) {
	for _, f := range facets(r) {
		t := f.table(r)
		t.write(w)
	}
	for _, line := range notMeasured(r) {
		fmt.Fprintf(w, "%s\n", plain.Text(line))
	}
}

// A facet are the points that differ in method and dirty rate alone.
type facet struct {
	memory, downtime int
	bandwidth        float64
	methods          []string
	dirty            []bench.Dirty
}

func facets(r *bench.Results) (all []*facet) {
	for _, p := range r.Points() {
		i := slices.IndexFunc(all, func(f *facet) bool {
			return f.memory == p.MemoryMiB && f.downtime == p.DowntimeMS && f.bandwidth == p.Bandwidth
		})
		if i < 0 {
			i = len(all)
			all = append(all, &facet{memory: p.MemoryMiB, downtime: p.DowntimeMS, bandwidth: p.Bandwidth})
		}
		f := all[i]
		if !slices.Contains(f.methods, p.Method) {
			f.methods = append(f.methods, p.Method)
		}
		if !slices.Contains(f.dirty, p.Dirty) {
			f.dirty = append(f.dirty, p.Dirty)
		}
	}
	for _, f := range all {
		slices.SortFunc(f.dirty, func(a, b bench.Dirty) int { return cmp.Compare(a.Bytes, b.Bytes) })
	}
	return all
}

func (f *facet) point(method string, dirty bench.Dirty) bench.Point {
	return bench.Point{Method: method, Dirty: dirty, Bandwidth: f.bandwidth, MemoryMiB: f.memory, DowntimeMS: f.downtime}
}

func (f *facet) String() string {
	text := fmt.Sprintf("max-bandwidth %s a second, downtime-limit %d ms", size(f.bandwidth), f.downtime)
	if f.memory > 0 {
		text += fmt.Sprintf(", %d MiB of RAM", f.memory)
	}
	return text
}

// columns are the metrics of the table, and how each is written.
var benchColumns = []struct {
	head, metric string
	write        func(x float64) string
}{
	{"total", "total time", milliseconds},
	{"downtime", "downtime, reported", milliseconds},
	{"by events", "downtime, by events", milliseconds},
	{"of guest", "downtime, of the guest", milliseconds},
	{"sent", "bytes", size},
	{"a second", "throughput", size},
	{"passes", "passes", func(x float64) string { return fmt.Sprintf("%.0f", x) }},
	{"CPU src", "source's CPU time", milliseconds},
	{"CPU dst", "destination's CPU time", milliseconds},
	{"slowdown", "guest's slowdown, migrating", times},
	{"postcopy", "guest's slowdown, postcopy", times},
	{"RSS src", "source's peak RSS", size},
	{"RSS dst", "destination's peak RSS", size},
}

func milliseconds(ns float64) string {
	if ns >= 10e9 {
		return fmt.Sprintf("%.1f s", ns/1e9)
	}
	return fmt.Sprintf("%.0f ms", ns/1e6)
}

func times(x float64) string { return fmt.Sprintf("%.1fx", x) }

func metricNamed(name string) bench.Metric {
	for _, m := range bench.Metrics() {
		if m.Name == name {
			return m
		}
	}
	return bench.Metric{}
}

// table is a row a point: medians, and by how much the furthest is off.
func (f *facet) table(r *bench.Results) table {
	t := table{Caption: f.String() + "; medians, ± half of what lies between the least and the most", Head: []string{"method", "dirty", "converged"}, Tight: true}
	for _, c := range benchColumns {
		t.Head = append(t.Head, c.head)
	}
	for _, method := range f.methods {
		for _, dirty := range f.dirty {
			all := r.Of(f.point(method, dirty))
			if len(all) == 0 {
				continue
			}
			kept := bench.Converged(all)
			mark := ""
			if kept < len(all) {
				mark = "note"
			}
			row := []string{method, dirty.String(), fmt.Sprintf("%d of %d", kept, len(all))}
			for _, c := range benchColumns {
				row = append(row, cellOf(bench.Summarize(all, metricNamed(c.metric)), c.write))
			}
			t.Rows, t.Marks = append(t.Rows, row), append(t.Marks, mark)
		}
	}
	return t
}

func cellOf(s bench.Summary, write func(float64) string) string {
	if s.N == 0 {
		return "-"
	}
	text := write(s.Median)
	const tells = 0.005 // of the median
	if half := (s.Max - s.Min) / 2; s.N > 1 && s.Median > 0 && half > tells*s.Median {
		text += fmt.Sprintf(" ±%.0f%%", 100*half/s.Median)
	}
	return text
}

// notMeasured are the points that could not be measured, by reason.
func notMeasured(r *bench.Results) (lines []string) {
	counts, names := map[string]int{}, map[string]string{}
	var reasons []string
	for _, m := range r.Missing {
		if counts[m.Reason]++; counts[m.Reason] == 1 {
			reasons = append(reasons, m.Reason)
			names[m.Reason] = m.Point.String()
		}
	}
	for _, reason := range reasons {
		line := names[reason]
		if more := counts[reason] - 1; more > 0 {
			line += fmt.Sprintf(" and %d more", more)
		}
		lines = append(lines, "not measured: "+line+": "+reason)
	}
	return lines
}

func benchPage(r *bench.Results, c *bench.Comparison) page {
	outcome := "pass"
	head := section{Title: "What was measured"}
	head.para("", fmt.Sprintf("%d migrations, %d rounds, in %.0f s", len(r.Measurements), r.Rounds, r.Seconds), "")
	head.para("QEMU", strings.TrimSpace(r.QEMU+", "+r.Accel+" "+strings.Join(r.Args, " ")), "")
	head.para("converges", fmt.Sprintf("what has not switched over within %.1f s is let go at any downtime, and counts as not converged", float64(r.WithinMS)/1000), "")
	if n := busiest(r); n >= 1.25 {
		head.para("host", fmt.Sprintf("others made it up to %.1f times as slow: times are longer than on a quiet one", n), "note")
	}
	for _, line := range notMeasured(r) {
		head.para("", line, "note")
		outcome = "unknown"
	}
	p := page{Title: fmt.Sprintf("drover bench: QEMU %s", r.QEMU), Sections: []section{head}}
	if c != nil {
		p.Sections = append(p.Sections, comparisonSection(c))
		if c.Worse() {
			outcome = "fail"
		}
	}
	p.Outcome = outcome
	for _, f := range facets(r) {
		s := section{Title: f.String()}
		s.figure(f.curves(r, "Downtime against what the guest dirties (of migrations that converged)", "ms", metricNamed("downtime, reported"), 1e-6))
		s.figure(f.curves(r, "Total time against what the guest dirties", "ms", metricNamed("total time"), 1e-6))
		s.figure(f.curves(r, "The guest's slowdown while it is sent", "times", metricNamed("guest's slowdown, migrating"), 1))
		s.figure(frontier(r, f))
		s.table(f.table(r))
		p.Sections = append(p.Sections, s)
	}
	return p
}

func busiest(r *bench.Results) (most float64) {
	for _, m := range r.Measurements {
		most = math.Max(most, m.HostSlowdown)
	}
	return most
}

// BenchCompared writes what became of each metric.
func BenchCompared(w io.Writer, c *bench.Comparison) {
	s := comparisonSection(c)
	writeText(w, []section{s}, 0)
}

func comparisonSection(c *bench.Comparison) section {
	s := section{Title: "Compared with the baseline"}
	verdict, mark := "no difference beyond noise", "pass"
	switch {
	case c.Worse():
		verdict, mark = "worse", "fail"
	case c.Undecided():
		verdict, mark = "undecided: times differ, and so did the host's load; measure again on a quiet one", "unknown"
	}
	s.para("verdict", verdict, mark)
	s.para("before", c.Before, "")
	s.para("now", c.After, "")
	for _, note := range c.Notes {
		s.para("differs", note, "note")
	}
	if c.HostP <= bench.Alpha {
		s.para("host", fmt.Sprintf("by what others took of it, it was %.2f times as slow as before", c.HostFactor), "note")
	}
	t := table{Caption: fmt.Sprintf("p is the chance of so large a change where nothing has changed, by permutations within each point, corrected for their number; below %g it counts", bench.Alpha), Head: []string{"what", "change", "p", "points", "verdict"}}
	for _, d := range slices.Concat(c.Convergence, c.Differences) {
		what, change, chance, says, mark := d.Metric, "", "", string(d.Verdict), ""
		if d.Point != "" {
			what += ": " + d.Point
		}
		if d.Factor > 0 {
			change, chance = fmt.Sprintf("%+.1f %%", 100*(d.Factor-1)), fmt.Sprintf("%.4f", d.P)
		}
		if d.Told && d.Verdict != bench.Same {
			says += " (follows from others)"
		} else if d.Verdict == bench.Worse {
			mark = "fail"
		}
		t.Rows, t.Marks = append(t.Rows, []string{what, change, chance, fmt.Sprint(d.Points), says}), append(t.Marks, mark)
	}
	s.table(t)
	return s
}

// AdviceText writes which settings kept a downtime, the best first, with what was measured.
func AdviceText(w io.Writer, all []bench.Advice) {
	for i, a := range all {
		p := a.Point
		verdict, why := "kept", ""
		switch {
		case i == 0 && a.Kept:
			verdict = "use"
		case !a.Kept:
			verdict, why = "no", ": "+a.Why
		}
		fmt.Fprintf(w, "%-5s %s%s\n", verdict, plain.Text(p.String()), plain.Text(why))
		text := fmt.Sprintf("%d rounds: paused for at most %.0f ms, total %.0f ms, %s sent", a.Rounds, a.DowntimeMS, a.TotalMS, size(a.Bytes))
		for _, slow := range []struct {
			x    float64
			when string
		}{{a.Slowdown, "while it is sent"}, {a.Postcopy, "in postcopy"}} {
			if slow.x > 0 {
				text += fmt.Sprintf(", guest %.1f times as slow %s", slow.x, slow.when)
			}
		}
		fmt.Fprintf(w, "      %s\n", text)
	}
}
