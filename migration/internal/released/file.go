package released

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"slices"

	"github.com/drover-vm/drover/migration/preflight"
	"github.com/drover-vm/drover/protocol/qmp"
)

// files are named after targets. What several releases have alike is in them once: QEMU
// declares some hundred types, and hardly changes them.
//
//go:embed *.json.gz
var files embed.FS

// FileName is that of a target's file.
func FileName(arch string) string { return arch + ".json.gz" }

// A file is what one has.
type file struct {
	Releases []release
	Types    []typeOf
	Sections []sectionOf
}

type release struct {
	Version  qmp.Version
	Machines map[string]string
}

type typeOf struct {
	Of    []string // releases
	Type  string
	State preflight.State
}

type sectionOf struct {
	Of       []string // releases
	Scenario string
	Section
}

// All returns what is recorded of a target, by version without the patch level.
func All(arch string) (map[string]*Release, error) {
	packed, err := files.ReadFile(FileName(arch))
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]*Release{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("released: %w", err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("released: %s: %w", arch, err)
	}
	var f file
	if err := json.NewDecoder(r).Decode(&f); err != nil {
		return nil, fmt.Errorf("released: %s: %w", arch, err)
	}
	all := map[string]*Release{}
	for _, r := range f.Releases {
		all[Minor(r.Version)] = &Release{Version: r.Version, Machines: r.Machines, Types: map[string]preflight.State{}, Sections: map[string][]Section{}}
	}
	for _, t := range f.Types {
		for _, v := range t.Of {
			all[v].Types[t.Type] = t.State
		}
	}
	for _, s := range f.Sections {
		for _, v := range s.Of {
			all[v].Sections[s.Scenario] = append(all[v].Sections[s.Scenario], s.Section)
		}
	}
	return all, nil
}

// Pack returns a target's file.
func Pack(all map[string]*Release) ([]byte, error) {
	var f file
	for _, v := range slices.Sorted(maps.Keys(all)) {
		r := all[v]
		f.Releases = append(f.Releases, release{r.Version, r.Machines})
		for _, name := range slices.Sorted(maps.Keys(r.Types)) {
			i := slices.IndexFunc(f.Types, func(t typeOf) bool { return t.Type == name && reflect.DeepEqual(t.State, r.Types[name]) })
			if i < 0 {
				i, f.Types = len(f.Types), append(f.Types, typeOf{Type: name, State: r.Types[name]})
			}
			f.Types[i].Of = append(f.Types[i].Of, v)
		}
		for _, scenario := range slices.Sorted(maps.Keys(r.Sections)) {
			for _, section := range r.Sections[scenario] {
				i := slices.IndexFunc(f.Sections, func(s sectionOf) bool { return s.Scenario == scenario && reflect.DeepEqual(s.Section, section) })
				if i < 0 {
					i, f.Sections = len(f.Sections), append(f.Sections, sectionOf{Scenario: scenario, Section: section})
				}
				f.Sections[i].Of = append(f.Sections[i].Of, v)
			}
		}
	}
	slices.SortStableFunc(f.Types, func(a, b typeOf) int { return cmp.Compare(a.Type, b.Type) })
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		err = json.NewEncoder(w).Encode(f)
	}
	if err == nil {
		err = w.Close()
	}
	return b.Bytes(), err
}
