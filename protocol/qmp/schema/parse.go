package schema

import (
	"encoding/json"
	"fmt"
)

// Parse reads the reply to query-qmp-schema. Members of its entities that it
// doesn't know are passed over, entities of unknown kinds kept: see
// [Schema.Unknown]. The error is a *SyntaxError.
//
// The format is regular and each launch of a VM reads a quarter of a megabyte of
// it, so it is read in one pass by hand, in a quarter of encoding/json's time.
func Parse(raw json.RawMessage) (*Schema, error) {
	const typical = 1500 // entities
	p := parser{
		scanner: scanner{text: string(raw)},
		schema: &Schema{
			commands: make(map[string]*Command, 256),
			events:   make(map[string]*Event, 64),
			types:    make(map[string]*Type, typical),
		},
		members: make([]Member, 0, min(2*typical, len(raw)/64)),
		values:  make([]Value, 0, min(typical, len(raw)/128)),
	}
	if err := p.array(p.entity); err != nil {
		return nil, err
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	p.schema.open()
	return p.schema, nil
}

type parser struct {
	scanner
	schema *Schema

	// Where a type's members lie: one after the other, for speed.
	members []Member
	values  []Value
	types   []Type
}

// typ returns the type with the name, which may not have been read yet.
func (p *parser) typ(name string) *Type {
	t := p.schema.types[name]
	if t == nil {
		if len(p.types) == 0 {
			p.types = make([]Type, 64)
		}
		t = &p.types[0]
		p.types = p.types[1:]
		t.Name = name
		p.schema.types[name] = t
	}
	return t
}

// entity reads one of the schema's elements. What kind it is comes last in
// what QEMU sends, so all that it may have is read first.
func (p *parser) entity() error {
	p.next()
	begin := p.at
	var t Type
	var name, meta, argument, result string
	var oob bool
	err := p.object(func(key string) (err error) {
		switch key {
		case "name":
			name, err = p.string()
		case "meta-type":
			meta, err = p.string()
		case "arg-type":
			argument, err = p.string()
		case "ret-type":
			result, err = p.string()
		case "json-type":
			t.JSON, err = p.string()
		case "tag":
			t.Tag, err = p.string()
		case "element-type":
			t.Element, err = p.reference()
		case "features":
			t.Features, err = p.strings()
		case "members":
			t.Members, err = p.memberList()
		case "variants":
			t.Variants, err = p.variants()
		case "values":
			t.Values, err = p.valueList()
		case "allow-oob":
			oob, err = p.bool()
		default:
			_, err = p.value()
		}
		return err
	})
	if err != nil {
		return err
	}
	switch meta {
	case "command":
		p.schema.commands[name] = p.command(name, argument, result, t.Features, oob)
	case "event":
		p.schema.events[name] = &Event{Name: name, Data: p.typ(argument), Features: t.Features}
	case "enum", "alternate", "object", "array", "builtin":
		t.Name, t.Meta = name, MetaType(meta)
		t.settle()
		*p.typ(name) = t
	default:
		raw := json.RawMessage(p.text[begin:p.at])
		p.schema.unknown = append(p.schema.unknown, Unknown{Name: name, Meta: meta, Raw: raw})
	}
	return nil
}

// settle puts the members where they belong in a type of its kind.
func (t *Type) settle() {
	switch t.Meta {
	case Enum: // since 7.0 there are members, with features, beside the values
		if len(t.Members) > 0 {
			t.Values = make([]Value, len(t.Members))
			for i, m := range t.Members {
				t.Values[i] = Value{m.Name, m.Features}
			}
		}
		t.Members = nil
	case Alternate:
		for _, m := range t.Members {
			if m.Type != nil {
				t.Alternatives = append(t.Alternatives, m.Type)
			}
		}
		t.Members = nil
	}
}

func (p *parser) command(name, argument, result string, features []string, oob bool) *Command {
	return &Command{Name: name, Arguments: p.typ(argument), Returns: p.typ(result), Features: features, OOB: oob}
}

// open marks the commands that take a device's or an object's properties as
// arguments, which no schema can list ("gen": false in QEMU's qapi). Once a
// command's arguments depend on a tag they are all listed.
func (s *Schema) open() {
	for _, name := range []string{"device_add", "object-add", "netdev_add"} {
		if c := s.commands[name]; c != nil {
			c.Open = c.Arguments.Tag == ""
		}
	}
}

// reference reads the name of a type.
func (p *parser) reference() (*Type, error) {
	name, err := p.string()
	if err != nil {
		return nil, err
	}
	return p.typ(name), nil
}

// memberList reads the members of an object, an enumeration or an alternate.
func (p *parser) memberList() ([]Member, error) {
	begin := len(p.members)
	err := p.array(func() error {
		var m Member
		err := p.object(func(key string) (err error) {
			switch key {
			case "name":
				m.Name, err = p.string()
			case "type":
				m.Type, err = p.reference()
			case "features":
				m.Features, err = p.strings()
			case "default":
				m.Optional = true
				var text string
				if text, err = p.value(); text != "null" {
					m.Default = json.RawMessage(text)
				}
			default:
				_, err = p.value()
			}
			return err
		})
		p.members = append(p.members, m)
		return err
	})
	end := len(p.members)
	return p.members[begin:end:end], err
}

func (p *parser) valueList() ([]Value, error) {
	begin := len(p.values)
	err := p.array(func() error {
		name, err := p.string()
		p.values = append(p.values, Value{Name: name})
		return err
	})
	end := len(p.values)
	return p.values[begin:end:end], err
}

func (p *parser) variants() ([]Variant, error) {
	var list []Variant
	err := p.array(func() error {
		var v Variant
		err := p.object(func(key string) (err error) {
			switch key {
			case "case":
				v.Case, err = p.string()
			case "type":
				v.Type, err = p.reference()
			default:
				_, err = p.value()
			}
			return err
		})
		list = append(list, v)
		return err
	})
	return list, err
}

func (p *parser) strings() ([]string, error) {
	var list []string
	err := p.array(func() error {
		text, err := p.string()
		list = append(list, text)
		return err
	})
	return list, err
}

func (p *parser) bool() (bool, error) {
	text, err := p.value()
	if err == nil && text != "true" && text != "false" {
		err = p.fail(fmt.Sprintf("%s is neither true nor false", text))
	}
	return text == "true", err
}
