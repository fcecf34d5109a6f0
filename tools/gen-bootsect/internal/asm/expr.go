package asm

import "math"

// An expr is a parsed expression: a number, a symbol, or an operation. Op 0 is a
// leaf; '-' and '~' with a nil right side are unary.
type expr struct {
	op          byte // 0 + - * / % l(<<) r(>>) & | ^ ~
	left, right *expr
	parens      bool

	number int64
	symbol *symbol // nil: the number
	name   string  // of the symbol
}

// A symbol is a label, which is before an item, or a constant.
type symbol struct {
	name  string
	line  int   // where it is defined; 0 while it isn't
	item  int   // a label: index of the item that it is before
	value *expr // a constant: its value; nil for a label
	busy  bool  // its value is being worked out: meeting it again is a circle

	settled bool  // a constant that was known where it was defined,
	number  int64 // and this is it
}

// A value is what an expression comes to. An address can be added to, subtracted
// from and subtracted from another one, and nothing else: GNU as can't do more,
// since to it an address is settled only by a linker.
type value struct {
	n         int64
	addresses int // 0: a plain number; 1: an address; else a sum that means nothing
}

// settled gives the expression's value if it is a plain number that is known
// already, while the source is being read.
func (e *expr) settled() (n int64, ok bool) {
	if e == nil || !e.constant() {
		return 0, false
	}
	v, err := e.eval(&places{})
	return v.n, err == nil
}

func (e *expr) constant() bool {
	switch {
	case e == nil:
		return true
	case e.symbol != nil:
		return e.symbol.settled
	}
	return e.left.constant() && e.right.constant()
}

// label gives the item that an address is before, if it is a label or one
// with a number added or subtracted.
func (e *expr) label(depth int) (item int, ok bool) {
	switch {
	case depth > maxDepth:
		return 0, false
	case e.symbol != nil && e.symbol.value != nil:
		return e.symbol.value.label(depth + 1)
	case e.symbol != nil:
		return e.symbol.item, true
	case e.op == '+' && e.left.constant():
		return e.right.label(depth + 1)
	case (e.op == '+' || e.op == '-') && e.right.constant():
		return e.left.label(depth + 1)
	}
	return 0, false
}

// places is what an expression is worked out with.
type places struct {
	address func(item int) int64
	steps   int // symbols followed so far
}

// maxSteps bounds how many symbols one expression may lead through. Constants
// made of labels that are made of such constants can double it with each line.
const maxSteps = 10_000

func (e *expr) eval(p *places) (value, error) {
	switch {
	case e.symbol != nil:
		return e.symbol.eval(e.name, p)
	case e.op == 0:
		return value{n: e.number}, nil
	}
	left, err := e.left.eval(p)
	if err != nil {
		return value{}, err
	}
	if e.right == nil {
		return operateUnary(e.op, left)
	}
	right, err := e.right.eval(p)
	if err != nil {
		return value{}, err
	}
	return operate(e.op, left, right)
}

func (s *symbol) eval(name string, p *places) (value, error) {
	p.steps++
	switch {
	case s.line == 0:
		return value{}, faultf("%s is not defined", name)
	case s.settled:
		return value{n: s.number}, nil
	case s.value == nil:
		return value{n: p.address(s.item), addresses: 1}, nil
	case s.busy:
		return value{}, faultf("%s is defined by itself", name)
	case p.steps > maxSteps:
		return value{}, faultf("%s leads through more than %d symbols", name, maxSteps)
	}
	s.busy = true
	defer func() { s.busy = false }()
	return s.value.eval(p)
}

func operateUnary(op byte, a value) (value, error) {
	switch {
	case a.addresses != 0:
		return value{}, notOnAddresses(op)
	case op == '~':
		return value{n: ^a.n}, nil
	}
	return operate('-', value{}, a)
}

func notOnAddresses(op byte) error {
	return faultf("an address can't be an operand of %s here: it can only be added to, subtracted from, or subtracted from another", opName(op))
}

func operate(op byte, a, b value) (value, error) {
	n, ok := int64(0), true
	switch op {
	case '+':
		n = a.n + b.n
		ok = (n > a.n) == (b.n > 0)
		return sum(n, ok, a.addresses+b.addresses)
	case '-':
		n = a.n - b.n
		ok = (n < a.n) == (b.n > 0)
		return sum(n, ok, a.addresses-b.addresses)
	}
	if a.addresses != 0 || b.addresses != 0 {
		return value{}, notOnAddresses(op)
	}
	switch op {
	case '*':
		n = a.n * b.n
		ok = a.n == 0 || n/a.n == b.n && !(a.n == -1 && b.n == math.MinInt64)
	case '/', '%':
		if b.n == 0 {
			return value{}, faultf("division by zero")
		}
		if a.n == math.MinInt64 && b.n == -1 {
			return sum(0, false, 0)
		}
		if n = a.n / b.n; op == '%' {
			n = a.n % b.n
		}
	case 'l', 'r':
		if b.n < 0 || b.n > 63 {
			return value{}, faultf("shift by %d: it must be from 0 to 63", b.n)
		}
		if op == 'r' {
			n = int64(uint64(a.n) >> b.n)
		} else {
			n = a.n << b.n
			ok = n>>b.n == a.n
		}
	case '&':
		n = a.n & b.n
	case '|':
		n = a.n | b.n
	case '^':
		n = a.n ^ b.n
	}
	return sum(n, ok, 0)
}

func sum(n int64, ok bool, addresses int) (value, error) {
	if !ok {
		return value{}, faultf("a number here doesn't fit in 64 bits")
	}
	return value{n, addresses}, nil
}

func opName(op byte) string {
	switch op {
	case 'l':
		return "<<"
	case 'r':
		return ">>"
	}
	return string(op)
}
