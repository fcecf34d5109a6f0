package fleet

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A layout is where the parts of one copy are, relative to its root.
type layout struct {
	binary  string   // the program
	loader  string   // its loader; "" for a script or a program that needs none
	libs    []string // where libraries are
	modules string   // where QEMU's modules are; "" = none
	data    []string // where QEMU's firmware and the like are
}

// binaries returns the architectures that a copy has a QEMU for, each with
// its layout.
func binaries(root string) (map[string]layout, error) {
	names, err := os.ReadDir(filepath.Join(root, "usr", "bin"))
	if err != nil {
		return nil, err
	}
	found := make(map[string]layout)
	for _, entry := range names {
		arch := archOf(entry.Name())
		if arch == "" {
			continue
		}
		l, err := layoutOf(root, path.Join("usr/bin", entry.Name()))
		if err != nil {
			return nil, err
		}
		found[arch] = l
	}
	return found, nil
}

// layoutOf looks around in a copy for what a program in it needs.
func layoutOf(root, binary string) (layout, error) {
	l := layout{binary: binary}
	interpreter, isELF, err := interpreterOf(filepath.Join(root, binary))
	if err != nil {
		return layout{}, err
	}
	if !isELF {
		// Debian 12's qemu-system-i386 is a script that looks for Xen and then
		// starts the program of the same name at an absolute path.
		hidden := path.Join("usr/libexec", path.Base(binary))
		if interpreter, isELF, err = interpreterOf(filepath.Join(root, hidden)); err == nil && isELF {
			l.binary = hidden
		}
	}
	if err := l.look(root); err != nil {
		return layout{}, err
	}
	if interpreter == "" {
		return l, nil
	}
	l.loader, err = findLoader(root, interpreter, l.libs)
	return l, err
}

// interpreterOf returns the loader that an ELF program asks for; none for a
// script, nor for a program that is linked statically.
func interpreterOf(file string) (interpreter string, isELF bool, err error) {
	if isELF, err = startsAsELF(file); !isELF {
		return "", false, err
	}
	program, err := elf.Open(file)
	if err != nil {
		return "", false, err
	}
	defer program.Close()
	for _, section := range program.Progs {
		if section.Type != elf.PT_INTERP {
			continue
		}
		text := make([]byte, section.Filesz)
		if _, err := section.ReadAt(text, 0); err != nil {
			return "", false, fmt.Errorf("%s: %w", file, err)
		}
		return string(bytes.TrimRight(text, "\x00")), true, nil
	}
	return "", true, nil
}

// startsAsELF reports whether a file begins as an ELF file does.
func startsAsELF(file string) (bool, error) {
	f, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer f.Close()
	start := make([]byte, len(elf.ELFMAG))
	n, err := io.ReadFull(f, start)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, err
	}
	return string(start[:n]) == elf.ELFMAG, nil
}

// look finds the folders of libraries, modules and data.
func (l *layout) look(root string) error {
	seen := make(map[string]bool)
	for _, top := range []string{"usr/lib", "lib", "usr/lib64", "lib64"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(file string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			folder := path.Dir(toSlash(root, file))
			switch {
			case entry.IsDir() && entry.Name() == "qemu" && hasModules(file):
				l.modules = toSlash(root, file)
				return filepath.SkipDir
			case entry.IsDir() && entry.Name() == "glibc-hwcaps":
				return filepath.SkipDir // for newer processors only: the loader chooses
			case !entry.IsDir() && strings.HasPrefix(entry.Name(), "lib") && strings.Contains(entry.Name(), ".so") && !seen[folder]:
				seen[folder] = true
				l.libs = append(l.libs, folder)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	// The folders that hold most come first: the others are plug-ins' and
	// private ones.
	slices.SortStableFunc(l.libs, func(a, b string) int { return strings.Count(a, "/") - strings.Count(b, "/") })
	for _, folder := range []string{"usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"} {
		if stat, err := os.Stat(filepath.Join(root, folder)); err == nil && stat.IsDir() {
			l.data = append(l.data, folder)
		}
	}
	return nil
}

func toSlash(root, file string) string {
	relative, err := filepath.Rel(root, file)
	if err != nil {
		return file // never: file is below root
	}
	return filepath.ToSlash(relative)
}

func hasModules(folder string) bool {
	modules, _ := filepath.Glob(filepath.Join(globless(folder), "*.so"))
	return len(modules) > 0
}

// globless makes a path match itself in a pattern.
func globless(file string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(file)
}

// findLoader returns where a copy has the loader that a program names.
func findLoader(root, interpreter string, libs []string) (string, error) {
	for _, candidate := range append([]string{path.Dir(interpreter)}, libs...) {
		file := path.Join(strings.TrimPrefix(candidate, "/"), path.Base(interpreter))
		if stat, err := os.Stat(filepath.Join(root, file)); err == nil && stat.Mode().IsRegular() {
			return file, nil
		}
	}
	return "", fmt.Errorf("the packages don't hold the loader %s", interpreter)
}

// How the scripts begin and end, whatever is between.
const (
	scriptHead = "#!/bin/sh\n"
	scriptTail = " \"$@\"\n"
)

// script returns the text of the script that starts a copy whose root is, or
// will be, at an absolute path.
func (l layout) script(root string) string {
	in := func(part string) string { return quote(filepath.Join(root, part)) }
	var b strings.Builder
	b.WriteString(scriptHead)
	b.WriteString("# Starts a private copy of QEMU. Made by drover, which makes it again when needed.\n")
	if l.modules != "" {
		fmt.Fprintf(&b, "QEMU_MODULE_DIR=%s\nexport QEMU_MODULE_DIR\n", in(l.modules))
	}
	b.WriteString("exec")
	if l.loader != "" {
		var libs []string
		for _, folder := range l.libs {
			libs = append(libs, filepath.Join(root, folder))
		}
		// The host's own libraries are not looked for.
		fmt.Fprintf(&b, " %s --inhibit-cache --library-path %s", in(l.loader), quote(strings.Join(libs, ":")))
	}
	b.WriteString(" " + in(l.binary))
	for _, folder := range l.data {
		b.WriteString(" -L " + in(folder))
	}
	b.WriteString(scriptTail)
	return b.String()
}

// quote makes a shell take text as one word, as it is.
func quote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
