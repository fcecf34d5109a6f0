package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/drover-vm/drover/internal/plain"
)

// writeText writes sections as text. Sections are numbered from first on; 0 is for none.
func writeText(w io.Writer, sections []section, first int) {
	for i, s := range sections {
		if first > 0 {
			fmt.Fprintf(w, "\n%d. %s\n", first+i, s.Title)
		}
		for _, b := range s.Blocks {
			switch {
			case b.Para != nil:
				b.Para.write(w)
			case b.Table != nil:
				b.Table.write(w)
			case b.Listing != nil:
				b.Listing.write(w)
			case b.Figure != nil:
				b.Figure.write(w)
			}
		}
	}
}

// labelWidth is the width of what stands in front of sentences.
const labelWidth = 7

func (p *para) write(w io.Writer) {
	text := plain.Text(p.Text)
	if p.File != "" {
		at := p.File
		if p.Line > 0 {
			at = place(p.File, p.Line)
		}
		text += "  [" + plain.Text(at) + "]"
	}
	fmt.Fprintf(w, "%s\n", strings.TrimRight(fmt.Sprintf("%-*s  %s", labelWidth, plain.Text(p.Label), text), " "))
}

// widest bounds a column of a table in text.
const widest = 60

func (t *table) write(w io.Writer) {
	widths := make([]int, len(t.Head))
	rows := append([][]string{t.Head}, t.Rows...)
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], min(widest, len([]rune(plain.Text(cell)))))
		}
	}
	fmt.Fprintf(w, "%s\n", plain.Text(t.Caption))
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			fmt.Fprintf(&line, "  %-*s", widths[i], plain.Text(cell))
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

func (l *listing) write(w io.Writer) {
	fmt.Fprintf(w, "%s\n", plain.Text(l.Title))
	for _, line := range l.Lines {
		mark := "  "
		if line.Mark == "fail" {
			mark = "> "
		}
		fmt.Fprintln(w, strings.TrimRight(mark+line.Gutter+plain.Text(line.Text), " "))
	}
}

func (f *figure) write(w io.Writer) {
	fmt.Fprintf(w, "%s\n", plain.Text(f.Caption))
	for _, line := range f.Text {
		fmt.Fprintf(w, "  %s\n", plain.Text(line))
	}
}
