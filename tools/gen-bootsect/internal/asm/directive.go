package asm

import (
	"math/bits"
	"slices"
	"strings"
)

func (a *assembler) directive(l *line, name string) error {
	if words, ok := a.arch.ignored[name]; ok {
		return l.word(words)
	}
	if a.arch.name != "x86" {
		switch name {
		case ".code16", ".code32":
			return faultf("%s is for x86", name)
		case ".word", ".short", ".int":
			return faultf("how wide a %s is depends on the architecture: write .2byte, .4byte or .8byte", name)
		}
	}
	switch name {
	case ".code16":
		a.mode = 16
		return l.end()
	case ".code32":
		a.mode = 32
		return l.end()
	case ".text":
		return l.end()
	case ".globl":
		if t := l.next(); t.kind != tokenName {
			return faultf(".globl takes a name, found %v", t)
		}
		return l.end()
	case ".set", ".equ":
		t := l.next()
		if t.kind != tokenName {
			return faultf("%s takes a name and a value, found %v", name, t)
		}
		if err := l.expect(","); err != nil {
			return err
		}
		return a.constant(l, t.text)
	case ".byte":
		return a.numbers(l, 1)
	case ".word", ".short", ".2byte":
		return a.numbers(l, 2)
	case ".long", ".int", ".4byte":
		return a.numbers(l, 4)
	case ".quad", ".8byte":
		return a.numbers(l, 8)
	case ".ascii", ".asciz":
		return a.strings(l, name == ".asciz")
	case ".org", ".fill", ".skip", ".space", ".balign":
		return a.padding(l, name)
	}
	return faultf("unknown directive %s", name)
}

// word reads one of the words, and the end of the line.
func (l *line) word(words []string) error {
	if t := l.next(); t.kind != tokenName || !slices.Contains(words, t.text) {
		return faultf("expected %s, found %v", strings.Join(words, " or "), t)
	}
	return l.end()
}

func (a *assembler) numbers(l *line, size int) error {
	for {
		// Each number is an item of its own, so that "." moves on with them.
		l.dot = &symbol{name: ".", line: a.number, item: len(a.items)}
		e, err := a.plain(l)
		if err != nil {
			return err
		}
		a.add(&item{bytes: make([]byte, size), fixups: []fixup{{size: size, value: e}}})
		if !l.accept(",") {
			return l.end()
		}
	}
}

// plain reads an expression that isn't a linker's to work out.
func (a *assembler) plain(l *line) (*expr, error) {
	e, err := l.expression()
	if err == nil && a.arch.relaxes && !e.constant() {
		err = faultf("on %s only a linker knows where labels are: write a number that is known here", a.arch.name)
	}
	return e, err
}

func (a *assembler) strings(l *line, zero bool) error {
	for {
		t := l.next()
		if t.kind != tokenString {
			return faultf("expected a string between two \", found %v", t)
		}
		text := []byte(t.text)
		if zero {
			text = append(text, 0)
		}
		a.add(&item{bytes: text})
		if !l.accept(",") {
			return l.end()
		}
	}
}

func (a *assembler) padding(l *line, name string) error {
	var args []*expr
	for {
		e, err := a.plain(l)
		if err != nil {
			return err
		}
		args = append(args, e)
		if !l.accept(",") {
			break
		}
	}
	if err := l.end(); err != nil {
		return err
	}
	p := &padding{directive: name, count: args[0], unit: 1}
	values := map[string]int{".org": 2, ".fill": 3, ".skip": 2, ".space": 2, ".balign": 2}
	if len(args) > values[name] {
		return faultf("%s takes at most %d values", name, values[name])
	}
	if name == ".balign" {
		n, ok := args[0].settled()
		if !ok || n < 1 || n > 4096 || bits.OnesCount64(uint64(n)) != 1 {
			return faultf(".balign takes a power of two, at most 4096, that is known here")
		}
		if len(args) < 2 {
			return faultf(".balign must say what it pads with, as in .balign %d, 0", n)
		}
	}
	if name == ".fill" && len(args) > 1 {
		n, ok := args[1].settled()
		if !ok || n != 1 && n != 2 && n != 4 {
			return faultf("the size of a .fill must be 1, 2 or 4")
		}
		p.unit = int(n)
	}
	if len(args) == values[name] {
		n, ok := args[len(args)-1].settled()
		if !ok {
			return faultf("what %s pads with must be a number that is known here", name)
		}
		if !fitsIn(n, p.unit, false) {
			return misfit(n, p.unit, false)
		}
		p.value = n
	}
	if name == ".balign" && byte(p.value) == 0x90 {
		return faultf("GNU as pads with longer instructions than 0x90 when it is told to pad with 0x90: pad with something else")
	}
	a.add(&item{padding: p})
	return nil
}
