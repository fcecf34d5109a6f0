package main

import (
	"fmt"
	"io"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
)

// reporting is a display that first writes the report of each run whose folder was kept
// into that folder. That one can't be written is said on errors, and changes no outcome.
type reporting struct {
	display

	errors io.Writer
}

func (d reporting) done(name string, r *record.Result) {
	if r != nil && r.Dir != "" {
		if err := report.WriteRun(r.Dir, r); err != nil {
			fmt.Fprintf(d.errors, "drover: %s: %s\n", plain.Text(name), plain.Text(err.Error()))
		}
	}
	d.display.done(name, r)
}
