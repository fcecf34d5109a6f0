package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/drover-vm/drover/migration/stream"
)

// An inspection is what is written of a stream.
type inspection struct {
	File string
	*stream.Stream
	Problems []stream.Problem
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
	fmt.Fprintf(w, "%s: %d bytes from byte %d on\n", in.File, in.Size, in.Offset)
	facts := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fact := func(name, value string) {
		if value != "" {
			fmt.Fprintf(facts, "%s\t%s\n", name, value)
		}
	}
	fact("machine", c.Machine)
	fact("capabilities", strings.Join(c.Capabilities, ", "))
	fact("uuid", c.UUID)
	if c.PageBits > 0 {
		fact("pages", fmt.Sprintf("%d bytes", 1<<c.PageBits))
	}
	fact("commands", in.commands())
	fact("RAM", in.ram())
	facts.Flush()
	in.blocks(w)
	in.sections(w, verbose)
	fmt.Fprintln(w)
	for _, p := range in.Problems {
		fmt.Fprintf(w, "problem: %s\n", p)
	}
	if len(in.Problems) == 0 {
		fmt.Fprintln(w, "no problems")
	}
}

// commands are told in their order, those in a row once.
func (in *inspection) commands() string {
	var said []string
	for i, n := 0, 0; i < len(in.Commands); i += n {
		one := in.Commands[i].String()
		for n = 1; i+n < len(in.Commands) && in.Commands[i+n].String() == one; n++ {
		}
		if n > 1 {
			one += fmt.Sprintf(" (%d times)", n)
		}
		said = append(said, one)
	}
	return strings.Join(said, ", ")
}

func (in *inspection) ram() string {
	r := in.RAM
	said := fmt.Sprintf("%d bytes in %d blocks", r.Total, len(r.Blocks))
	if len(r.Blocks) == 1 {
		said = strings.TrimSuffix(said, "s")
	}
	if r.Mapped {
		said += ", each page with a place of its own in the file"
	}
	if r.Syncs > 0 {
		said += fmt.Sprintf(", over channels of their own (%d syncs)", r.Syncs)
	}
	return said
}

func (in *inspection) blocks(w io.Writer) {
	if len(in.RAM.Blocks) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	zero := "zero"
	if in.RAM.Mapped {
		zero = "absent"
	}
	fmt.Fprintf(t, "bytes\tpages\tsent\t%s\twhole\txbzrle\tcompressed\t  block\n", zero)
	for _, b := range in.RAM.Blocks {
		fmt.Fprintf(t, "%d\t%d\t%d\t%d\t%d\t%d\t%d\t  %s\n", b.Length, b.Pages, b.Sent, b.Zero, b.Normal, b.XBZRLE, b.Compressed, b.Name)
	}
	t.Flush()
}

func (in *inspection) sections(w io.Writer, verbose bool) {
	if len(in.Sections) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "section\tat byte\tbytes\tversion\t  name\n")
	for _, s := range in.Sections {
		fmt.Fprintf(t, "%d\t%d\t%d\t%d\t  %s\n", s.ID, s.Offset, s.Size, s.Version, in.title(s))
		if verbose && s.Fields != nil {
			t.Flush()
			fields(w, s.Fields, "    ")
		}
	}
	t.Flush()
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
		kind := f.Type
		if f.Count > 0 {
			kind += fmt.Sprintf("[%d]", f.Count)
		}
		if f.Fields != nil {
			fmt.Fprintf(w, "%s%s  %s\n", indent, f.Name, kind)
			fields(w, f.Fields, indent+"  ")
			continue
		}
		fmt.Fprintf(w, "%s%s = %s  %s\n", indent, f.Name, f.Value, kind)
	}
}
