package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/migration/record"
)

// skips sums up the scenarios that were skipped, by reason. The zero value is ready; it is
// not safe for concurrent use.
type skips struct {
	reasons []*skipped // in the order in which they came
	total   int
}

// skipped are the scenarios of one reason.
type skipped struct {
	reason string
	names  []string
}

func (s *skips) add(r *record.Result) {
	s.total++
	i := slices.IndexFunc(s.reasons, func(k *skipped) bool { return k.reason == r.Reason })
	if i < 0 {
		i = len(s.reasons)
		s.reasons = append(s.reasons, &skipped{reason: r.Reason})
	}
	s.reasons[i].names = append(s.reasons[i].names, r.Name())
}

// mostReasons is how many reasons are written where they are written for a terminal: with two
// lines each, of a QEMU that lacks much they would be all that is left on the screen.
const mostReasons = 8

// skipNamesWidth is how many columns of names are written of one reason.
const skipNamesWidth = 80

// write writes nothing where nothing was skipped, else:
//
//	41 skipped (-v lists each):
//	  12: QEMU 7.2.22 has no capability mapped-ram
//	      x86_64/mapped_ram/file, x86_64/mapped_ram/live and 10 more
//
// The reason of most stands first. Where there are more than the most reasons that are wanted,
// and one or two more, the others are counted only; 0 wants all.
func (s *skips) write(w io.Writer, most int) {
	if s.total == 0 {
		return
	}
	fmt.Fprintf(w, "%d skipped (-v lists each):\n", s.total)
	slices.SortStableFunc(s.reasons, func(a, b *skipped) int { return cmp.Compare(len(b.names), len(a.names)) })
	shown := s.reasons
	if most > 0 && len(shown) > most+2 {
		shown = shown[:most]
	}
	left := s.total
	for _, k := range shown {
		left -= len(k.names)
		count := fmt.Sprintf("  %d: ", len(k.names))
		fmt.Fprintf(w, "%s%s\n%*s%s\n", count, plain.Text(k.reason), len(count), "", k.some())
	}
	if left > 0 {
		fmt.Fprintf(w, "  %d: for %d other reasons\n", left, len(s.reasons)-len(shown))
	}
}

// some are the first names, as many as fit into a line.
func (k *skipped) some() string {
	var text strings.Builder
	for i, name := range k.names {
		name = plain.Text(name)
		switch {
		case i == 0:
		case text.Len()+len(name) > skipNamesWidth:
			return fmt.Sprintf("%s and %d more", &text, len(k.names)-i)
		default:
			text.WriteString(", ")
		}
		text.WriteString(name)
	}
	return text.String()
}
