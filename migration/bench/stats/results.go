package stats

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Format grows when Results change so that older ones can't be read.
const Format = 1

// File is the name of results in a folder of a bench's reports.
const File = "bench.json"

// Results are what a bench has measured, and how. They are values that nobody changes
// when the bench is over.
type Results struct {
	Format      int
	Started     time.Time
	Seconds     float64
	Interrupted bool   `json:",omitempty"` // before all was measured
	Seed        uint64 // of the order
	Repeats     int    // of each cell, without those of the warm-up
	MaxTimeMS   int64  // that a migration had to converge
	Arch        string
	Accel       string
	Source      QEMU
	Destination QEMU
	Args        []string `json:",omitempty"` // added to the QEMUs' command lines
	CPUs        int      // of the host
	// Slowdown is what the load of others made of the host's speed, the median of all
	// migrations: 1 is a quiet host, 2 one that has left half of its time.
	Slowdown float64
	Cells    []CellResult // in the order of a table
}

// A QEMU is one side's binary.
type QEMU struct{ Binary, Version string }

// Add puts a sample to its cell, which is added where it is new.
func (r *Results) Add(c Cell, s Sample) {
	cell := r.Cell(c)
	cell.Samples = append(cell.Samples, s)
}

// Cell is the result of a cell, which is added where it is new.
func (r *Results) Cell(c Cell) *CellResult {
	for i := range r.Cells {
		if r.Cells[i].Cell == c {
			return &r.Cells[i]
		}
	}
	r.Cells = append(r.Cells, CellResult{Cell: c})
	return &r.Cells[len(r.Cells)-1]
}

// Methods are those that were measured, in their order.
func (r *Results) Methods() (all []string) {
	for _, c := range r.Cells {
		if len(c.Samples) > 0 && !slices.Contains(all, c.Method) {
			all = append(all, c.Method)
		}
	}
	return all
}

// Measured is how many migrations there were.
func (r *Results) Measured() (n int) {
	for _, c := range r.Cells {
		n += len(c.Samples)
	}
	return n
}

// Sort puts the cells in the order of a table: by what they have to cope with, and methods
// in the order in which they came.
func (r *Results) Sort() {
	slices.SortStableFunc(r.Cells, func(a, b CellResult) int { return compareCells(a.Cell, b.Cell) })
}

// JSON is the results as a file has them.
func (r *Results) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(r, "", "  ")
	return append(text, '\n'), err
}

// Bounds of a file of results.
const (
	longestFile = 64 << 20 // bytes
	mostCells   = 100_000

	mostDowntimeMS = 2_000_000 // that QEMU takes
)

// Load reads what JSON made. Path is the file, or a folder that has it by the name [File].
func Load(path string) (*Results, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, File)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, longestFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > longestFile {
		return nil, fmt.Errorf("%s has more than %d MiB: it is no result of drover bench", path, longestFile>>20)
	}
	r, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// Parse reads what JSON made, and refuses what no bench can have measured.
func Parse(text []byte) (*Results, error) {
	decode := json.NewDecoder(bytes.NewReader(text))
	decode.DisallowUnknownFields()
	var r Results
	if err := decode.Decode(&r); err != nil {
		return nil, fmt.Errorf("no result of drover bench (%s): %w", File, err)
	}
	if r.Format != Format {
		return nil, fmt.Errorf("the results have format %d, and this drover reads %d: measure again", r.Format, Format)
	}
	if len(r.Cells) > mostCells {
		return nil, fmt.Errorf("the results have %d cells, more than %d", len(r.Cells), mostCells)
	}
	seen := map[Cell]bool{}
	for _, c := range r.Cells {
		if err := c.check(); err != nil {
			return nil, err
		}
		if seen[c.Cell] {
			return nil, fmt.Errorf("the results have the cell twice: %s", c.Cell)
		}
		seen[c.Cell] = true
	}
	return &r, nil
}

func (c CellResult) check() error {
	if c.Method == "" || c.DirtyRate < 0 || c.Bandwidth < 0 || c.MemoryMiB < 0 || c.MemoryMiB > mostBytes>>20 || c.DowntimeMS < 0 || c.DowntimeMS > mostDowntimeMS {
		return errors.New("the results have a cell that can't be: " + c.Cell.String())
	}
	for _, s := range c.Samples {
		for m, x := range s.Values {
			if math.IsNaN(x) || math.IsInf(x, 0) || x < 0 {
				return fmt.Errorf("%s: %s is %g", c.Cell, m, x)
			}
		}
	}
	return nil
}
