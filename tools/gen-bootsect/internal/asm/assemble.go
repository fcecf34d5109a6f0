package asm

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Limits that keep a mistake, such as a .fill with too many noughts, from
// costing more than an error message.
const (
	MaxSource = 1 << 20 // bytes of source
	MaxImage  = 1 << 20 // bytes of image, counted from address 0
	maxErrors = 20
)

// An Image is an assembled source.
type Image struct {
	Origin int    // address of the first byte: that of a leading .org, or 0
	Bytes  []byte // up to the last byte that the source makes
	Lines  []Line // in the order of the source; lines that make no bytes are missing
}

// A Line is what one line of the source came to.
type Line struct {
	Number  int // from 1
	Address int
	Bytes   []byte
	Mode    int // 16 or 32 of x86, else 64: one instruction of that mode; 0: data or padding
}

// Assemble translates a source for x86. What is wrong with it is an [Errors], with at
// most twenty of them; name stands for the file in their texts.
func Assemble(name string, source []byte) (*Image, error) {
	return assemble(x86(), name, source)
}

// AssembleFor translates a source for one of the [Architectures], as Assemble does.
func AssembleFor(arch, name string, source []byte) (*Image, error) {
	for _, known := range architectures() {
		if known.name == arch {
			return assemble(known, name, source)
		}
	}
	return nil, fmt.Errorf("unknown architecture %q: there are %s", arch, strings.Join(Architectures(), ", "))
}

func assemble(arch *architecture, name string, source []byte) (*Image, error) {
	a := &assembler{arch: arch, symbols: map[string]*symbol{}, mode: 32}
	if len(source) > MaxSource {
		a.errs = Errors{{Line: 1, Msg: "a source can't be longer than 1 MiB"}}
	} else {
		a.read(string(source))
	}
	var image *Image
	if len(a.errs) == 0 {
		image = a.lay()
	}
	if len(a.errs) > 0 {
		for _, e := range a.errs {
			e.File = name
		}
		slices.SortStableFunc(a.errs, func(x, y *Error) int { return x.Line - y.Line })
		return nil, a.errs
	}
	return image, nil
}

type assembler struct {
	arch    *architecture
	symbols map[string]*symbol
	items   []*item
	end     int64 // the address behind the last item
	mode    int   // 16 or 32
	number  int   // of the line being read
	errs    Errors
}

// fail notes an error and says whether reading may go on.
func (a *assembler) fail(number int, err error) bool {
	a.errs = append(a.errs, &Error{Line: number, Msg: err.Error()})
	return len(a.errs) < maxErrors
}

func (a *assembler) read(source string) {
	lines, err := stripComments(source, a.arch.comment)
	if err != nil {
		a.errs = Errors{err}
		return
	}
	for i, text := range lines {
		a.number = i + 1
		if err := a.readLine(text); err != nil && !a.fail(a.number, err) {
			return
		}
	}
}

func (a *assembler) readLine(text string) error {
	tokens, err := scan(text)
	if err != nil {
		return err
	}
	l := &line{tokens: tokens, lookup: a.symbol}
	for l.peek().kind == tokenName && l.tokens[l.at+1].is(":") {
		if err := a.define(l.next().text, &symbol{item: len(a.items)}); err != nil {
			return err
		}
		l.next()
	}
	// Wherever this statement's bytes will begin is what "." means in it.
	l.dot = &symbol{name: ".", line: a.number, item: len(a.items)}
	t := l.next()
	switch {
	case t.kind == tokenEnd:
		return nil
	case t.kind != tokenName:
		return faultf("expected a label, a directive or an instruction, found %v", t)
	case l.accept("="):
		return a.constant(l, t.text)
	case strings.HasPrefix(t.text, "."):
		return a.directive(l, t.text)
	}
	return a.arch.instruction(a, l, t.text)
}

func (a *assembler) symbol(name string) *symbol {
	s := a.symbols[name]
	if s == nil {
		s = &symbol{name: name}
		a.symbols[name] = s
	}
	return s
}

func (a *assembler) define(name string, as *symbol) error {
	s := a.symbol(name)
	if s.line > 0 {
		return faultf("%s is already defined in line %d", name, s.line)
	}
	if strings.HasPrefix(name, ".") && !strings.HasPrefix(name, ".L") {
		return faultf("%s can't be defined: of the names that begin with a dot only those in .L are free", name)
	}
	as.name, as.line = name, a.number
	*s = *as
	return nil
}

func (a *assembler) constant(l *line, name string) error {
	e, err := l.expression()
	if err != nil {
		return err
	}
	n, settled := e.settled()
	return errors.Join(l.end(), a.define(name, &symbol{value: e, settled: settled, number: n}))
}

func (a *assembler) add(it *item) {
	it.line = a.number
	a.items = append(a.items, it)
}
