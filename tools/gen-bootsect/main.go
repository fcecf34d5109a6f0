// Gen-bootsect assembles a boot program into a Go file, without an assembler on
// the machine. See package asm below it for the language.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/drover-vm/drover/tools/gen-bootsect/internal/asm"
)

const usage = `usage: gen-bootsect [flags] SOURCE...

Assembles SOURCE (several files are read as one, in their order), in the syntax of GNU as,
and writes the bytes as a string constant in a Go file. GNU as makes the same bytes from it:

	as -o boot.o SOURCE... && objcopy -O binary -j .text boot.o boot.bin

(plus as many zero bytes before them as its leading .org says), where as is that of the
architecture, with these options:

	x86      --32
	aarch64
	ppc64    -a64 -mpower8 -mregnames
	riscv64  -march=rv64g -mno-relax
	s390x

For x86 it has to be a boot sector and what follows it on its disk, whole sectors of 512
bytes; for the others it is a file for QEMU's -kernel or -bios option.

Exit status: 0 done, 1 the source is wrong (each error with its line), 2 wrong
usage or a file that can't be read or written.

Flags:
`

const (
	exitOK     = 0
	exitSource = 1
	exitUsage  = 2
)

const x86 = "x86"

const (
	sectorSize = 512
	loadedAt   = 0x7c00
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

type options struct {
	arch               string
	out, pkg, constant string
	raw, list          bool
	sources            []string
}

func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stdout, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "gen-bootsect: %v\n", err)
		return exitUsage
	}
	text, files, err := read(o.sources)
	if err != nil {
		fmt.Fprintf(stderr, "gen-bootsect: %v\n", err)
		return exitUsage
	}
	image, err := asm.AssembleFor(o.arch, filepath.ToSlash(o.sources[0]), text)
	if err == nil {
		err = check(o, image)
	} else {
		place(err, files)
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitSource
	}
	if err := write(o, image, string(text), stdout); err != nil {
		fmt.Fprintf(stderr, "gen-bootsect: %v\n", err)
		return exitUsage
	}
	return exitOK
}

func parse(args []string, stdout, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("gen-bootsect", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.arch, "arch", x86, "`architecture`: "+strings.Join(asm.Architectures(), ", "))
	flags.StringVar(&o.out, "o", "-", "write to `file`; - is standard output")
	flags.StringVar(&o.pkg, "package", "fixtures", "`name` of the Go file's package")
	flags.StringVar(&o.constant, "const", "bootBlock", "`name` of the constant")
	flags.BoolVar(&o.raw, "raw", false, "write the bytes as they are instead of a Go file")
	flags.BoolVar(&o.list, "list", false, "write a listing instead: address, bytes and source, line by line")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return o, err
	}
	switch {
	case err != nil:
	case flags.NArg() == 0:
		err = errors.New("expected a source file")
	case !slices.Contains(asm.Architectures(), o.arch):
		err = fmt.Errorf("unknown architecture %q: there are %s", o.arch, strings.Join(asm.Architectures(), ", "))
	case o.raw && o.list:
		err = errors.New("-raw and -list exclude each other")
	}
	if err != nil {
		return o, fmt.Errorf("%w; see gen-bootsect -help", err)
	}
	o.sources = flags.Args()
	return o, nil
}

// A part is a source file, and how many lines of others stand before it.
type part struct {
	name   string
	before int
}

// read reads the sources as one.
func read(sources []string) (text []byte, parts []part, err error) {
	for _, source := range sources {
		one, err := os.ReadFile(source)
		if err != nil {
			return nil, nil, err
		}
		if n := len(text); n > 0 && text[n-1] != '\n' {
			text = append(text, '\n')
		}
		parts = append(parts, part{filepath.ToSlash(source), bytes.Count(text, []byte("\n"))})
		text = append(text, one...)
	}
	return text, parts, nil
}

// place gives each error the file that its line is in, and the line there.
func place(err error, parts []part) {
	all, _ := errors.AsType[asm.Errors](err)
	for _, e := range all {
		for _, p := range slices.Backward(parts) {
			if e.Line > p.before {
				e.File, e.Line = p.name, e.Line-p.before
				break
			}
		}
	}
}

// check holds an image against what its machine demands of it.
func check(o options, image *asm.Image) error {
	switch {
	case o.arch == x86:
		return checkBootSector(o.sources[0], image)
	case image.Origin != 0:
		return fmt.Errorf("%s: begins at %#x, but a kernel is a file from its first byte on: leave out the leading .org", o.sources[0], image.Origin)
	}
	return nil
}

// checkBootSector holds an image against what a BIOS demands of a boot sector. Sectors
// that the program loads itself may follow.
func checkBootSector(source string, image *asm.Image) error {
	b := image.Bytes
	switch {
	case image.Origin != loadedAt:
		return fmt.Errorf("%s: begins at %#x, but a BIOS loads a boot sector to %#x: begin with .org %#x", source, image.Origin, loadedAt, loadedAt)
	case len(b) < sectorSize:
		return fmt.Errorf("%s: is %d bytes long, but a boot sector has %d: put .org %#x before its last two", source, len(b), sectorSize, loadedAt+sectorSize-2)
	case len(b)%sectorSize != 0:
		return fmt.Errorf("%s: is %d bytes long, which are not whole sectors of %d: fill up the last", source, len(b), sectorSize)
	case b[sectorSize-2] != 0x55 || b[sectorSize-1] != 0xaa:
		return fmt.Errorf("%s: its first sector ends in %#x %#x, but a BIOS boots only what ends in 0x55 0xaa", source, b[sectorSize-2], b[sectorSize-1])
	}
	return nil
}

func write(o options, image *asm.Image, source string, stdout io.Writer) error {
	content := goFile(o, image.Bytes)
	switch {
	case o.raw:
		content = string(image.Bytes)
	case o.list:
		content = listing(image, source)
	}
	if o.out == "-" {
		_, err := io.WriteString(stdout, content)
		return err
	}
	return os.WriteFile(o.out, []byte(content), 0o644)
}

// goFile writes the bytes as a string constant: nobody can change it.
func goFile(o options, b []byte) string {
	const perLine = 16
	var s strings.Builder
	fmt.Fprintf(&s, "// Code generated by gen-bootsect from %s; DO NOT EDIT.\n\n", filepath.ToSlash(strings.Join(o.sources, ", ")))
	fmt.Fprintf(&s, "package %s\n\nconst %s = \"\"", o.pkg, o.constant)
	for i, c := range b {
		if i%perLine == 0 {
			s.WriteString(" +\n\t\"")
		}
		fmt.Fprintf(&s, "\\x%02x", c)
		if i%perLine == perLine-1 || i == len(b)-1 {
			s.WriteByte('"')
		}
	}
	s.WriteByte('\n')
	return s.String()
}

// listing writes each source line behind the address and the bytes it came to.
func listing(image *asm.Image, source string) string {
	const perLine = 8
	var s strings.Builder
	lines := image.Lines
	for i, text := range strings.Split(strings.TrimSuffix(source, "\n"), "\n") {
		var b []byte
		address := 0
		for len(lines) > 0 && lines[0].Number == i+1 {
			if b == nil {
				address = lines[0].Address
			}
			b = append(b, lines[0].Bytes...)
			lines = lines[1:]
		}
		switch {
		case len(b) > perLine:
			fmt.Fprintf(&s, "%5x  %-24s %s\n", address, fmt.Sprintf("% x ..", b[:perLine-1]), text)
		case len(b) > 0:
			fmt.Fprintf(&s, "%5x  %-24s %s\n", address, fmt.Sprintf("% x", b), text)
		default:
			s.WriteString(strings.TrimRight(fmt.Sprintf("%5s  %-24s %s", "", "", text), " \t") + "\n")
		}
	}
	return s.String()
}
