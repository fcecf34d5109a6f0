package preflight

import (
	"maps"
	"slices"
)

// elsewhere begins the names of the rules about what the machine does not have.
const elsewhere = "elsewhere: "

// queueSize is what QEMU calls the number of entries in a queue, in its refusal. Up
// to 10.0 it does not look at it.
const queueSize = "vring.num"

// Names of rules that decide what a prediction comes to.
const (
	machineRule = "machine type"
	startRule   = "start"
	streamRule  = "stream"
	crashRule   = "crash"
	loadRule    = "load"
)

// startRules are about whether there is anything to move.
func startRules() []rule {
	return []rule{
		{machineRule, func(p pair, report reporter) {
			for _, d := range []*Description{p.source, p.destination} {
				if !slices.Contains(d.Machines, d.Machine) {
					report(d.Machine, Breaks, "QEMU %s has no machine type %s", d.Version, d.Machine)
				}
			}
			if p.source.Machine != p.destination.Machine {
				report(p.source.Machine, Breaks, "the source's machine is a %s and the destination's a %s", p.source.Machine, p.destination.Machine)
			}
		}},
		{startRule, func(p pair, report reporter) {
			for _, d := range []*Description{p.source, p.destination} {
				if d.NotStarted != "" {
					report("", Breaks, "QEMU %s does not start this machine: %s", d.Version, d.NotStarted)
				}
			}
		}},
		{streamRule, func(p pair, report reporter) {
			if why := p.source.Refused; why != "" {
				report("", Breaks, "the source, QEMU %s, does not send this machine: %s", p.source.Version, why)
			}
			if why := p.destination.Refused; why != "" {
				report("", Perhaps, "the destination, QEMU %s, would not send this machine itself, so whether it takes it is unknown: %s", p.destination.Version, why)
			}
		}},
		{crashRule, func(p pair, report reporter) {
			if died := p.source.Died; died != nil {
				severity := IfUsed // a guest that is moved runs
				if died.Guest == "running" {
					severity = Breaks
				}
				report(died.Message, severity, "the source's QEMU dies when it sends a %s guest: %s", died.Guest, died.Message)
			}
			if died := p.destination.Died; died != nil && p.destination.Sections == nil && p.destination.Refused == "" {
				report("", Perhaps, "the destination's QEMU dies when it sends such a guest itself, so whether it takes it is unknown: %s", died.Message)
			}
		}},
		{loadRule, func(p pair, report reporter) {
			switch l := p.destination.Loading; {
			case l == nil:
			case l.Died != nil:
				report("", Breaks, "the destination's QEMU dies when it is sent the source's guest: %s", l.Died.Message)
			case l.Refused != "":
				report("", Breaks, "the destination does not take what the source sends: %s", l.Refused)
			}
		}},
		{"RAM", compareBlocks},
		{"queue", func(p pair, report reporter) {
			for _, s := range p.source.Queues {
				for _, d := range p.destination.Queues {
					if s.Device == d.Device && s.Number == d.Number && s.Size > d.Size {
						report(queueSize, Perhaps, "queue %d of %s has %d entries at the source, and the destination makes room for %d", s.Number, s.Name, s.Size, d.Size)
					}
				}
			}
		}},
	}
}

// compareBlocks: a block goes over by its name, and takes the source's size if it
// can grow or shrink to it, which read-only memory of the firmware's can as far
// as its maximum goes.
func compareBlocks(p pair, report reporter) {
	for _, s := range p.source.Blocks {
		i := slices.IndexFunc(p.destination.Blocks, func(d Block) bool { return d.Name == s.Name })
		if i < 0 {
			if len(p.destination.Blocks) > 0 {
				report(s.Name, Breaks, "the source's memory %s is unknown to the destination", s.Name)
			}
			continue
		}
		switch d := p.destination.Blocks[i]; {
		case s.Used > d.Total:
			report(s.Name, Breaks, "the memory %s has %d bytes at the source, and the destination has room for %d", s.Name, s.Used, d.Total)
		case s.Used != d.Used && d.Used == d.Total:
			report(s.Name, Breaks, "the memory %s has %d bytes at the source and a fixed %d at the destination", s.Name, s.Used, d.Used)
		case s.Used != d.Used:
			report(s.Name, Harmless, "the memory %s has %d bytes at the source and %d at the destination, which lets it change", s.Name, s.Used, d.Used)
		case s.Total > d.Total:
			report(s.Name, IfUsed, "the memory %s may grow to %d bytes at the source and to %d at the destination", s.Name, s.Total, d.Total)
		}
	}
}

// unknown reports what only one side knows: it matters where the source uses it, and
// does no harm where only the destination has it.
func unknown(report reporter, what string, source, destination []string) {
	for _, name := range source {
		if !slices.Contains(destination, name) {
			report(name, IfUsed, "the %s %s is unknown to the destination", what, name)
		}
	}
	for _, name := range destination {
		if !slices.Contains(source, name) {
			report(name, Harmless, "the %s %s is unknown to the source", what, name)
		}
	}
}

// offerRules are about what the machine does not have.
func offerRules() []rule {
	return []rule{
		{elsewhere + "capability", func(p pair, report reporter) {
			unknown(report, "capability", p.source.Capabilities, p.destination.Capabilities)
		}},
		{elsewhere + "device", func(p pair, report reporter) {
			unknown(report, "device", p.source.Offers, p.destination.Offers)
		}},
		{elsewhere + "type", func(p pair, report reporter) {
			for _, name := range slices.Sorted(maps.Keys(p.source.Types)) {
				s := p.source.Types[name]
				d, known := p.destination.Types[name]
				if known && !slices.Contains(p.source.Devices, name) {
					compareKnowledge(s, d, "a "+name, report)
				}
			}
		}},
	}
}

// knowledgeRules are about what the QEMUs know of the machine's devices beside
// what its stream holds while the guest has not begun.
func knowledgeRules() []rule {
	return []rule{
		{"devices", func(p pair, report reporter) {
			for _, name := range p.source.Devices {
				_, sent := p.source.Types[name]
				if sent && p.destination.Devices != nil && !slices.Contains(p.destination.Devices, name) {
					report(name, Harmless, "the source's machine has a %s, which the destination's has not, or has by another name", name)
				}
			}
		}},
		{"subsection known", func(p pair, report reporter) {
			for _, s := range p.source.Sections {
				mine, known := p.source.knows(s.State)
				theirs, alsoKnown := p.destination.knows(s.State)
				if !known || !alsoKnown {
					continue
				}
				for _, sub := range mine.Subsections {
					_, taken := theirs.subsection(sub.Name)
					if !taken && !slices.ContainsFunc(s.Subsections, func(sent Section) bool { return sent.Name == sub.Name }) {
						report(s.Name, IfUsed, "the source sends %s of %s when it is needed, and the destination does not know it", sub.Name, s)
					}
				}
			}
		}},
	}
}

// compareKnowledge compares what two QEMUs send and take of a type of device.
func compareKnowledge(s, d State, what string, report reporter) {
	switch {
	case s.Name != d.Name:
		report(s.Name, IfUsed, "%s is sent as %s, and the destination takes it as %s", what, s.Name, d.Name)
	case s.Version > d.Version:
		report(s.Name, IfUsed, "%s is sent at version %d, and the destination takes it up to %d", what, s.Version, d.Version)
	case s.Version < d.Minimum:
		report(s.Name, IfUsed, "%s is sent at version %d, and the destination takes it from %d on", what, s.Version, d.Minimum)
	}
	for _, sub := range s.Subsections {
		if _, known := d.subsection(sub.Name); !known {
			report(s.Name, IfUsed, "the subsection %s of %s is unknown to the destination", sub.Name, what)
		}
	}
}
