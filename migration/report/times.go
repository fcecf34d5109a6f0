package report

import (
	"fmt"
	"io"

	"github.com/drover-vm/drover/migration/record"
)

// Times collects where the time of runs went. The zero value is an empty one.
type Times struct {
	rows []timesRow
}

type timesRow struct {
	name  string
	of    map[record.Phase]float64 // seconds
	total float64
}

// Add takes a result into account, unless nothing was run.
func (t *Times) Add(r *record.Result) {
	if r.Record == nil || r.Outcome == record.Skip {
		return
	}
	row := timesRow{name: r.Name(), of: map[record.Phase]float64{}, total: r.Seconds}
	for _, s := range r.Record.Steps {
		row.of[s.Phase] += s.Seconds
	}
	t.rows = append(t.rows, row)
}

// Write writes a table: a line a run, in seconds a phase, and their sums.
func (t *Times) Write(w io.Writer) {
	width, sum := len("all"), timesRow{name: "all", of: map[record.Phase]float64{}}
	for _, row := range t.rows {
		width = max(width, len(row.name))
		sum.total += row.total
		for phase, seconds := range row.of {
			sum.of[phase] += seconds
		}
	}
	fmt.Fprintf(w, "%-*s", width, "seconds")
	for _, phase := range record.Phases() {
		fmt.Fprintf(w, "  %10s", phase)
	}
	fmt.Fprintf(w, "  %10s\n", "total")
	for _, row := range append(t.rows, sum) {
		fmt.Fprintf(w, "%-*s", width, row.name)
		for _, phase := range record.Phases() {
			fmt.Fprintf(w, "  %10.2f", row.of[phase])
		}
		fmt.Fprintf(w, "  %10.2f\n", row.total)
	}
}
