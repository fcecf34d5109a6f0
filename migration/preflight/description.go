package preflight

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

// A Description is what one QEMU says of the machine that is to be moved.
type Description struct {
	Version      string   // of QEMU, such as "10.0.13"
	Machine      string   // the machine type, with its version
	Machines     []string // that this QEMU knows, the machine's own among them or not
	Capabilities []string // of migration
	Offers       []string // the names that -device takes

	Sections []Section        // of the stream; none where QEMU sends none
	Blocks   []Block          // of RAM, as the stream carries them
	Devices  []string         // the types in the machine, each once
	Queues   []Queue          `json:",omitempty"` // of virtio devices; none where QEMU does not report them
	Types    map[string]State // what this QEMU sends and takes, by type of device
	CPU      *CPU             `json:",omitempty"` // nil where there is none, or QEMU does not report it

	// NotStarted is QEMU's message why it does not start the machine; "" where it
	// does.
	NotStarted string `json:",omitempty"`
	// Refused is QEMU's message why it does not send the machine; "" where it does.
	Refused string `json:",omitempty"`
	// Died is how this QEMU ended when it was to send the machine, with its guest
	// running if it ended then too; nil where it did not.
	Died *Death `json:",omitempty"`
	// Stream is what this QEMU sent of its guest while that ran; nil where that was not
	// kept.
	Stream []byte `json:"-"`
	// Loading is what became of this QEMU when it was given the other's Stream; nil where it
	// was not.
	Loading *Loading `json:",omitempty"`
}

// A Loading is what a QEMU made of another's stream. Its zero value is that it took it.
type Loading struct {
	Died    *Death `json:",omitempty"` // how it ended; nil where it did not
	Refused string `json:",omitempty"` // its message
}

// A Death is the end of a QEMU that sends a guest.
type Death struct {
	Guest   string // "paused" or "running"
	Message string // the last, such as a failed assertion; where there is none, how it ended
	Exited  bool   `json:",omitempty"` // by exit(3), and not by a signal
}

// A Block is a piece of memory that goes over by its name.
type Block struct {
	Name  string
	Used  uint64 // bytes
	Total uint64 // bytes that it may grow to
}

// A Queue is one of a virtio device's, as it is before the guest has set it up.
type Queue struct {
	Device string // the device's path in QEMU's tree of objects
	Name   string // the device's, such as "virtio-net"
	Number int
	Size   int // entries
}

// A Section is a part of the stream: one device, or something of the machine's.
type Section struct {
	Name        string // such as "0000:00:01.1/ide"
	Instance    int
	State       string // the name of its description, such as "ide"
	Version     int
	Fields      []Field
	Subsections []Section `json:",omitempty"` // sent only when needed; also those of its fields
}

func (s Section) String() string {
	if s.Instance == 0 {
		return s.Name
	}
	return fmt.Sprintf("%s (instance %d)", s.Name, s.Instance)
}

// A Field is a piece of a section. One with Fields has no size of its own.
type Field struct {
	Name   string
	Type   string  `json:",omitempty"`
	Size   int     `json:",omitempty"` // bytes
	Count  int     `json:",omitempty"` // in a row; 0 is 1
	Fields []Field `json:",omitempty"`
}

// A leaf is a field that bytes of the stream belong to.
type leaf struct {
	path, kind string
	size       int
}

// maxLeaves is more than any section of QEMU's has, and bounds what a stream that is
// none of QEMU's can ask for.
const maxLeaves = 1 << 17

// leaves lays fields out as the stream has them.
func leaves(fields []Field, path string) []leaf {
	var all []leaf
	for _, f := range fields {
		one := []leaf{{path + f.Name, f.Type, f.Size}}
		if f.Fields != nil {
			one = leaves(f.Fields, path+f.Name+".")
		}
		for n := max(1, f.Count); n > 0 && len(one) > 0 && len(all) < maxLeaves; n-- {
			all = append(all, one...)
		}
	}
	return all[:min(len(all), maxLeaves)]
}

// A State is QEMU's description of what it sends and takes of a thing.
type State struct {
	Name        string
	Version     int
	Minimum     int           // the oldest version that it takes
	Fields      []Conditional `json:",omitempty"`
	Subsections []State       `json:",omitempty"` // also those of its fields
}

// A Conditional is a field that is there from a version on.
type Conditional struct {
	Name  string
	Since int `json:",omitempty"` // the version

	Fields []Conditional `json:",omitempty"` // of a struct
}

func (s State) subsection(name string) (State, bool) {
	i := slices.IndexFunc(s.Subsections, func(sub State) bool { return sub.Name == name })
	if i < 0 {
		return State{}, false
	}
	return s.Subsections[i], true
}

// knows returns what this QEMU takes under the name of a description. Several
// types of device may share one: those in the machine come first.
func (d *Description) knows(name string) (State, bool) {
	if s, ok := d.has(name); ok {
		return s, true
	}
	var found []string
	for device, s := range d.Types {
		if s.Name == name {
			found = append(found, device)
		}
	}
	if len(found) == 0 {
		return State{}, false
	}
	return d.Types[slices.Min(found)], true
}

// has returns what this QEMU takes under the name of a description, if a device in
// the machine goes by it.
func (d *Description) has(name string) (State, bool) {
	for _, device := range d.Devices {
		if s, ok := d.Types[device]; ok && s.Name == name {
			return s, true
		}
	}
	return State{}, false
}

// ParseTypes reads what QEMU writes for -dump-vmstate.
func ParseTypes(dump []byte) (map[string]State, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(dump, &all); err != nil {
		return nil, fmt.Errorf("preflight: -dump-vmstate: %w", err)
	}
	types := map[string]State{}
	for name, text := range all {
		if name == "vmschkmachine" { // the machine's name, in the place of a type
			continue
		}
		var t struct {
			Version     int         `json:"version_id"`
			Minimum     int         `json:"minimum_version_id"`
			Description dumpedState `json:"Description"`
		}
		if err := json.Unmarshal(text, &t); err != nil {
			return nil, fmt.Errorf("preflight: -dump-vmstate: %s: %w", name, err)
		}
		s := t.Description.state()
		s.Name = cmp.Or(s.Name, name)
		s.Version, s.Minimum = t.Version, t.Minimum
		types[name] = s
	}
	return types, nil
}

// dumpedState is a description as -dump-vmstate has it.
type dumpedState struct {
	Name    string `json:"name"`
	Version int    `json:"version_id"`
	Minimum int    `json:"minimum_version_id"`
	Fields  []struct {
		Name        string       `json:"field"`
		Since       int          `json:"version_id"`
		Description *dumpedState `json:"Description"`
	} `json:"Fields"`
	Subsections []dumpedState `json:"Subsections"`
}

func (d dumpedState) state() State {
	s := State{Name: d.Name, Version: d.Version, Minimum: d.Minimum}
	for _, f := range d.Fields {
		field := Conditional{Name: f.Name, Since: f.Since}
		if f.Description != nil {
			inner := f.Description.state()
			field.Fields = inner.Fields
			s.Subsections = append(s.Subsections, inner.Subsections...)
		}
		s.Fields = append(s.Fields, field)
	}
	for _, sub := range d.Subsections {
		one := sub.state()
		s.Subsections = append(append(s.Subsections, one), one.Subsections...)
	}
	s.Subsections = slices.CompactFunc(slices.SortedFunc(slices.Values(s.Subsections), func(a, b State) int {
		return cmp.Compare(a.Name, b.Name)
	}), func(a, b State) bool { return a.Name == b.Name })
	return s
}
