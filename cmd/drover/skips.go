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

// skipNamesWidth is how many columns of names are written of one reason.
const skipNamesWidth = 80

// write writes nothing where nothing was skipped, else:
//
//	41 skipped (-v lists each):
//	  12: QEMU 7.2.22 has no capability mapped-ram
//	      x86_64/mapped_ram/file, x86_64/mapped_ram/live and 10 more
//
// The reason of most stands first.
func (s *skips) write(w io.Writer) {
	if s.total == 0 {
		return
	}
	fmt.Fprintf(w, "%d skipped (-v lists each):\n", s.total)
	slices.SortStableFunc(s.reasons, func(a, b *skipped) int { return cmp.Compare(len(b.names), len(a.names)) })
	for _, k := range s.reasons {
		count := fmt.Sprintf("  %d: ", len(k.names))
		fmt.Fprintf(w, "%s%s\n%*s%s\n", count, plain.Text(k.reason), len(count), "", k.some())
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
