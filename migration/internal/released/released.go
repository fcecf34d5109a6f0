// Package released has what QEMU's releases send and take of their devices, as it was recorded
// of the fleet's. A QEMU that calls itself by the same version and lacks some of it can't
// exchange guests with the release, or loses what its guests have there:
//
//	release, err := released.Of("x86_64", qemu.Version())
//	for _, lost := range release.LostTypes(types) { ... }
//
// What a QEMU sends or takes beside that is none of this package's business. There are two
// views of a device: what its type declares (-dump-vmstate), of every type that the QEMU
// has; and what stood in the stream of a scenario's machine, with those subsections and
// fields that are only there when they are needed.
package released

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/drover-vm/drover/migration/preflight"
	"github.com/drover-vm/drover/migration/stream"
	"github.com/drover-vm/drover/protocol/qmp"
)

// A Release is what one QEMU was seen to send.
type Release struct {
	Version  qmp.Version
	Machines map[string]string          // the type of the machine, by the scenario that saved it
	Types    map[string]preflight.State // by type of device
	Sections map[string][]Section       // by the scenario that saved the machine
}

// A Section is what stood in a stream of a device.
type Section struct {
	Name     string
	Instance uint32   `json:",omitempty"`
	Version  uint32   `json:",omitempty"`
	Fields   []string // path and bytes, such as "cmos_data 128"
}

// String names the section as errors do.
func (s Section) String() string {
	if s.Instance == 0 {
		return s.Name
	}
	return fmt.Sprintf("%s (instance %d)", s.Name, s.Instance)
}

// Of returns what a target's QEMU of this version is known to send: that of the same
// release, at the same patch level or an earlier one. Nil where nothing is recorded.
func Of(arch string, version qmp.Version) (*Release, error) {
	all, err := All(arch)
	if err != nil {
		return nil, err
	}
	r := all[Minor(version)]
	if r == nil || r.Version.Micro > version.Micro {
		return nil, nil // a stable release may send more than those before it
	}
	return r, nil
}

// Minor is a version without its patch level.
func Minor(v qmp.Version) string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// LostTypes returns what the release declares of types that this QEMU has too, and this
// one does not, each as a clause that begins with what is lost.
func (r *Release) LostTypes(types map[string]preflight.State) (lost []string) {
	for _, name := range slices.Sorted(maps.Keys(r.Types)) {
		if has, ok := types[name]; ok { // another build of the same version may have fewer
			lost = append(lost, lostState(r.Types[name], has, "the type "+name)...)
		}
	}
	return lost
}

func lostState(want, has preflight.State, of string) (lost []string) {
	if want.Name != has.Name {
		return []string{fmt.Sprintf("the name %s of %s, which is called %s", want.Name, of, has.Name)}
	}
	if want.Version > has.Version {
		lost = append(lost, fmt.Sprintf("version %d of %s, which is at %d", want.Version, of, has.Version))
	}
	if want.Minimum < has.Minimum {
		lost = append(lost, fmt.Sprintf("version %d of %s, which is taken from %d on", want.Minimum, of, has.Minimum))
	}
	for _, f := range without(declared(want.Fields, ""), declared(has.Fields, "")) {
		lost = append(lost, fmt.Sprintf("the field %s of %s", f, of))
	}
	for _, sub := range want.Subsections {
		i := slices.IndexFunc(has.Subsections, func(s preflight.State) bool { return s.Name == sub.Name })
		if i < 0 {
			lost = append(lost, fmt.Sprintf("the subsection %s of %s", sub.Name, of))
			continue
		}
		lost = append(lost, lostState(sub, has.Subsections[i], "the subsection "+sub.Name+" of "+of)...)
	}
	return lost
}

// declared are the paths of fields, with the version from which on each is there, if not always.
func declared(fields []preflight.Conditional, path string) (all []string) {
	for _, f := range fields {
		name := path + f.Name
		if f.Since > 0 {
			all = append(all, fmt.Sprintf("%s (from version %d on)", name, f.Since))
		} else {
			all = append(all, name)
		}
		all = append(all, declared(f.Fields, name+"/")...)
	}
	return all
}

// LostSections returns what stood in the stream of a scenario's machine, and does not stand
// in this one of the same scenario.
func (r *Release) LostSections(scenario string, sections []Section) (lost []string) {
	for _, want := range r.Sections[scenario] {
		has := find(sections, want)
		switch {
		case has == nil:
			lost = append(lost, fmt.Sprintf("the section %s", want))
		case want.Version > has.Version:
			lost = append(lost, fmt.Sprintf("version %d of the section %s, which is sent at %d", want.Version, want, has.Version))
		default:
			for _, f := range without(want.Fields, has.Fields) {
				path, size, _ := strings.Cut(f, " ")
				lost = append(lost, fmt.Sprintf("the field %s of the section %s (%s bytes)", path, want, size))
			}
		}
	}
	return lost
}

// Sections are those of a stream's devices.
func Sections(s *stream.Stream) (all []Section) {
	for _, d := range s.Sections {
		if !d.Live {
			all = append(all, Section{Name: d.Name, Instance: d.Instance, Version: d.Version, Fields: sent(d.Fields, "")})
		}
	}
	return all
}

// sent are the paths of fields, with their bytes.
func sent(fields []stream.Field, path string) (all []string) {
	for _, f := range fields {
		if f.Fields != nil {
			all = append(all, sent(f.Fields, path+f.Name+"/")...)
			continue
		}
		all = append(all, fmt.Sprintf("%s%s %d", path, f.Name, f.Size))
	}
	return all
}

// Common returns what stands in both of two streams of the same scenario, so what does not
// hang on what its guest was doing.
func Common(one, other []Section) (common []Section) {
	for _, s := range one {
		o := find(other, s)
		if o == nil || o.Version != s.Version {
			continue
		}
		gone := without(s.Fields, o.Fields)
		s.Fields = without(s.Fields, gone)
		common = append(common, s)
	}
	return common
}

func find(sections []Section, like Section) *Section {
	i := slices.IndexFunc(sections, func(s Section) bool { return s.Name == like.Name && s.Instance == like.Instance })
	if i < 0 {
		return nil
	}
	return &sections[i]
}

// without returns the strings of a list that another lacks; one that comes more often comes
// as often as it is missing.
func without(list, other []string) (missing []string) {
	left := map[string]int{}
	for _, s := range other {
		left[s]++
	}
	for _, s := range list {
		if left[s]--; left[s] < 0 {
			missing = append(missing, s)
		}
	}
	return missing
}
