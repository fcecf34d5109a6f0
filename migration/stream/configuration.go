package stream

import (
	"fmt"
	"slices"
)

// capabilitiesState names the subsection that has the capabilities.
const capabilitiesState = "configuration/capabilities"

// undescribed is how many bytes the names of capabilities take beyond their description,
// or fewer, in two's complement: QEMU describes the first alone.
func (c *Configuration) undescribed(described *State) (more uint64) {
	for _, sub := range described.Subsections {
		for _, f := range sub.Fields {
			if sub.State != capabilitiesState || f.Length == nil || int(*f.Length) != len(c.Capabilities) {
				continue
			}
			for _, name := range c.Capabilities {
				more += uint64(1 + len(name))
			}
			more -= f.total()
		}
	}
	return more
}

// maxCapabilities is more than any QEMU has.
const maxCapabilities = 256

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
		if p.err == nil && (c.PageBits < 0 || c.PageBits > 31 || !validPage(1<<c.PageBits)) {
			p.fail(at, "pages of 2^%d bytes", c.PageBits)
		}
		p.learnPageSize(at, 1<<(c.PageBits&31), "the configuration")
	case capabilitiesState:
		n := p.u32()
		if n > maxCapabilities {
			p.fail(at, "%d capabilities, more than the %d that are read,", n, maxCapabilities)
		}
		for ; n > 0 && p.err == nil; n-- {
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
