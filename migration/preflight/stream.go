package preflight

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// descriptionMark is the byte that begins the last section of a stream, in which
// QEMU describes the others (QEMU_VM_VMDESCRIPTION); a length follows, and JSON.
const descriptionMark = 0x06

// errNoDescription says that a stream does not end with its description.
var errNoDescription = errors.New("preflight: the stream has no description of itself at its end")

// ParseStream reads the sections of a migration's stream from the description
// that QEMU puts at its end.
func ParseStream(stream []byte) ([]Section, error) {
	text, err := description(stream)
	if err != nil {
		return nil, err
	}
	var d struct {
		Devices []streamState `json:"devices"`
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, fmt.Errorf("preflight: the stream's description: %w", err)
	}
	var sections []Section
	for _, s := range d.Devices {
		section := Section{Name: s.Name, Instance: s.Instance, State: s.State, Version: s.Version}
		section.Fields, section.Subsections = s.parts()
		sections = append(sections, section)
	}
	return sections, nil
}

// description finds the last section. The mark may be in its length as well, but
// not in JSON.
func description(stream []byte) ([]byte, error) {
	for end := len(stream); end > 0; {
		at := bytes.LastIndexByte(stream[:end], descriptionMark)
		if at < 0 {
			break
		}
		rest := stream[at+1:]
		if len(rest) >= 4 && uint64(binary.BigEndian.Uint32(rest)) == uint64(len(rest)-4) {
			return rest[4:], nil
		}
		if len(rest) > 4 && json.Valid(rest[4:]) {
			break
		}
		end = at
	}
	return nil, errNoDescription
}

// streamState is a section as the stream's description has it, or a struct or
// a subsection inside one.
type streamState struct {
	Name        string        `json:"name"`
	Instance    int           `json:"instance_id"`
	State       string        `json:"vmsd_name"`
	Version     int           `json:"version"`
	Fields      []streamField `json:"fields"`
	Subsections []streamState `json:"subsections"`
}

type streamField struct {
	Name        string        `json:"name"`
	Type        string        `json:"type"`
	Size        int           `json:"size"`
	Length      int           `json:"array_len"`
	Struct      *streamState  `json:"struct"`
	Fields      []streamField `json:"fields"` // of what is put together for the stream
	Subsections []streamState `json:"subsections"`
}

// parts are the fields in order, and all subsections, each once. Elements of an
// array that are alike are counted.
func (s streamState) parts() (fields []Field, subs []Section) {
	for _, f := range s.Fields {
		field := Field{Name: f.Name, Type: f.Type, Size: f.Size, Count: max(1, f.Length)}
		inner := f.Struct
		if inner == nil && f.Fields != nil {
			inner = &streamState{Fields: f.Fields, Subsections: f.Subsections}
		}
		if inner != nil {
			var more []Section
			field.Fields, more = inner.parts()
			field.Size, subs = 0, append(subs, more...)
		}
		if last := len(fields) - 1; last >= 0 && alike(fields[last], field) {
			fields[last].Count += field.Count
			continue
		}
		fields = append(fields, field)
	}
	for _, sub := range s.Subsections {
		one := Section{Name: sub.State, State: sub.State, Version: sub.Version}
		var more []Section
		one.Fields, more = sub.parts()
		subs = append(append(subs, one), more...)
	}
	slices.SortStableFunc(subs, func(a, b Section) int { return strings.Compare(a.Name, b.Name) })
	return fields, slices.CompactFunc(subs, func(a, b Section) bool { return a.Name == b.Name })
}

func alike(a, b Field) bool {
	a.Count = b.Count
	return reflect.DeepEqual(a, b)
}

// ramBlock is a line of "info ramblock": name, page size, offset, used, total.
var ramBlock = regexp.MustCompile(`(?m)^\s*(\S+)\s+\d+ \w+\s+0x[0-9a-f]+\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)`)

// ParseBlocks reads what the human monitor answers to "info ramblock".
func ParseBlocks(text string) []Block {
	var blocks []Block
	for _, m := range ramBlock.FindAllStringSubmatch(text, -1) {
		used, _ := strconv.ParseUint(m[2], 16, 64) // the pattern lets only digits in
		total, _ := strconv.ParseUint(m[3], 16, 64)
		blocks = append(blocks, Block{m[1], used, total})
	}
	return blocks
}

// device is a line of "info qtree" that begins one.
var device = regexp.MustCompile(`(?m)^\s*dev: ([^,]+), id `)

// ParseDevices reads the types in a machine from what the human monitor answers
// to "info qtree".
func ParseDevices(text string) []string {
	var types []string
	for _, m := range device.FindAllStringSubmatch(text, -1) {
		types = append(types, m[1])
	}
	slices.Sort(types)
	return slices.Compact(types)
}
