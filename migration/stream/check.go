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

func (s *Stream) problem(at int64, format string, args ...any) { s.problems.add(at, format, args...) }

// Check says what is wrong with a stream that could be read: its description parses
// and names each device section, and no other; sizes and versions are as it says; the
// number behind a section is the section's; each page lies in its block, and each page
// of a block was sent at least once; what is live has an end, and so has the stream. A
// stream that broke off is not held against what it lacks: the error of [Read] says
// where that was.
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
		if s.Trailing > 0 {
			found.add(s.Offset+s.Size, "%d bytes stand behind the end of the stream", s.Trailing)
		}
	}
	slices.SortStableFunc(found.list, func(a, b Problem) int { return cmp.Compare(a.Offset, b.Offset) })
	if found.more > 0 {
		found.list = append(found.list, Problem{-1, fmt.Sprintf("%d more problems", found.more)})
	}
	return found.list
}

func (s *Stream) checkDescription(found *problems) {
	d := s.Description
	if d == nil {
		if !s.Postcopy() && !s.garbled {
			found.add(-1, "the stream has no description of itself, so what devices say can't be read")
		}
		return
	}
	if c := d.Configuration; c != nil && int64(c.size) != s.Configuration.size {
		found.add(s.Offset, "the configuration has %d bytes, and the description says %d", s.Configuration.size, c.size)
	}
	type name struct {
		name     string
		instance uint32
	}
	sent := map[name]int{}
	for _, section := range s.Sections {
		if section.Live {
			continue
		}
		sent[name{section.Name, section.Instance}]++
		if d.device(section.Name, section.Instance) == nil {
			found.add(section.Offset, "%s is not in the description", section)
		}
	}
	for i := range d.Devices {
		state := &d.Devices[i]
		n := sent[name{state.Name, state.Instance}]
		if n != 1 {
			found.add(-1, "the description has %s (instance %d), and the stream has it %d times", state.Name, state.Instance, n)
		}
	}
}

// Postcopy says whether the guest began to run on the destination before its RAM was
// there. Such a stream has no description.
func (s *Stream) Postcopy() bool {
	return slices.ContainsFunc(s.Commands, func(c Command) bool { return c.Name == "postcopy-listen" })
}

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
		first, _ := b.seen.missing(uint64(b.Pages))
		found.add(-1, "%d of the %d pages of block %s were not sent, the first of them page %d, unless they went over channels of their own", lost, b.Pages, b.Name, first)
	}
}
