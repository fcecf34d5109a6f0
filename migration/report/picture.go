package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/drover-vm/drover/migration/record"
)

// A picture is drawn as SVG: shapes in a box of its own units. Colours are classes, which
// the page's style gives in light and in dark.
type picture struct {
	Width, Height float64
	Shapes        []shape
}

// A shape is a rectangle, a line through points, or a text.
type shape struct {
	Kind       string // rect, line, text
	Class      string
	X, Y, W, H float64
	Points     string
	Text       string
	Anchor     string
}

func (p *picture) rect(class string, x, y, w, h float64) {
	p.Shapes = append(p.Shapes, shape{Kind: "rect", Class: class, X: x, Y: y, W: math.Max(w, 0.5), H: h})
}

func (p *picture) text(class, anchor string, x, y float64, text string) {
	p.Shapes = append(p.Shapes, shape{Kind: "text", Class: class, Anchor: anchor, X: x, Y: y, Text: text})
}

func (p *picture) line(class string, points [][2]float64) {
	var b strings.Builder
	for _, at := range points {
		fmt.Fprintf(&b, "%.1f,%.1f ", at[0], at[1])
	}
	p.Shapes = append(p.Shapes, shape{Kind: "line", Class: class, Points: strings.TrimSpace(b.String())})
}

// The width of pictures, in their units, and the columns of those in characters.
const (
	pictureWidth = 680.0
	textColumns  = 64
)

// A bar is one row of a bar chart.
type bar struct {
	label string
	value float64
	unit  string
	bad   bool
}

// barLines are bars in characters.
func barLines(rows []bar) (lines []string) {
	most, label := 0.0, 0
	for _, r := range rows {
		if !math.IsNaN(r.value) {
			most = math.Max(most, r.value)
		}
		label = max(label, len(r.label))
	}
	const columns = 24
	for _, r := range rows {
		lines = append(lines, fmt.Sprintf("%-*s  %-*s  %s", label, r.label, columns, strings.Repeat("#", share(r.value, most, columns)), amount(r.value, r.unit)))
	}
	return lines
}

// share is how many of so many columns a value takes; at least one where it isn't 0.
func share(value, most float64, columns int) int {
	if !(value > 0) || !(most > 0) {
		return 0
	}
	return min(columns, max(1, int(math.Round(value/most*float64(columns)))))
}

// bars is a chart of bars; nil where there are none.
func bars(caption string, rows []bar) *figure {
	if len(rows) == 0 {
		return nil
	}
	const row, left, right = 24.0, 150.0, 130.0
	f := &figure{Caption: caption, Picture: picture{Width: pictureWidth, Height: row * float64(len(rows))}, Text: barLines(rows)}
	most := 0.0
	var alt []string
	for _, r := range rows {
		if !math.IsNaN(r.value) {
			most = math.Max(most, r.value)
		}
		alt = append(alt, strings.TrimSpace(r.label)+" "+amount(r.value, r.unit))
	}
	f.Alt = caption + ": " + strings.Join(alt, "; ")
	for i, r := range rows {
		y := float64(i) * row
		f.Picture.text("label", "end", left-8, y+16, strings.TrimSpace(r.label))
		class := "bar"
		if r.bad {
			class = "bar bad"
		}
		width := 0.0
		if most > 0 && r.value > 0 {
			width = r.value / most * (pictureWidth - left - right)
		}
		f.Picture.rect(class, left, y+4, width, row-8)
		f.Picture.text("label", "start", left+width+8, y+16, amount(r.value, r.unit))
	}
	return f
}

// memoryMap shows where in guest memory pages are wrong.
func memoryMap(w *record.WorkloadFacts, wrong []record.Misfit) *figure {
	const rows = 8
	n := min(textColumns*rows, w.Pages)
	span := float64(w.Range.End - w.Range.Start)
	if n <= 0 || span <= 0 {
		return nil
	}
	cells := make([]int, n)
	cell := func(at uint64) int {
		if at < w.Range.Start {
			return 0
		}
		return int(min(float64(n-1), float64(at-w.Range.Start)/span*float64(n)))
	}
	for _, m := range wrong {
		last := m.Address + uint64(max(m.Pages, 1)-1)*w.Stride
		for c := cell(m.Address); c <= cell(last); c++ {
			cells[c]++
		}
	}
	listed := n // cells behind the last one that is listed
	if w.More > 0 {
		listed = cell(wrong[len(wrong)-1].Address) + 1
	}
	const side = pictureWidth / textColumns
	f := &figure{Caption: "Map of guest memory"}
	lines := (n + textColumns - 1) / textColumns
	f.Picture = picture{Width: pictureWidth, Height: side * float64(lines)}
	bad := 0
	for row := range lines {
		var b strings.Builder
		for column := range min(textColumns, n-row*textColumns) {
			i := row*textColumns + column
			class, sign := "cell", "."
			switch {
			case cells[i] > 0:
				class, sign = "cell bad", "#"
				bad++
			case i >= listed:
				class, sign = "cell unlisted", "?"
			}
			b.WriteString(sign)
			f.Picture.rect(class, float64(column)*side, float64(row)*side, side-1.5, side-1.5)
		}
		at := w.Range.Start + uint64(float64(row*textColumns)/float64(n)*span)
		f.Text = append(f.Text, fmt.Sprintf("%#10x %s", at, b.String()))
	}
	per := sizeOf(uint64(span/float64(n)) &^ 1023)
	f.Alt = fmt.Sprintf("Guest memory from %#x to %#x in %d cells of about %s: %d hold wrong pages (dark, #), %d are right, %d are behind the last that the record lists (?)",
		w.Range.Start, w.Range.End, n, per, bad, listed-bad, n-listed)
	f.Text = append(f.Text, fmt.Sprintf("# wrong, . right, ? not listed; a sign is about %s", per))
	return f
}
