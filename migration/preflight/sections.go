package preflight

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// streamRules are about what the source sends.
func streamRules() []rule {
	return []rule{
		{"section", func(p pair, report reporter) {
			p.eachSection(func(s Section, d *Section, _ State, _ bool) {
				_, ofDevice := p.source.has(s.State)
				_, there := p.destination.has(s.State)
				switch {
				case d != nil:
				case ofDevice && !there, p.destination.sendsAny(s.State):
					report(s.Name, Breaks, "the source sends %s, and the destination's machine has no such device", s)
				default:
					report(s.Name, Perhaps, "the source sends %s, and the destination does not: whether it takes it is unknown", s)
				}
			})
		}},
		{"section only there", func(p pair, report reporter) {
			for _, d := range p.destination.Sections {
				if p.source.Sections != nil && find(p.source.Sections, d) == nil {
					report(d.Name, Harmless, "the source does not send %s: at the destination it stays as after a reset", d)
				}
			}
		}},
		{"version", func(p pair, report reporter) {
			p.eachSection(func(s Section, d *Section, _ State, _ bool) {
				if d != nil && s.Version > d.Version {
					report(s.Name, Breaks, "the source sends %s at version %d, and the destination takes it up to %d", s, s.Version, d.Version)
				}
			})
		}},
		{"minimum version", func(p pair, report reporter) {
			p.eachSection(func(s Section, d *Section, known State, ok bool) {
				if d != nil && ok && s.Version < known.Minimum {
					report(s.Name, Breaks, "the source sends %s at version %d, and the destination takes it from %d on", s, s.Version, known.Minimum)
				}
			})
		}},
		{"fields", func(p pair, report reporter) {
			p.eachSection(func(s Section, d *Section, known State, ok bool) {
				switch {
				case d == nil || s.Version > d.Version || ok && s.Version < known.Minimum: // reported above
				case s.Version == d.Version:
					compareFields(s, s.Fields, d.Fields, report)
				case !ok:
					report(s.Name, Perhaps, "the source sends %s at version %d, and the destination at %d: what it takes of an older one is unknown", s, s.Version, d.Version)
				default:
					compareFields(s, s.Fields, without(d.Fields, known, s.Version), report)
				}
			})
		}},
		{"subsection sent", func(p pair, report reporter) {
			p.eachSection(func(s Section, d *Section, known State, ok bool) {
				if d == nil {
					return
				}
				for _, sub := range s.Subsections {
					compareSubsection(s, sub, find(d.Subsections, sub), known, ok, report)
				}
			})
		}},
	}
}

// eachSection visits what the source sends, with the destination's section of the
// same name, nil where it has none, and what the destination knows of it, where
// it says so.
func (p pair) eachSection(visit func(s Section, d *Section, known State, ok bool)) {
	if p.destination.Sections == nil {
		return
	}
	for _, s := range p.source.Sections {
		d := find(p.destination.Sections, s)
		var known State
		ok := false
		if d != nil {
			known, ok = p.destination.knows(d.State)
		}
		visit(s, d, known, ok)
	}
}

// sendsAny says whether there is a section of a description at all.
func (d *Description) sendsAny(state string) bool {
	return slices.ContainsFunc(d.Sections, func(s Section) bool { return s.State == state })
}

func find(sections []Section, like Section) *Section {
	i := slices.IndexFunc(sections, func(s Section) bool { return s.Name == like.Name && s.Instance == like.Instance })
	if i < 0 {
		return nil
	}
	return &sections[i]
}

// without leaves out the fields that came only after a version.
func without(fields []Field, known State, version int) []Field {
	return slices.DeleteFunc(slices.Clone(fields), func(f Field) bool {
		return slices.ContainsFunc(known.Fields, func(c Conditional) bool { return c.Name == f.Name && c.Since > version })
	})
}

// compareFields lays both out as the stream has them. Nothing in it says where a
// field ends, so sizes have to follow each other alike; names are not in it.
func compareFields(of Section, source, destination []Field, report reporter) {
	s, d := leaves(source, ""), leaves(destination, "")
	other := ""
	for len(s) > 0 && len(d) > 0 {
		n, m := together(s, d)
		mine, theirs := s[0], d[0]
		switch {
		case n == 1 && m == 1 && mine.path == theirs.path:
		case n == 1 && m == 1 && !has(d, mine.path) && !has(s, theirs.path):
			other = cmp.Or(other, fmt.Sprintf("%s is called %s", mine.path, theirs.path))
		case n > 0 && (mine.bytes() && n == 1 || theirs.bytes() && m == 1):
			other = cmp.Or(other, fmt.Sprintf("the bytes of %s are %s", names(s[:n]), names(d[:m])))
		case n > 0:
			report(of.Name, Perhaps, "the destination takes as %s of %s what the source sends as %s", names(d[:m]), of, names(s[:n]))
			return
		case mine.path == theirs.path && opaque(mine.kind):
			report(of.Name, Perhaps, "%s of %s, which only QEMU can read, takes %d bytes at the source and %d at the destination", mine.path, of, mine.size, theirs.size)
			return
		default:
			report(of.Name, Breaks, "%s", misfit(of, mine, theirs, has(d, mine.path)))
			return
		}
		s, d = s[n:], d[m:]
	}
	switch {
	case len(s) > 0:
		report(of.Name, Breaks, "the source sends %s of %s, which the destination does not take", s[0].path, of)
	case len(d) > 0:
		report(of.Name, Breaks, "the destination takes %s of %s, which the source does not send", d[0].path, of)
	case other != "":
		report(of.Name, Harmless, "of %s, %s at the destination", of, other)
	}
}

// misfit says why two fields can't be read in each other's place.
func misfit(of Section, mine, theirs leaf, taken bool) string {
	switch {
	case mine.path == theirs.path:
		return fmt.Sprintf("%s of %s takes %d bytes at the source and %d at the destination", mine.path, of, mine.size, theirs.size)
	case !taken:
		return fmt.Sprintf("the source sends %s of %s, which the destination does not take", mine.path, of)
	default:
		return fmt.Sprintf("the destination takes %s of %s, where the source sends %s", theirs.path, of, mine.path)
	}
}

// together is how many fields from the first on take the same bytes on both sides,
// 0 where the ends never meet again.
func together(s, d []leaf) (n, m int) {
	n, m = 1, 1
	for mine, theirs := s[0].size, d[0].size; mine != theirs; {
		switch {
		case mine < theirs && n < len(s):
			mine, n = mine+s[n].size, n+1
		case theirs < mine && m < len(d):
			theirs, m = theirs+d[m].size, m+1
		default:
			return 0, 0
		}
	}
	return n, m
}

func names(all []leaf) string {
	var shown []string
	for _, l := range all {
		shown = append(shown, l.path)
	}
	if more := len(shown) - 3; more > 0 {
		shown = append(shown[:3], fmt.Sprintf("%d more", more))
	}
	return strings.Join(shown, ", ")
}

// bytes says that a field has no meaning as a whole that other boundaries would
// take from it.
func (l leaf) bytes() bool { return l.kind == "buffer" || l.kind == "unused_buffer" }

func has(all []leaf, path string) bool {
	return slices.ContainsFunc(all, func(l leaf) bool { return l.path == path })
}

// opaque says of a field's type that its length is in its bytes.
func opaque(kind string) bool {
	plain := []string{
		"", "bool", "buffer", "unused_buffer", "bitmap", "timer", "nullptr", "cpudouble", "CPU_DoubleU", "float64",
		"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
		"int32 equal", "uint8 equal", "uint16 equal", "int32 le", "uint32 equal", "uint64 equal",
	}
	return !slices.Contains(plain, kind)
}

// compareSubsection is about a subsection that the source sends though its guest has
// not begun.
func compareSubsection(of, s Section, d *Section, known State, ok bool, report reporter) {
	state, taken := known.subsection(s.Name)
	switch {
	case d != nil && s.Version > d.Version:
		report(of.Name, Breaks, "the source sends %s of %s at version %d, and the destination takes it up to %d", s, of, s.Version, d.Version)
	case d != nil && s.Version == d.Version:
		compareFields(Section{Name: of.Name + ", " + s.Name}, s.Fields, d.Fields, func(_ string, sev Severity, format string, args ...any) {
			report(of.Name, sev, format, args...)
		})
	case taken && (s.Version > state.Version || s.Version < state.Minimum):
		report(of.Name, Breaks, "the source sends %s of %s at version %d, and the destination takes %d to %d", s, of, s.Version, state.Minimum, state.Version)
	case taken || d != nil:
	case ok:
		report(of.Name, Breaks, "the source sends %s of %s, which the destination does not know", s, of)
	default:
		report(of.Name, Perhaps, "the source sends %s of %s, and the destination does not: whether it knows it is unknown", s, of)
	}
}
