package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/record"
)

func TestSkipsAreSummedUpByReason(t *testing.T) {
	var s skips
	add := func(reason string, names ...string) {
		for _, name := range names {
			s.add(&record.Result{Scenario: name, Arch: "x86_64", Outcome: record.Skip, Reason: reason})
		}
	}
	add("no userfaultfd", "postcopy/plain")
	add("QEMU 5.2.0 has no capability mapped-ram", "mapped-ram/a", "mapped-ram/b")
	add("a \x1b[31mQEMU's\nwords", "c/\x1b")
	add("QEMU 5.2.0 has no capability mapped-ram", "mapped-ram/"+strings.Repeat("c", 60), "mapped-ram/d")
	var b strings.Builder
	s.write(&b, 1)
	require.Equal(t, `6 skipped (-v lists each):
  4: QEMU 5.2.0 has no capability mapped-ram
     x86_64/mapped-ram/a, x86_64/mapped-ram/b and 2 more
  1: no userfaultfd
     x86_64/postcopy/plain
  1: a \x1b[31mQEMU's\nwords
     x86_64/c/\x1b
`, b.String())
}

func TestOfManyReasonsATerminalShowsThoseOfMost(t *testing.T) {
	var s skips
	for i := range 5 {
		for range 5 - i {
			s.add(&record.Result{Scenario: "a", Arch: "x86_64", Outcome: record.Skip, Reason: strings.Repeat("x", i+1)})
		}
	}
	lines := func(most int) []string {
		var b strings.Builder
		s.write(&b, most)
		return strings.Split(strings.TrimSpace(b.String()), "\n")
	}
	require.Len(t, lines(0), 1+5*2, "all of them")
	require.Len(t, lines(3), 1+5*2, "two would take as much room as to count them")
	require.Len(t, lines(2), 1+2*2+1)
	require.Equal(t, "  6: for 3 other reasons", lines(2)[5])
}

func TestNothingIsWrittenWhereNothingWasSkipped(t *testing.T) {
	var b strings.Builder
	new(skips).write(&b, 1)
	require.Empty(t, b.String())
}
