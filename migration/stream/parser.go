package stream

import (
	"bytes"
	"fmt"
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
	options     Options
	described   *Description // where it was found ahead of time
	describedAt int64        // in the file; 0 where it was not
	describedBy error        // what is wrong with it
	zerosFrom   int64        // the file has zeros only from there on; 0 where it was not looked for

	pageSize  uint64
	pagesFrom string // what told the size of pages; "" while it is only assumed
	guessed   bool   // it was looked for in the pages
	lengths   uint64 // of all blocks, or-ed

	sections              map[uint32]*Section
	blocks                map[string]*Block
	block                 *Block // of the page before
	devices               int64  // bytes of their payloads so far
	live                  int    // live sections that have ended
	looked                bool   // ahead for the description
	bare                  bool   // a section had no footer
	wasted                int64  // bytes that were searched and had none
	until                 int64  // the end of the package that is being read; 0 outside
	sharedIgnored, mapped bool   // capabilities
	advised               uint64 // the sizes of pages of all blocks, or-ed; 0 without postcopy
}

func newParser(o Options) *parser {
	p := &parser{Stream: &Stream{Offset: o.Offset}, options: o, sections: map[uint32]*Section{}, blocks: map[string]*Block{}}
	p.pageSize = defaultPage
	if o.PageSize > 0 {
		p.pageSize, p.pagesFrom = uint64(o.PageSize), byCaller
	}
	if o.Offset < 0 || !validPage(p.pageSize) {
		p.fail(o.Offset, "an offset below 0, or a page size of %d, was asked for", p.pageSize)
	}
	return p
}

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
	} else if n, found := p.toFooter(s); found {
		p.skip(int64(n))
	} else {
		p.endless()
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
		p.bare = true
		if p.footers {
			p.problem(at, "%s has no footer, where others have", s)
		}
		return
	}
	p.u8()
	p.footers = true
	id := p.u32()
	if p.err == nil && id != s.ID {
		p.problem(at, "the footer of %s has the number %d", s, id)
		return
	}
	s.footed = true
}
