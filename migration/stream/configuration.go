package stream

import (
	"fmt"
	"slices"
)

// configuration reads what both sides must agree on, which machine types up to 2.3
// don't send (migration/savevm.c, vmstate_configuration in QEMU).
func (p *parser) configuration() (c Configuration) {
	p.in = "the configuration"
	if b := p.ahead(1); p.err != nil || len(b) == 0 || b[0] != markConfiguration {
		return c
	}
	p.u8()
	from := p.offset()
	size := p.u32()
	if size > maxMachine {
		p.fail(p.offset()-4, "a machine type's name of %d bytes", size)
		return c
	}
	c.Machine = string(p.next(int(size)))
	for p.err == nil {
		if b := p.ahead(1); len(b) == 0 || b[0] != markSubsection {
			break
		}
		at := p.offset()
		p.u8()
		name := p.name()
		p.u32() // its version, which is 1 of all
		p.in = "the " + name
		p.agreement(&c, at, name)
	}
	c.size = p.offset() - from
	return c
}

func (p *parser) agreement(c *Configuration, at int64, name string) {
	switch name {
	case "configuration/target-page-bits":
		c.PageBits = int(p.u32())
		if p.err == nil && (c.PageBits > 16 || 1<<c.PageBits < minPage) {
			p.fail(at, "pages of 2^%d bytes", c.PageBits)
		} else if p.options.PageSize == 0 {
			p.pageSize = 1 << c.PageBits
		}
	case "configuration/capabilities":
		for n := p.u32(); n > 0 && p.err == nil; n-- {
			c.Capabilities = append(c.Capabilities, p.name())
		}
		p.sharedIgnored = slices.Contains(c.Capabilities, "x-ignore-shared")
		p.mapped = slices.Contains(c.Capabilities, "mapped-ram")
	case "configuration/uuid":
		if b := p.next(16); b != nil {
			c.UUID = fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
		}
	default:
		if p.described == nil || p.described.Configuration == nil {
			p.fail(at, "%q is not known, nor is where it ends,", name)
			return
		}
		for _, s := range p.described.Configuration.Subsections {
			if s.State == name {
				p.skip(int64(s.size))
				return
			}
		}
		p.fail(at, "%q is not in the stream's own description", name)
	}
}
