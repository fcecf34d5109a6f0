package schema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/drover-vm/drover/internal/near"
)

// A CheckError says why a QEMU would not take a command.
type CheckError struct {
	Command  string
	Argument string   // the path to it, such as channels[0].addr.transport; "" where it is the command itself
	Problem  string   // what is wrong with it
	Near     []string // names that may have been meant
}

func (e *CheckError) Error() string {
	text := "schema: " + e.Command
	if e.Argument != "" {
		text += ": " + e.Argument
	}
	text += ": " + e.Problem
	if len(e.Near) > 0 {
		text += "; did you mean " + strings.Join(e.Near, " or ") + "?"
	}
	return text
}

// Check returns nil where the schema allows the command with the arguments, nil
// meaning none. It finds unknown and missing arguments, wrong types and values
// that an enumeration doesn't have, at any depth. Whether a number is in range
// only QEMU knows.
//
// The error is a *CheckError. Check is what the Check of a session's Options wants.
func (s *Schema) Check(command string, arguments json.RawMessage) error {
	c := s.commands[command]
	if c == nil {
		return &CheckError{Command: command, Problem: "this QEMU has no such command", Near: near.Names(command, s.Commands())}
	}
	text := string(arguments)
	if arguments == nil {
		text = "{}"
	} else if !json.Valid(arguments) {
		return &CheckError{Command: command, Problem: "the arguments are not valid JSON"}
	}
	k := checker{command: command, open: c.Open}
	return k.value(c.Arguments, strings.TrimSpace(text), "")
}

// A checker checks one command's arguments. All text that it gets is valid JSON
// without white space around it.
type checker struct {
	command string
	open    bool
}

func (k *checker) fail(at, problem string, near ...string) error {
	return &CheckError{Command: k.command, Argument: at, Problem: problem, Near: near}
}

func (k *checker) value(t *Type, text, at string) error {
	if t == nil {
		return nil
	}
	if want := t.kind(); want != 0 && want != kindOf(text) {
		return k.fail(at, fmt.Sprintf("%s is not %s", excerpt(text), kindName(want)))
	}
	switch t.Meta {
	case Builtin:
		if t.JSON == "int" && !isInteger(text) {
			return k.fail(at, fmt.Sprintf("%s is not an integer of 64 bits", excerpt(text)))
		}
	case Enum:
		return k.enum(t, text, at)
	case Array:
		return k.array(t, text, at)
	case Object:
		return k.object(t, text, at)
	case Alternate:
		return k.alternate(t, text, at)
	}
	return nil
}

func (k *checker) enum(t *Type, text, at string) error {
	var names []string
	word := unquote(text)
	for _, v := range t.Values {
		if v.Name == word {
			return nil
		}
		names = append(names, v.Name)
	}
	return k.fail(at, fmt.Sprintf("%q is none of its values (%s)", word, t.values(12)), near.Names(word, names)...)
}

func (k *checker) array(t *Type, text, at string) error {
	s := scanner{text: text}
	i := 0
	return s.array(func() error {
		element, err := s.value()
		if err != nil {
			return err
		}
		at := fmt.Sprintf("%s[%d]", at, i)
		i++
		return k.value(t.Element, element, at)
	})
}

// alternate finds by its JSON type which of the alternatives a value is.
func (k *checker) alternate(t *Type, text, at string) error {
	var first error
	for _, a := range t.Alternatives {
		if kind := a.kind(); kind != 0 && kind != kindOf(text) || a.Meta == Alternate {
			continue
		}
		err := k.value(a, text, at)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		first = k.fail(at, fmt.Sprintf("%s is not %s", excerpt(text), t.short(1)))
	}
	return first
}

// An argument is a member as it was given.
type argument struct{ name, text string }

func (k *checker) object(t *Type, text, at string) error {
	var given []argument
	s := scanner{text: text}
	err := s.object(func(name string) error {
		value, err := s.value()
		if slices.ContainsFunc(given, func(a argument) bool { return a.name == name }) {
			return k.fail(join(at, name), "is given twice")
		}
		given = append(given, argument{name, value})
		return err
	})
	if err != nil {
		return err
	}
	chain := t.chosen(given)
	var members []Member
	for _, t := range chain {
		members = append(members, t.Members...)
	}
	for _, a := range given {
		if err := k.member(chain, members, a, at); err != nil {
			return err
		}
	}
	for _, m := range members {
		if !m.Optional && !slices.ContainsFunc(given, func(a argument) bool { return a.name == m.Name }) {
			return k.fail(join(at, m.Name), "is missing ("+m.Type.short(1)+")")
		}
	}
	return nil
}

// member checks one of an object's; chain is the object's type and the variants
// that its tags have chosen, and members what they have together.
func (k *checker) member(chain []*Type, members []Member, a argument, at string) error {
	var names []string
	for _, m := range members {
		if m.Name == a.name {
			return k.value(m.Type, a.text, join(at, a.name))
		}
		names = append(names, m.Name)
	}
	if k.open && at == "" {
		return nil
	}
	if len(members) == 0 {
		return k.fail(join(at, a.name), "it takes no arguments")
	}
	for _, t := range slices.Backward(chain) {
		if cases := t.casesWith(a.name); len(cases) > 0 {
			return k.fail(join(at, a.name), fmt.Sprintf("goes only with %s %s", t.Tag, strings.Join(cases, " or ")))
		}
	}
	return k.fail(join(at, a.name), "this QEMU has no such argument", near.Names(a.name, names)...)
}

// chosen returns the object's type, and behind it the variants that the tags given
// choose.
func (t *Type) chosen(given []argument) []*Type {
	chain := []*Type{t}
	for t.Tag != "" && len(chain) < maxTags {
		i := slices.IndexFunc(given, func(a argument) bool { return a.name == t.Tag })
		if i < 0 || kindOf(given[i].text) != '"' {
			break
		}
		if t = t.variant(unquote(given[i].text)); t == nil {
			break
		}
		chain = append(chain, t)
	}
	return chain
}

// maxTags is how deep tags may choose variants with tags of their own: a schema
// may go round in circles.
const maxTags = 16

// casesWith returns the tag's first cases that have the member, at once or behind a
// tag of their own.
func (t *Type) casesWith(name string) []string {
	const most = 3
	var cases []string
	for _, v := range t.Variants {
		var in scope
		in.withVariants(v.Type)
		if len(cases) < most && slices.ContainsFunc(in.types, func(t *Type) bool { return t.has(name) }) {
			cases = append(cases, v.Case)
		}
	}
	return cases
}

func (t *Type) has(name string) bool {
	return slices.ContainsFunc(t.Members, func(m Member) bool { return m.Name == name })
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}

// excerpt is as much of a value as an error message should show.
func excerpt(text string) string {
	const most = 40
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
