package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/migration/bench/stats"
)

// A conditions is what methods are compared under: all axes but the method and the dirty rate.
type conditions struct {
	bandwidth  int64
	memoryMiB  int
	downtimeMS int64
}

func conditionsOf(c stats.Cell) conditions {
	return conditions{c.Bandwidth, c.MemoryMiB, c.DowntimeMS}
}

func (c conditions) String() string {
	return fmt.Sprintf("bandwidth %s, %s of RAM, downtime limit %s", stats.BandwidthText(c.bandwidth), stats.MemoryText(c.memoryMiB), c.limit())
}

func (c conditions) limit() string {
	return (time.Duration(c.downtimeMS) * time.Millisecond).String()
}

// allConditions are those of the cells, in their order.
func allConditions(r *stats.Results) (all []conditions) {
	for _, c := range r.Cells {
		if of := conditionsOf(c.Cell); len(c.Samples) > 0 && !slices.Contains(all, of) {
			all = append(all, of)
		}
	}
	return all
}

// BenchText writes the table of a bench: a line a cell, of the quantities that matter most.
func BenchText(w io.Writer, r *stats.Results) {
	for _, of := range allConditions(r) {
		fmt.Fprintf(w, "%s\n", of)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "  method\tdirty rate\tconverged\ttotal\tdowntime\tsent\tCPU src+dst\tguest")
		for _, c := range r.Cells {
			if conditionsOf(c.Cell) == of && len(c.Samples) > 0 {
				fmt.Fprintf(t, "  %s\t%s\t%d of %d\t%s\t%s\t%s\t%s\t%s\n", plain.Text(c.Method), c.DirtyRate, c.Converged(), len(c.Samples),
					summaryText(c, stats.Total), summaryText(c, stats.Downtime), summaryText(c, stats.Sent), cpuText(c), speedText(c))
			}
		}
		_ = t.Flush()
	}
	for _, line := range unmeasured(r) {
		fmt.Fprintln(w, plain.Text(line))
	}
	fmt.Fprintln(w, plain.Text(benchGist(r)))
}

func summaryText(c stats.CellResult, m stats.Metric) string {
	return stats.Summarize(c.Values(m)).Text(stats.Info(m).Unit)
}

// cpuText is the CPU time of both QEMUs, without their vCPUs.
func cpuText(c stats.CellResult) string {
	source, destination := stats.Summarize(c.Values(stats.CPUSource)), stats.Summarize(c.Values(stats.CPUDestination))
	if source.N == 0 || destination.N == 0 {
		return "–"
	}
	return stats.Text(source.Median, "s") + " + " + stats.Text(destination.Median, "s")
}

// speedText is how fast the guest was while it was sent.
func speedText(c stats.CellResult) string {
	during := stats.Summarize(c.Values(stats.GuestDuring))
	if during.N == 0 {
		return "–"
	}
	return percent(during.Median)
}

func percent(x float64) string { return fmt.Sprintf("%.0f%%", 100*x) }

// unmeasured are the cells of which there is nothing, by reason.
func unmeasured(r *stats.Results) (lines []string) {
	add := func(line string) {
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	for _, c := range r.Cells {
		switch {
		case c.Skipped != "":
			add("skipped " + c.Method + ": " + c.Skipped)
		case len(c.Failures) > 0:
			add(fmt.Sprintf("failed %d times: %s: %s", len(c.Failures), c.Cell, c.Failures[0]))
		}
	}
	return lines
}

// WhyNothing says why a bench has measured nothing.
func WhyNothing(r *stats.Results) string {
	if lines := unmeasured(r); len(lines) > 0 {
		return plain.Text(strings.Join(lines, "; "))
	}
	return "it ended before the first migration had"
}

// quiet is how much slower than alone a bench may have been: from there on times say as much
// of others as of QEMU.
const quiet = 1.25

func benchGist(r *stats.Results) string {
	text := fmt.Sprintf("%d migrations in %.0f s, seed %d, QEMU %s, %s", r.Measured(), r.Seconds, r.Seed, versionsOf(r), r.Accel)
	if r.Slowdown > quiet {
		text += fmt.Sprintf("; others used this host: it was %.1f times slower than alone, so compare CPU times rather than times", r.Slowdown)
	}
	if r.Interrupted {
		text += "; interrupted before all was measured"
	}
	return text
}

func versionsOf(r *stats.Results) string {
	if r.Source.Version == r.Destination.Version {
		return r.Source.Version
	}
	return r.Source.Version + " to " + r.Destination.Version
}

// mostDifferences is how many are printed.
const mostDifferences = 12

// ComparisonText writes how a bench compares with its baseline.
func ComparisonText(w io.Writer, c stats.Comparison, baseline string) {
	for _, kind := range []struct {
		word string
		all  []stats.Difference
	}{{"worse ", c.Worse()}, {"better", c.Better()}} {
		for _, d := range kind.all[:min(mostDifferences, len(kind.all))] {
			fmt.Fprintf(w, "%s  %s\n", kind.word, plain.Text(d.String()))
		}
		if more := len(kind.all) - mostDifferences; more > 0 {
			fmt.Fprintf(w, "%s  and %d more, which %s has\n", kind.word, more, BenchFile)
		}
	}
	fmt.Fprintf(w, "%s, compared with %s\n", comparisonGist(c), plain.Text(baseline))
	if len(c.Changed) > 0 {
		fmt.Fprintf(w, "changed: %s\n", plain.Text(strings.Join(c.Changed, "; ")))
	}
	if c.TooFew != "" {
		fmt.Fprintln(w, c.TooFew)
	}
	for _, only := range []struct {
		text  string
		cells []stats.Cell
	}{{"only in the baseline", c.OnlyBefore}, {"not in the baseline", c.OnlyNow}} {
		if n := len(only.cells); n > 0 {
			fmt.Fprintf(w, "%s: %d cells, the first: %s\n", only.text, n, plain.Text(only.cells[0].String()))
		}
	}
}

func comparisonGist(c stats.Comparison) string {
	worse, better := len(c.Worse()), len(c.Better())
	if worse+better == 0 {
		return fmt.Sprintf("no difference in %d tests", len(c.Differences))
	}
	return fmt.Sprintf("%d worse and %d better of %d tests", worse, better, len(c.Differences))
}

// AdviceText writes which settings kept a downtime, and the evidence; what did not keep it;
// or that nothing measured answers.
func AdviceText(w io.Writer, q stats.Question, a stats.Advice, version string) {
	asked := fmt.Sprintf("a dirty rate of %s over %s, paused for at most %s", q.DirtyRate, stats.BandwidthText(q.Bandwidth), q.Downtime)
	if q.MemoryMiB > 0 {
		asked += ", with " + stats.MemoryText(q.MemoryMiB) + " of RAM"
	}
	switch {
	case len(a.Keep) > 0:
		settings := fmt.Sprintf("%d settings", len(a.Keep))
		if len(a.Keep) == 1 {
			settings = "one setting"
		}
		fmt.Fprintf(w, "%s kept it, the fastest first (QEMU %s): %s\n", settings, plain.Text(version), asked)
	case len(a.Not) > 0:
		fmt.Fprintf(w, "no setting that was measured kept it (QEMU %s): %s\n", plain.Text(version), asked)
	default:
		fmt.Fprintf(w, "nothing that was measured answers: %s\n", asked)
		for _, c := range a.Nearest {
			fmt.Fprintf(w, "  measured: dirty rate %s, bandwidth %s, memory %s\n", c.DirtyRate, stats.BandwidthText(c.Bandwidth), stats.MemoryText(c.MemoryMiB))
		}
		fmt.Fprintf(w, "measure it: drover bench --dirty-rates %s --bandwidths %s --downtimes %s\n", q.DirtyRate, stats.BandwidthText(q.Bandwidth), q.Downtime)
		return
	}
	for _, s := range a.Keep {
		fmt.Fprintf(w, "  kept      %s\n", plain.Text(s.String()))
	}
	for _, s := range a.Not {
		fmt.Fprintf(w, "  not kept  %s\n", plain.Text(s.String()))
	}
}
