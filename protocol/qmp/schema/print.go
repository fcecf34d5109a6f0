package schema

import (
	"fmt"
	"strings"
)

// String writes the command on one line, with two levels of its arguments, and
// one of what it returns:
//
//	migrate {uri?: str, channels?: [{channel-type: main|cpr, addr: {…}}], resume?: bool}
//
// A question mark is behind what may be left out.
func (c *Command) String() string {
	text := c.Name
	if c.Open || !c.Arguments.empty() {
		text += " " + c.Arguments.short(2)
	}
	if c.Open {
		text = strings.TrimSuffix(text, "}") + ", …}"
	}
	if !c.Returns.empty() {
		text += " -> " + c.Returns.short(1)
	}
	return text + remarks(c.OOB, c.Features)
}

// String writes the event on one line, as for a command.
func (e *Event) String() string {
	text := e.Name
	if !e.Data.empty() {
		text += " " + e.Data.short(2)
	}
	return text + remarks(false, e.Features)
}

// String writes the type on one line, with two levels of members.
func (t *Type) String() string { return t.short(2) }

func (t *Type) empty() bool {
	return t == nil || t.Meta == Object && len(t.Members)+len(t.Variants) == 0
}

func remarks(oob bool, features []string) string {
	if oob {
		features = append([]string{"out-of-band"}, features...)
	}
	if len(features) == 0 {
		return ""
	}
	return " (" + strings.Join(features, ", ") + ")"
}

// short writes a type on one line, with so many levels of members.
func (t *Type) short(levels int) string {
	if t == nil {
		return "?"
	}
	switch t.Meta {
	case Builtin:
		return t.Name
	case Enum:
		return t.values(6)
	case Array:
		if t.Element != nil && t.Element.Meta == Array { // QAPI has none such
			return "[[…]]"
		}
		return "[" + t.Element.short(levels) + "]"
	case Alternate:
		if levels <= 0 {
			return "…"
		}
		var parts []string
		for _, a := range t.Alternatives {
			parts = append(parts, a.short(levels-1))
		}
		return strings.Join(parts, " or ")
	case Object:
		return t.shortObject(levels)
	}
	return "?"
}

func (t *Type) shortObject(levels int) string {
	if t.empty() {
		return "{}"
	}
	if levels <= 0 {
		return "{…}"
	}
	var parts []string
	for _, m := range t.Members {
		parts = append(parts, m.label()+": "+m.Type.short(levels-1))
	}
	if len(t.Variants) > 0 {
		parts = append(parts, "…")
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func (m Member) label() string {
	if m.Optional {
		return m.Name + "?"
	}
	return m.Name
}

// values writes the first so many values of an enumeration.
func (t *Type) values(most int) string {
	var names []string
	for i, v := range t.Values {
		if i == most {
			names = append(names, "…")
			break
		}
		names = append(names, v.Name)
	}
	return strings.Join(names, "|")
}

// Describe writes the command over many lines, one for each member, with so many
// levels of them, every value, and the members that depend on a tag.
func (c *Command) Describe(levels int) string {
	var d description
	fmt.Fprintf(&d, "%s%s\n", c.Name, remarks(c.OOB, c.Features))
	d.members(c.Arguments, 1, levels)
	if c.Open {
		d.line(1, "… (a device's or an object's own properties)")
	}
	if !c.Returns.empty() {
		d.line(0, "-> "+c.Returns.head())
		d.members(c.Returns.inner(), 1, levels)
	}
	return d.String()
}

// Describe writes the event over many lines, as for a command.
func (e *Event) Describe(levels int) string {
	var d description
	fmt.Fprintf(&d, "%s%s\n", e.Name, remarks(false, e.Features))
	d.members(e.Data, 1, levels)
	return d.String()
}

type description struct{ strings.Builder }

func (d *description) line(indent int, text string) {
	d.WriteString(strings.Repeat("    ", indent) + text + "\n")
}

// members writes an object's members, if it is one and there are levels left.
func (d *description) members(t *Type, indent, levels int) {
	if t.empty() || t.Meta != Object {
		return
	}
	if levels <= 0 {
		d.line(indent, "…")
		return
	}
	for _, m := range t.Members {
		d.line(indent, m.label()+": "+m.Type.head()+remarks(false, m.Features))
		d.members(m.Type.inner(), indent+1, levels-1)
	}
	for _, v := range t.Variants {
		if !v.Type.empty() {
			d.line(indent, fmt.Sprintf("where %s is %s:", t.Tag, v.Case))
			d.members(v.Type, indent+1, levels-1)
		}
	}
}

// inner is the object that a type comes down to: an array's element, the object
// among alternatives. It is nil where there is none, or no single one.
func (t *Type) inner() *Type {
	if t != nil && t.Meta == Array {
		t = t.Element
	}
	if t == nil || t.Meta != Alternate {
		return t
	}
	var object *Type
	for _, a := range t.Alternatives {
		if a.Meta == Object {
			if object != nil {
				return nil
			}
			object = a
		}
	}
	return object
}

// head is a type's own line: all of an enumeration, nothing of an object, whose
// members follow.
func (t *Type) head() string {
	switch {
	case t == nil:
		return "?"
	case t.Meta == Enum:
		return t.values(len(t.Values))
	case t.Meta == Array && t.Element != nil && t.Element.Meta != Array:
		return "[" + t.Element.head() + "]"
	case t.Meta == Alternate:
		return t.short(1)
	case t.empty():
		return "{}"
	case t.Meta == Object:
		return "object"
	}
	return t.short(1)
}
