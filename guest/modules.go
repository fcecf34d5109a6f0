package guest

import (
	"bytes"
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// A module is one that has to be loaded.
type module struct {
	name  string
	image []byte
}

// A modules is a folder with a kernel's modules.
type modules struct {
	folder  string
	files   map[string]string // by name, with _ for -
	builtin map[string]bool
}

func openModules(folder string) (*modules, error) {
	m := &modules{folder: folder, files: map[string]string{}, builtin: map[string]bool{}}
	if folder == "" {
		return m, nil
	}
	err := filepath.WalkDir(folder, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if name, ok := moduleName(file); ok {
			m.files[name] = file
		}
		if entry.Name() == "modules.builtin" {
			text, err := os.ReadFile(file)
			for line := range strings.Lines(string(text)) {
				if name, ok := moduleName(strings.TrimSpace(line)); ok {
					m.builtin[name] = true
				}
			}
			return err
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("guest: the kernel's modules: %w", err)
	}
	return m, nil
}

// moduleName is the name of the module that a file is.
func moduleName(file string) (string, bool) {
	base := filepath.Base(file)
	for _, extension := range []string{".ko", ".ko.xz", ".ko.gz", ".ko.zst"} {
		if name, ok := strings.CutSuffix(base, extension); ok {
			return strings.ReplaceAll(name, "-", "_"), true
		}
	}
	return "", false
}

// A ModuleError says that a kernel has a driver neither built in nor as a module.
type ModuleError struct {
	Module, Folder string
	Remedy         string // a clause; empty means to name another kernel
}

func (e *ModuleError) Error() string {
	if e.Folder == "" {
		return fmt.Sprintf("the kernel's module %s is needed, and no folder of modules is named: name it with --modules", e.Module)
	}
	return fmt.Sprintf("the kernel has no module %s: it is neither in %s nor in its list of what is built in (modules.builtin); %s",
		e.Module, e.Folder, cmp.Or(e.Remedy, "name a kernel that has it with --kernel and --modules"))
}

// closure returns the modules of these names and all that they need, in the order in which
// they have to be loaded. What is built in is left out.
func (m *modules) closure(names []string) (all []module, err error) {
	seen := map[string]bool{}
	var add func(name string) error
	add = func(name string) error {
		name = strings.ReplaceAll(name, "-", "_")
		if seen[name] || m.builtin[name] {
			return nil
		}
		seen[name] = true
		file, ok := m.files[name]
		if !ok {
			return &ModuleError{Module: name, Folder: m.folder}
		}
		image, err := readModule(file)
		if err != nil {
			return err
		}
		needs, err := moduleDepends(image)
		if err != nil {
			return fmt.Errorf("guest: %s: %w", file, err)
		}
		for _, n := range needs {
			if err := add(n); err != nil {
				return err
			}
		}
		all = append(all, module{name, image})
		return nil
	}
	for _, name := range names {
		if err := add(name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// moduleDepends reads what a module needs from its section .modinfo: strings with a zero
// behind each.
func moduleDepends(image []byte) (names []string, err error) {
	file, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return nil, err
	}
	section := file.Section(".modinfo")
	if section == nil {
		return nil, errors.New("it has no .modinfo, so it is no module")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	for word := range strings.SplitSeq(string(info), "\x00") {
		key, value, _ := strings.Cut(word, "=")
		if key == "depends" && value != "" {
			names = append(names, strings.Split(value, ",")...)
		}
	}
	return names, nil
}
