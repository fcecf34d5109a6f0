package stream

import (
	"bytes"
	"encoding/binary"
)

const (
	footerSize = 1 + 4
	maxHead    = 1 + 4 + 1 + 255 + 4 + 4 // of a section, with the longest name
	// maxWasted is how much is searched for ends of sections that are not there, for each
	// byte that was read.
	maxWasted = 4
)

// footer is what stands behind the section.
func (s *Section) footer() []byte { return binary.BigEndian.AppendUint32([]byte{markFooter}, s.ID) }

// deviceEnd is how many bytes of payload a device has. What its description says is
// believed where the section can end there; else its footer is looked for.
func (p *parser) deviceEnd(s *Section) int {
	known := p.described.device(s.Name, s.Instance)
	possible := false
	if known != nil && known.size <= maxAhead {
		var sure bool
		if sure, possible = p.endsAt(s, int(known.size)); sure || possible && p.bare && !p.footers {
			return int(known.size)
		}
	}
	if n, found := p.toFooter(s); found {
		return n
	}
	if possible {
		return int(known.size)
	}
	p.endless()
	return 0
}

// endsAt says whether the section can end in n bytes; surely so where a footer is there.
func (p *parser) endsAt(s *Section, n int) (sure, possible bool) {
	b := p.ahead(n + footerSize + maxHead)
	if len(b) < n {
		return false, false
	}
	b = b[n:]
	if len(b) >= footerSize && b[0] == markFooter {
		sure = binary.BigEndian.Uint32(b[1:]) == s.ID || p.follows(b[footerSize:], n+footerSize)
		return sure, sure
	}
	return false, p.follows(b, n)
}

// endless is the error of a section whose end is not found.
func (p *parser) endless() {
	if p.drained {
		p.truncated()
	}
	p.fail(p.offset(), "no end of a section within %d bytes", maxAhead)
}

// toFooter looks for the end of a section that doesn't tell its length: its own
// footer, with something behind it that can follow a section. What it searches is
// taken next where the end is found; where it isn't, what was searched is lost, and
// there is an end to that.
func (p *parser) toFooter(s *Section) (n int, found bool) {
	footer := s.footer()
	from := 0
	for want := sourceSize / 2; p.err == nil && p.wasted <= maxWasted*p.work.read; want *= 2 {
		b := p.ahead(want)
		for {
			i := bytes.Index(b[from:], footer)
			if i < 0 {
				from = max(from, len(b)-len(footer)+1)
				break
			}
			from += i
			if b := p.ahead(from + footerSize + maxHead); p.follows(b[from+footerSize:], from+footerSize) {
				p.work.searched += int64(from)
				return from, true
			}
			b = p.ahead(want)
			from++
		}
		if p.drained && want > len(b) || want >= maxAhead {
			break
		}
	}
	p.wasted += int64(from)
	p.work.searched += int64(from)
	return 0, false
}

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
		return len(rest) == 0 || rest[0] == markDescription || zeros(rest[:min(len(rest), maxHead)])
	case markStart, markFull:
		if len(rest) < 5 {
			return false
		}
		name := rest[5:]
		name = name[:min(len(name), int(rest[4]))]
		return len(name) > 0 && len(name) == int(rest[4]) && printable(name)
	case markPart, markEnd:
		return len(rest) >= 4 && p.sections[binary.BigEndian.Uint32(rest)] != nil
	case markCommand:
		return len(rest) >= 2 && int(binary.BigEndian.Uint16(rest)) < 2*len(commandNames)
	}
	return false
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// zeros says whether nothing but zeros is in b.
func zeros(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }
