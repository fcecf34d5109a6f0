package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/migration/stream"
)

// An inspection is what is written of a stream. All names in it are somebody else's:
// text goes through plain.Text before it is printed.
type inspection struct {
	File     string
	Wrapping string `json:",omitempty"` // what the file is, where it isn't a stream alone
	*stream.Stream
	Problems []stream.Problem
	Remarks  []stream.Problem `json:",omitempty"`
}

// fields leaves out what only -v is to show.
func (in *inspection) fields(verbose bool) {
	if in.Problems == nil {
		in.Problems = []stream.Problem{}
	}
	for _, s := range in.Sections {
		if !verbose {
			s.Fields = nil
		}
	}
}

func (in *inspection) text(w io.Writer, verbose bool) {
	c := in.Configuration
	fmt.Fprintf(w, "%s: %d bytes from byte %d on\n", plain.Text(in.File), in.Size, in.Offset)
	facts := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fact := func(name, value string) {
		if value != "" {
			fmt.Fprintf(facts, "%s\t%s\n", name, plain.Text(value))
		}
	}
	fact("file", in.Wrapping)
	fact("machine", c.Machine)
	fact("capabilities", strings.Join(c.Capabilities, ", "))
	fact("uuid", c.UUID)
	if c.PageBits > 0 {
		fact("pages", fmt.Sprintf("%d bytes", 1<<c.PageBits))
	}
	fact("commands", in.commands())
	fact("RAM", in.ram())
	if in.TrailingZeros {
		fact("behind it", fmt.Sprintf("%d bytes, all of them zeros", in.Trailing))
	}
	facts.Flush()
	in.blocks(w)
	in.sections(w, verbose)
	fmt.Fprintln(w)
	for _, r := range in.Remarks {
		fmt.Fprintf(w, "remark: %s\n", plain.Text(r.String()))
	}
	for _, p := range in.Problems {
		fmt.Fprintf(w, "problem: %s\n", plain.Text(p.String()))
	}
	if len(in.Problems) == 0 {
		fmt.Fprintln(w, "no problems")
	}
}

// maxCommandsShown is how many commands are printed: postcopy sends as many as it likes
// that discard pages.
const maxCommandsShown = 100

// commands are printed in their order, those in a row once.
func (in *inspection) commands() string {
	var shown []string
	for i, n := 0, 0; i < len(in.Commands); i += n {
		if len(shown) == maxCommandsShown {
			return fmt.Sprintf("%s, and %d more", strings.Join(shown, ", "), int64(len(in.Commands)-i)+in.MoreCommands)
		}
		one := in.Commands[i].String()
		for n = 1; i+n < len(in.Commands) && in.Commands[i+n].Code == in.Commands[i].Code; n++ {
		}
		if n > 1 {
			one += fmt.Sprintf(" (%d times)", n)
		}
		shown = append(shown, one)
	}
	if in.MoreCommands > 0 {
		shown = append(shown, fmt.Sprintf("and %d more", in.MoreCommands))
	}
	return strings.Join(shown, ", ")
}

func (in *inspection) ram() string {
	r := in.RAM
	text := fmt.Sprintf("%d bytes in %d blocks", r.Total, len(r.Blocks))
	if len(r.Blocks) == 1 {
		text = strings.TrimSuffix(text, "s")
	}
	if r.Mapped {
		text += ", each page with a place of its own in the file"
	}
	if r.Syncs > 0 {
		text += fmt.Sprintf(", over channels of their own (%d syncs)", r.Syncs)
	}
	return text
}

func (in *inspection) blocks(w io.Writer) {
	if len(in.RAM.Blocks) == 0 {
		return
	}
	zero := "zero"
	if in.RAM.Mapped {
		zero = "absent"
	}
	t := newNumberTable("bytes", "pages", "sent", zero, "normal", "xbzrle", "compressed")
	rows := func(row func(name string, numbers ...uint64)) {
		for _, b := range in.RAM.Blocks {
			row(b.Name, b.Length, uint64(b.Pages), uint64(b.Sent), uint64(b.Zero), uint64(b.Normal), uint64(b.XBZRLE), uint64(b.Compressed))
		}
	}
	rows(t.measure)
	t.head(w, "block")
	rows(func(name string, numbers ...uint64) { t.row(w, name, numbers...) })
}

func (in *inspection) sections(w io.Writer, verbose bool) {
	if len(in.Sections) == 0 {
		return
	}
	t := newNumberTable("section", "at byte", "bytes", "version")
	numbers := func(s *stream.Section) []uint64 {
		return []uint64{uint64(s.ID), uint64(s.Offset), uint64(s.Size), uint64(s.Version)}
	}
	for _, s := range in.Sections {
		t.measure("", numbers(s)...)
	}
	t.head(w, "name")
	for _, s := range in.Sections {
		t.row(w, in.title(s), numbers(s)...)
		if verbose {
			fields(w, s.Fields, "    ")
		}
	}
}

func (in *inspection) title(s *stream.Section) string {
	name := s.Name
	if s.Instance != 0 {
		name += fmt.Sprintf(" (instance %d)", s.Instance)
	}
	if s.Live {
		name += fmt.Sprintf(", live, in %d parts", s.Parts)
	}
	return name
}

// fields are written as a tree, so that what is in a struct stands under it.
func fields(w io.Writer, all []stream.Field, indent string) {
	for _, f := range all {
		name, kind := plain.Text(f.Name), plain.Text(f.Type)
		if f.Count > 0 {
			kind += fmt.Sprintf("[%d]", f.Count)
		}
		if f.Fields != nil {
			fmt.Fprintf(w, "%s%s  %s\n", indent, name, kind)
			fields(w, f.Fields, indent+"  ")
			continue
		}
		fmt.Fprintf(w, "%s%s = %s  %s\n", indent, name, plain.Text(f.Value), kind)
	}
}

// A numberTable has columns of numbers, and a name behind them. It is measured first and then
// printed line by line, so that it may have any number of lines.
type numberTable struct {
	titles []string
	widths []int
}

func newNumberTable(titles ...string) *numberTable {
	t := &numberTable{titles: titles}
	for _, title := range titles {
		t.widths = append(t.widths, len(title))
	}
	return t
}

func (t *numberTable) measure(_ string, numbers ...uint64) {
	for i, n := range numbers {
		digits := 1
		for ; n >= 10; n /= 10 {
			digits++
		}
		t.widths[i] = max(t.widths[i], digits)
	}
}

func (t *numberTable) head(w io.Writer, name string) {
	fmt.Fprintln(w)
	for i, title := range t.titles {
		fmt.Fprintf(w, "%*s", t.widths[i]+2, title)
	}
	fmt.Fprintf(w, "  %s\n", name)
}

func (t *numberTable) row(w io.Writer, name string, numbers ...uint64) {
	for i, n := range numbers {
		fmt.Fprintf(w, "%*d", t.widths[i]+2, n)
	}
	fmt.Fprintf(w, "  %s\n", plain.Text(name))
}
