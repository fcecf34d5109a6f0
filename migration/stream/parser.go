package stream

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// What a part of the stream begins with (migration/savevm.h in QEMU).
const (
	markEOF           = 0x00
	markStart         = 0x01
	markPart          = 0x02
	markEnd           = 0x03
	markFull          = 0x04
	markSubsection    = 0x05
	markDescription   = 0x06
	markConfiguration = 0x07
	markCommand       = 0x08
	markFooter        = 0x7e
)

const (
	magic         = "QEVM"
	formatVersion = 3
	maxDevices    = 256 << 20 // bytes, of all devices' payloads
	maxMachine    = 4096      // bytes of a machine type's name
)

// A parser takes one stream apart.
type parser struct {
	source
	*Stream
	options               Options
	described             *Description // where it was found ahead of time
	pageSize              uint64
	sections              map[uint32]*Section
	blocks                map[string]*Block
	block                 *Block // of the page before
	devices               int64  // bytes of their payloads so far
	live                  int    // live sections that have ended
	looked                bool   // ahead for the description
	until                 int64  // the end of the package that is being read; 0 outside
	sharedIgnored, mapped bool   // capabilities
	advised               uint64 // the sizes of pages of all blocks, or-ed; 0 without postcopy
}

func newParser(o Options) *parser {
	p := &parser{Stream: &Stream{Offset: o.Offset}, options: o, sections: map[uint32]*Section{}, blocks: map[string]*Block{}}
	p.pageSize = 4096
	if o.PageSize > 0 {
		p.pageSize = uint64(o.PageSize)
	}
	if o.Offset < 0 || p.pageSize&(p.pageSize-1) != 0 || p.pageSize < minPage || p.pageSize > maxPage {
		p.fail(o.Offset, "an offset below 0, or a page size of %d, was asked for", p.pageSize)
	}
	return p
}

// A page has room for flags in its address, and a lookahead for itself.
const (
	minPage = 1 << 10
	maxPage = 1 << 16
)

func (p *parser) stream() (*Stream, error) {
	p.header()
	p.Stream.Configuration = p.configuration()
	for p.err == nil && !p.Ended {
		p.part()
	}
	p.in = ""
	if p.err == nil {
		p.description()
	}
	p.Size = p.offset() - p.Offset
	if p.err == nil {
		p.mappedPages()
	}
	p.decodeDevices()
	return p.Stream, p.err
}

func (p *parser) header() {
	p.in = "the header"
	if b := p.ahead(len(magic)); p.err == nil && !bytes.HasPrefix([]byte(magic), b[:min(len(b), len(magic))]) {
		p.fail(p.offset(), "no migration stream: it begins with %q instead of %q", b[:min(len(b), len(magic))], magic)
	}
	p.next(len(magic))
	if p.Version = p.u32(); p.err == nil && p.Version != formatVersion {
		p.fail(p.offset()-4, "version %d of the format, where only %d is known,", p.Version, formatVersion)
	}
}

// part reads one section, or command, or the end.
func (p *parser) part() {
	p.in = ""
	at := p.offset()
	switch mark := p.u8(); mark {
	case markEOF:
		p.Ended = p.err == nil
		if p.until != 0 {
			p.fail(at, "the end of the stream inside of a package")
		}
	case markStart, markFull:
		p.begin(at, mark == markStart)
	case markPart, markEnd:
		p.goOn(at, mark == markEnd)
	case markCommand:
		p.command(at)
	default:
		p.fail(at, "a part of the stream begins with %#02x, which means nothing,", mark)
	}
}

// begin reads the head of a section, and its first payload.
func (p *parser) begin(at int64, live bool) {
	s := &Section{ID: p.u32(), Live: live, Packaged: p.until != 0}
	p.in = fmt.Sprintf("the head of section %d", s.ID)
	s.Name = p.name()
	s.Instance, s.Version = p.u32(), p.u32()
	s.Offset = p.offset()
	if p.err != nil {
		return
	}
	p.in = s.String()
	if s.Name == "" {
		p.fail(at, "a section without a name")
	}
	if other := p.sections[s.ID]; other != nil {
		p.problem(at, "%s has the number of %s", s, other)
	}
	p.sections[s.ID] = s
	p.Sections = append(p.Sections, s)
	if live {
		p.livePart(s)
	} else {
		p.device(s)
	}
	p.footer(s)
}

func (p *parser) goOn(at int64, last bool) {
	id := p.u32()
	s := p.sections[id]
	if p.err == nil && (s == nil || !s.Live) {
		p.fail(at, "a part of section %d, which has not begun,", id)
	}
	if p.err != nil {
		return
	}
	p.in = s.String()
	if s.ended {
		p.problem(at, "a part of %s comes after its end", s)
	}
	p.livePart(s)
	p.footer(s)
	if last && !s.ended {
		s.ended = true
		p.live++
	}
}

func (p *parser) livePart(s *Section) {
	from := p.offset()
	s.Parts++
	if s.Name == ramName {
		p.ram(s)
		if p.mapped {
			return // what it has jumped over is counted with the pages
		}
	} else if n := p.toFooter(s); p.err == nil {
		p.skip(int64(n))
	}
	s.Size += p.offset() - from
}

// footer reads a section's number behind it. Machine types up to 2.3 send none.
func (p *parser) footer(s *Section) {
	if p.err != nil {
		return
	}
	at := p.offset()
	if b := p.ahead(1); len(b) == 0 || b[0] != markFooter {
		if p.footers {
			p.problem(at, "%s has no footer, where others have", s)
		}
		return
	}
	p.u8()
	p.footers = true
	if id := p.u32(); p.err == nil && id != s.ID {
		p.problem(at, "the footer of %s has the number %d", s, id)
	}
}

// footer is what stands behind the section.
func (s *Section) footer() []byte { return binary.BigEndian.AppendUint32([]byte{markFooter}, s.ID) }

// toFooter looks for the end of a section that doesn't tell its length: its own
// footer, with something behind it that can follow a section.
func (p *parser) toFooter(s *Section) int {
	footer := s.footer()
	from := 0
	for want := sourceSize / 2; p.err == nil; want *= 2 {
		b := p.ahead(want)
		for {
			i := bytes.Index(b[from:], footer)
			if i < 0 {
				from = max(from, len(b)-len(footer)+1)
				break
			}
			from += i
			if b := p.ahead(from + len(footer) + maxHead); p.follows(b[from+len(footer):], from+len(footer)) {
				return from
			}
			b = p.ahead(want)
			from++
		}
		switch {
		case p.drained && want > len(b):
			p.truncated()
		case want >= maxAhead:
			p.fail(p.offset(), "no end of a section within %d bytes", maxAhead)
		}
	}
	return 0
}

const (
	footerSize = 1 + 4
	maxHead    = 1 + 4 + 1 + 255 + 4 + 4 // of a section, with the longest name
)

// follows says whether b, which begins so many bytes ahead, can stand behind a section.
func (p *parser) follows(b []byte, ahead int) bool {
	if p.until != 0 && p.offset()+int64(ahead) == p.until {
		return true
	}
	if len(b) == 0 {
		return true
	}
	rest := b[1:]
	switch b[0] {
	case markEOF:
		return len(rest) == 0 || rest[0] == markDescription
	case markStart, markFull:
		if len(rest) < 5 {
			return false
		}
		name := rest[5:]
		name = name[:min(len(name), int(rest[4]))]
		return len(name) > 0 && len(name) == int(rest[4]) && !slices.ContainsFunc(name, func(c byte) bool { return c < ' ' || c > '~' })
	case markPart, markEnd:
		return len(rest) >= 4 && p.sections[binary.BigEndian.Uint32(rest)] != nil
	case markCommand:
		return len(rest) >= 2 && int(binary.BigEndian.Uint16(rest)) < 2*len(commandNames())
	}
	return false
}
