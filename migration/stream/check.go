package stream

import (
	"cmp"
	"fmt"
	"slices"
)

// A Problem is something in a stream that should not be so.
type Problem struct {
	Offset int64 // in the file; -1 where it is about nothing in particular
	What   string
}

func (p Problem) String() string {
	if p.Offset < 0 {
		return p.What
	}
	return fmt.Sprintf("at byte %d: %s", p.Offset, p.What)
}

// problems are those found so far. Of many like them the first tell enough.
type problems struct {
	list []Problem
	more int
}

const maxProblems = 100

func (p *problems) add(at int64, format string, args ...any) {
	if len(p.list) < maxProblems {
		p.list = append(p.list, Problem{at, fmt.Sprintf(format, args...)})
		return
	}
	p.more++
}

func (p *problems) full() bool { return len(p.list) == maxProblems }

// all are those found, and how many more there are.
func (p problems) all(name string) []Problem {
	list := slices.Clone(p.list)
	slices.SortStableFunc(list, func(a, b Problem) int { return cmp.Compare(a.Offset, b.Offset) })
	if p.more > 0 {
		list = append(list, Problem{-1, fmt.Sprintf("%d more %s", p.more, name)})
	}
	return list
}

func (s *Stream) problem(at int64, format string, args ...any) { s.problems.add(at, format, args...) }

func (s *Stream) remark(at int64, format string, args ...any) { s.remarks.add(at, format, args...) }

// Remarks are what is worth knowing of a stream and is no fault of it: a description that
// is missing, or known not to tell all, so that less can be read than of others.
func (s *Stream) Remarks() []Problem {
	found := problems{list: slices.Clone(s.remarks.list), more: s.remarks.more}
	if s.Ended && s.Description == nil && !s.garbled && !s.Postcopy() {
		found.add(-1, "the stream has no description of itself, as with suppress-vmdesc=on, so what devices have in it can't be read")
	}
	return found.all("remarks")
}

// Check returns what is wrong with a stream that could be read: its description parses
// and names each device section, and no other; sizes and versions are as in there; the
// number behind a section is the section's; each page lies in its block, and each page
// of a block was sent at least once; what is live has an end, and so has the stream,
// with nothing but zeros behind it. A stream that broke off is not held against what it
// lacks: the error of [Read] is where that was. What is no fault is in [Stream.Remarks].
func (s *Stream) Check() []Problem {
	found := problems{list: slices.Clone(s.problems.list), more: s.problems.more}
	if s.Ended {
		s.checkDescription(&found)
		s.checkRAM(&found)
		for _, section := range s.Sections {
			if section.Live && !section.ended {
				found.add(section.Offset, "%s has a beginning and no end", section)
			}
		}
		if s.Trailing > 0 && !s.TrailingZeros {
			found.add(s.Offset+s.Size, "%d bytes stand behind the end of the stream", s.Trailing)
		}
	}
	return found.all("problems")
}

func (s *Stream) checkDescription(found *problems) {
	d := s.Description
	if d == nil {
		return
	}
	if c := d.Configuration; c != nil {
		if described := c.size + s.Configuration.undescribed(c); int64(described) != s.Configuration.size {
			found.add(s.Offset, "the configuration has %d bytes, and the description says %d", s.Configuration.size, described)
		}
	}
	sent := map[deviceName]int{}
	for _, section := range s.Sections {
		if section.Live {
			continue
		}
		sent[deviceName{section.Name, section.Instance}]++
		if d.device(section.Name, section.Instance) == nil {
			found.add(section.Offset, "%s is not in the description", section)
		}
	}
	for i := range d.Devices {
		state := &d.Devices[i]
		n := sent[deviceName{state.Name, state.Instance}]
		if n != 1 {
			found.add(-1, "the description has %s (instance %d), and the stream has it %d times", state.Name, state.Instance, n)
		}
	}
}

// Postcopy says whether the guest began to run on the destination before its RAM was
// there. Such a stream has no description.
func (s *Stream) Postcopy() bool { return s.listens }

// Multifd says whether pages went over other channels than this. QEMU up to 7.2 does
// not mark that.
func (s *Stream) Multifd() bool { return s.RAM.Syncs > 0 }

func (s *Stream) checkRAM(found *problems) {
	for _, b := range s.RAM.Blocks {
		lost := b.Pages - b.Sent
		shared := b.Address != nil && b.Sent == 0 // its RAM is the destination's as well
		if lost <= 0 || s.Multifd() || shared {
			continue
		}
		if found.full() {
			found.more++
			continue
		}
		first, _ := b.seen.missing(uint64(b.Pages))
		found.add(-1, "%d of the %d pages of block %s were not sent, the first of them page %d, unless they went over channels of their own", lost, b.Pages, b.Name, first)
	}
}
