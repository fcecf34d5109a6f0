package schema

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
)

// A Schema is what one QEMU can do.
type Schema struct {
	commands map[string]*Command
	events   map[string]*Event
	types    map[string]*Type
	unknown  []Unknown
}

// A Command is one that QEMU can execute.
type Command struct {
	Name      string
	Arguments *Type // an object
	Returns   *Type
	Features  []string
	OOB       bool // it can be executed out of band
	// Open says that it takes arguments beside those listed, and the schema
	// doesn't say which: a device's properties.
	Open bool
}

// An Event is one that QEMU may emit.
type Event struct {
	Name     string
	Data     *Type // an object
	Features []string
}

// A MetaType says which kind of type a Type is.
type MetaType string

// The kinds of types. Any other is one that this package doesn't know, or ""
// for a type that is referred to and isn't in the schema.
const (
	Builtin   MetaType = "builtin"
	Enum      MetaType = "enum"
	Array     MetaType = "array"
	Object    MetaType = "object"
	Alternate MetaType = "alternate" // a value is of any one of several types
)

// A Type is what an argument, a reply or an event's data may be.
type Type struct {
	Name         string
	Meta         MetaType
	JSON         string    // Builtin: string, int, number, boolean, null, or value for any
	Values       []Value   // Enum
	Element      *Type     // Array
	Members      []Member  // Object: those that don't depend on a tag
	Tag          string    // Object: the member that chooses the variant, "" for none
	Variants     []Variant // Object
	Alternatives []*Type   // Alternate
	Features     []string
}

// A Member is one of an object's.
type Member struct {
	Name     string
	Type     *Type
	Optional bool
	Default  json.RawMessage // nil where QEMU doesn't say it, as it never does up to 11.1
	Features []string
}

// A Value is one of an enumeration's.
type Value struct {
	Name     string
	Features []string
}

// A Variant is an object's further members where its tag has the value Case.
type Variant struct {
	Case string
	Type *Type
}

// Unknown is an entity of a kind that this package doesn't know.
type Unknown struct {
	Name, Meta string
	Raw        json.RawMessage // as it came
}

// An Executor executes QMP commands; *qmp.Session is one.
type Executor interface {
	Execute(ctx context.Context, command string, arguments, reply any) error
}

// Query asks a QEMU for its schema: about 250 kilobytes over the wire.
func Query(ctx context.Context, e Executor) (*Schema, error) {
	var raw json.RawMessage
	if err := e.Execute(ctx, "query-qmp-schema", nil, &raw); err != nil {
		return nil, err
	}
	return Parse(raw)
}

// Command returns the command with the name, nil where there is none.
func (s *Schema) Command(name string) *Command { return s.commands[name] }

// Event returns the event with the name, nil where there is none.
func (s *Schema) Event(name string) *Event { return s.events[name] }

// Type returns the type with the name, nil where there is none.
func (s *Schema) Type(name string) *Type { return s.types[name] }

// Commands returns the names of all commands, sorted.
func (s *Schema) Commands() []string { return slices.Sorted(maps.Keys(s.commands)) }

// Events returns the names of all events, sorted.
func (s *Schema) Events() []string { return slices.Sorted(maps.Keys(s.events)) }

// Unknown returns the entities of kinds that this package doesn't know. They are
// there where a QEMU is much younger than this package.
func (s *Schema) Unknown() []Unknown { return slices.Clone(s.unknown) }
