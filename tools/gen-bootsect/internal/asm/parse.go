package asm

import "strings"

// maxDepth bounds how deep parentheses and signs may be nested.
const maxDepth = 64

// A line is one source line being read, token by token.
type line struct {
	tokens []token
	at     int
	dot    *symbol // what "." stands for
	lookup func(name string) *symbol
	depth  int
}

func (l *line) peek() token { return l.tokens[l.at] }

func (l *line) next() token {
	t := l.tokens[l.at]
	if t.kind != tokenEnd {
		l.at++
	}
	return t
}

func (l *line) accept(punct string) bool {
	if l.peek().is(punct) {
		l.at++
		return true
	}
	return false
}

func (l *line) expect(punct string) error {
	if !l.accept(punct) {
		return faultf("expected '%s', found %v", punct, l.peek())
	}
	return nil
}

func (l *line) end() error {
	if t := l.peek(); t.kind != tokenEnd {
		return faultf("expected end of line, found %v", t)
	}
	return nil
}

// operator reports whether t is an operator of a level, and which. The levels are
// those of GNU as, loosest first, and aren't C's: where the two differ
// parentheses are demanded.
func operator(level int, t token) (op byte, ok bool) {
	levels := [...]string{"+-", "&|^", "*/%lr"}
	if t.kind != tokenPunct {
		return 0, false
	}
	switch op = t.text[0]; t.text {
	case "<<":
		op = 'l'
	case ">>":
		op = 'r'
	}
	return op, strings.IndexByte(levels[level], op) >= 0
}

const tightest = 2

func (l *line) expression() (*expr, error) { return l.binary(0) }

func (l *line) binary(level int) (*expr, error) {
	if level > tightest {
		return l.unary()
	}
	left, err := l.binary(level + 1)
	if err != nil {
		return nil, err
	}
	for {
		op, ok := operator(level, l.peek())
		if !ok {
			return left, nil
		}
		l.next()
		right, err := l.binary(level + 1)
		if err != nil {
			return nil, err
		}
		for _, side := range []*expr{left, right} {
			if !readsAlike(op, side) {
				return nil, faultf("%s beside %s needs parentheses: C and GNU as disagree on which goes first", opName(side.op), opName(op))
			}
		}
		left = &expr{op: op, left: left, right: right}
	}
}

// readsAlike reports whether an operand of op without parentheses of its own is
// grouped by C as it is by GNU as.
func readsAlike(op byte, side *expr) bool {
	if side.op == 0 || side.parens || side.right == nil {
		return true
	}
	switch op {
	case '+', '-':
		return strings.IndexByte("+-*/%", side.op) >= 0
	case '&', '|', '^':
		return side.op == op || strings.IndexByte("*/%lr", side.op) >= 0
	case 'l', 'r':
		return side.op == 'l' || side.op == 'r'
	}
	return strings.IndexByte("*/%", side.op) >= 0
}

func (l *line) unary() (*expr, error) {
	l.depth++
	defer func() { l.depth-- }()
	if l.depth > maxDepth {
		return nil, faultf("nested more than %d deep", maxDepth)
	}
	t := l.next()
	switch {
	case t.kind == tokenNumber:
		return &expr{number: t.value}, nil
	case t.kind == tokenName && t.text == ".":
		return &expr{symbol: l.dot, name: "."}, nil
	case t.kind == tokenName:
		return &expr{symbol: l.lookup(t.text), name: t.text}, nil
	case t.is("-") || t.is("~"):
		operand, err := l.unary()
		return &expr{op: t.text[0], left: operand}, err
	case t.is("("):
		inner, err := l.expression()
		if err != nil {
			return nil, err
		}
		if err := l.expect(")"); err != nil {
			return nil, err
		}
		grouped := *inner
		grouped.parens = true
		return &grouped, nil
	}
	return nil, faultf("expected a number, a symbol or '(', found %v", t)
}

// operands reads what follows a mnemonic, up to the end of the line.
func (l *line) operands() ([]operand, error) {
	var all []operand
	if l.peek().kind == tokenEnd {
		return nil, nil
	}
	for {
		one, err := l.operand()
		if err != nil {
			return nil, err
		}
		all = append(all, one)
		if !l.accept(",") {
			return all, l.end()
		}
	}
}

func (l *line) operand() (operand, error) {
	switch {
	case l.accept("$"):
		e, err := l.expression()
		return operand{kind: kindImmediate, value: e}, err
	case l.peek().is("%"):
		r, err := l.register()
		return operand{kind: kindRegister, register: r}, err
	case l.peek().is("*"):
		return operand{}, faultf("indirect jumps are not among the instructions known here")
	}
	return l.memory()
}

func (l *line) register() (register, error) {
	if err := l.expect("%"); err != nil {
		return register{}, err
	}
	t := l.next()
	r, ok := registerNamed(t.text)
	if t.kind != tokenName || !ok {
		return register{}, faultf("unknown register %%%s", t.text)
	}
	return r, nil
}

// memory reads displacement(base,index,scale), each part of which may be
// missing. A displacement alone is an address, or where a jump goes.
func (l *line) memory() (operand, error) {
	m := operand{kind: kindMemory, scale: 1}
	if !l.peek().is("(") || !l.opensRegisters() {
		e, err := l.expression()
		if err != nil {
			return m, err
		}
		m.value = e
		if !l.peek().is("(") {
			return m, nil
		}
	}
	if err := l.expect("("); err != nil {
		return m, err
	}
	if l.peek().is("%") {
		r, err := l.register()
		if err != nil {
			return m, err
		}
		m.base = &r
	}
	if l.accept(",") {
		r, err := l.register()
		if err != nil {
			return m, err
		}
		m.index = &r
		if l.accept(",") {
			e, err := l.expression()
			if err != nil {
				return m, err
			}
			n, ok := e.settled()
			if !ok || n != 1 && n != 2 && n != 4 && n != 8 {
				return m, faultf("a scale must be 1, 2, 4 or 8")
			}
			m.scale = int(n)
		}
	}
	if err := l.expect(")"); err != nil {
		return m, err
	}
	return m, m.checkAddress()
}

// opensRegisters tells the parenthesis of (%eax) or (,%eax,4) from that of an
// expression.
func (l *line) opensRegisters() bool {
	t := l.tokens[l.at+1]
	return t.is("%") || t.is(",")
}
