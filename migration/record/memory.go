package record

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/drover-vm/drover/fixtures"
)

// StillnessFacts are whether a stopped destination's guest is unchanged: all of its
// memory, read twice.
type StillnessFacts struct {
	Status  string // run state
	Running bool
	Pages   int     // of 4096 bytes
	Seconds float64 // between the two readings
	Changed int
	First   uint64 `json:",omitempty"` // address of the first page that changed
}

// A Difference is a byte of guest memory that is not the same on both sides.
type Difference struct {
	Address             uint64
	Source, Destination byte
}

// MemoryFacts compare the RAM of source and destination, both stopped.
type MemoryFacts struct {
	// Size is all memory that was looked at, in bytes: RAM, and ROMs and the first MiB
	// beside it. Compared is as much of it as was held against the other side's: all but
	// the workload and Left.
	Size     uint64
	Compared uint64
	Left     []fixtures.Range `json:",omitempty"` // what was left out, beside the workload
	// LeftOut is memory of the VM that was not looked at, because it is no RAM of the guest's.
	LeftOut        []LeftOut    `json:",omitempty"`
	Different      []Difference `json:",omitempty"` // the first MaxListed
	DifferentTotal int          `json:",omitempty"`
	Seconds        float64      // to read and compare both sides' memory
}

// LeftOut is a kind of memory that was not compared, and why.
type LeftOut struct {
	Name  string // QEMU's: vga.vram
	Bytes uint64
	Why   string
}

func judgeStillness(r *Record) (Outcome, string) {
	s, ram := r.Stillness, r.ram()
	switch {
	case s == nil || s.Pages == 0:
		return unknown("whether the stopped guest is unchanged")
	case s.Changed > 0:
		return fail("%d of %d pages changed within %.2f s on the destination, which had been stopped; the first: that at %#x",
			s.Changed, s.Pages, s.Seconds, s.First)
	case s.Running:
		return fail("the destination's status is %s (running), and it had been stopped", s.Status)
	case !slices.Contains([]string{"paused", "suspended"}, s.Status) && (s.Status == "" || s.Status != r.keptState()):
		return unsure("the destination's status is %q, expected paused", s.Status)
	case s.Changed < 0 || s.First != 0 || !(s.Seconds > 0):
		return unsure("%d pages changed within %g s, the first at %#x", s.Changed, s.Seconds, s.First)
	case ram == 0 || s.Pages < 0 || uint64(s.Pages) < ram/ramPage:
		return unsure("%d pages were read twice, and the guest has %d", s.Pages, ram/ramPage)
	case r.Memory != nil && uint64(s.Pages) != r.Memory.Size/ramPage:
		return unsure("%d pages were read twice, and %d were compared with the source's", s.Pages, r.Memory.Size/ramPage)
	}
	return pass("no byte of %d pages changed within %.2f s", s.Pages, s.Seconds)
}

// judgeMemory judges what is left of RAM beside the workload, whose own check holds its
// pages against what the guest program promises.
func judgeMemory(r *Record) (Outcome, string) {
	m, p := r.Memory, r.program()
	if m == nil || m.Compared == 0 {
		return unknown("the memory of both sides")
	}
	if r.Workload == nil {
		return unknown("the workload's memory")
	}
	left := []fixtures.Range{r.Workload.Range}
	for _, l := range m.Left {
		if !slices.Contains(p.Scratch, l) {
			return unsure("%v of RAM was left out, and the guest program for %s gives no reason to", l, cmp.Or(r.Arch, "no target"))
		}
		left = append(left, l)
	}
	outcome, witness := m.judge(r.ram(), left, fmt.Sprintf("of RAM outside the workload's %v", r.Workload.Range))
	if outcome == Pass && len(m.Left) > 0 {
		why := "the firmware runs the guest program, and goes on writing there"
		if p.Table != nil {
			why = "the guest program has its own variables and stacks there"
		}
		witness += fmt.Sprintf("; left out: %s: %s", join(m.Left), why)
	}
	return outcome, witness + m.leftOut()
}

func judgeExact(r *Record) (Outcome, string) {
	m := r.Exact
	if m == nil || m.Compared == 0 {
		return unknown("all memory of both sides before the guest ran again")
	}
	if len(m.Left) > 0 {
		return unsure("%s was left out of the comparison of all memory", join(m.Left))
	}
	outcome, witness := m.judge(r.ram(), nil, "of RAM, before the guest ran again,")
	return outcome, witness + m.leftOut()
}

// judge judges a comparison of all of RAM but some ranges.
func (m *MemoryFacts) judge(ram uint64, left []fixtures.Range, what string) (Outcome, string) {
	switch {
	case len(m.Different) > 0:
		d := m.Different[0]
		return fail("%d bytes %s differ; the first: at %#x the source has %#02x and the destination %#02x",
			max(m.DifferentTotal, len(m.Different)), what, d.Address, d.Source, d.Destination)
	case m.DifferentTotal > 0:
		return fail("%d bytes %s differ", m.DifferentTotal, what)
	case m.DifferentTotal < 0 || m.Seconds < 0:
		return unsure("%d bytes %s differ, found within %g s", m.DifferentTotal, what, m.Seconds)
	case ram == 0:
		return unknown("how much RAM the guest has")
	}
	without, err := total(left)
	switch {
	case err != "":
		return Unknown, err
	case m.Size < ram:
		return unsure("%d bytes of memory were looked at, and the guest has %d of RAM", m.Size, ram)
	case without > m.Size || m.Compared != m.Size-without:
		return unsure("%d bytes were compared of %d, expected all but %d", m.Compared, m.Size, without)
	}
	return pass("every byte %s is the same on both sides (%d compared)", what, m.Compared)
}

// total is how many bytes ranges have together, or what is wrong with them.
func total(ranges []fixtures.Range) (sum uint64, wrong string) {
	sorted := slices.SortedFunc(slices.Values(ranges), func(a, b fixtures.Range) int { return cmp.Compare(a.Start, b.Start) })
	end := uint64(0)
	for _, r := range sorted {
		if r.End <= r.Start || r.Start < end {
			return 0, fmt.Sprintf("the ranges %s are empty, or overlap", join(ranges))
		}
		sum, end = sum+r.Len(), r.End
	}
	return sum, ""
}

// leftOut names what was not compared beside RAM, and why.
func (m *MemoryFacts) leftOut() string {
	var all []string
	for _, l := range m.LeftOut {
		all = append(all, fmt.Sprintf("%s (%s): %s", l.Name, size(l.Bytes), l.Why))
	}
	if len(all) == 0 {
		return ""
	}
	return "; left out: " + strings.Join(all, "; ")
}

// size is a number of bytes as a person writes it.
func size(bytes uint64) string {
	for _, u := range []struct {
		bits int
		name string
	}{{30, "GiB"}, {20, "MiB"}, {10, "KiB"}} {
		if bytes >= 1<<u.bits && bytes%(1<<u.bits) == 0 {
			return fmt.Sprintf("%d %s", bytes>>u.bits, u.name)
		}
	}
	return fmt.Sprintf("%d bytes", bytes)
}

func join(ranges []fixtures.Range) string {
	var all []string
	for _, r := range ranges {
		all = append(all, r.String())
	}
	return strings.Join(all, ", ")
}
