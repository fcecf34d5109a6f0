package qtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// InterceptIn has QEMU report every change of a device's unnamed interrupt
// inputs, as entries of the session's log. The path is a QOM path, such as
// "/machine/unattached/device[4]" or, where only one object has that name, "ioapic".
//
// A QEMU process watches one device, for good: for a second one the error is
// an *Error. Options.Machine.Properties is needed.
func (s *Session) InterceptIn(ctx context.Context, path string) error {
	return s.intercept(ctx, "irq_intercept_in", path)
}

// InterceptOut is [Session.InterceptIn] for the device's unnamed outputs, which
// no longer reach what they were connected to.
func (s *Session) InterceptOut(ctx context.Context, path string) error {
	return s.intercept(ctx, "irq_intercept_out", path)
}

// maxIRQ is how many lines the server has room for. It writes behind its table
// where a device has more.
const maxIRQ = 256

func (s *Session) intercept(ctx context.Context, command, path string, name ...string) error {
	list, err := s.device(ctx, command, path)
	if err != nil {
		return err
	}
	if n := longest(list); n > maxIRQ {
		return &ArgumentError{command, "path", path, fmt.Sprintf("has %d lines, and the server has room for %d", n, maxIRQ)}
	}
	_, err = s.one(ctx, wantNothing, words(command, append([]string{path}, name...)...))
	return err
}

// ErrNoNamedOutputs says that this QEMU's server doesn't know named outputs.
var ErrNoNamedOutputs = errors.New("this QEMU can't watch named outputs; 8.2 and newer can")

// InterceptOutNamed is [Session.InterceptOut] for a named list of outputs, such
// as "sysbus-irq". Older servers would overlook the name and watch the unnamed
// outputs: there the error wraps [ErrNoNamedOutputs], and the device's inputs are
// watched from then on, which is what it takes to tell the two apart.
func (s *Session) InterceptOutNamed(ctx context.Context, path, name string) error {
	const in, out = "irq_intercept_in", "irq_intercept_out"
	if err := checkWord(out, "name", name); err != nil {
		return err
	}
	// Servers that know names refuse them for inputs, before anything else
	// that depends on the device.
	err := s.intercept(ctx, in, path, name)
	if refused, ok := errors.AsType[*Error](err); ok && strings.Contains(refused.Text, "named") {
		return s.intercept(ctx, out, path, name)
	} else if err != nil && !(ok && strings.Contains(refused.Text, "already")) {
		return err
	}
	return fmt.Errorf("qtest: %s %s %s: %w", out, path, name, ErrNoNamedOutputs)
}

// UnnamedInputs is the name of a device's list of inputs that has none.
const UnnamedInputs = "unnamed-gpio-in"

// SetIRQIn sets one of a device's interrupt inputs to a level, where 0 is low.
// The list is its name or [UnnamedInputs]. Options.Machine.Properties is needed.
func (s *Session) SetIRQIn(ctx context.Context, path, list string, line int, level int32) error {
	const command = "set_irq_in"
	if err := checkWord(command, "list", list); err != nil {
		return err
	}
	properties, err := s.device(ctx, command, path)
	if err != nil {
		return err
	}
	if n := inputs(properties, list); line < 0 || line >= n {
		return &ArgumentError{
			command, "line", strconv.Itoa(line),
			fmt.Sprintf("is none of the %d inputs in the list %s of %s: QEMU would abort", n, list, path),
		}
	}
	q := words(command, path, list)
	q.n = 4
	q.args[2].number = uint64(line)
	q.args[3] = arg{number: uint64(int64(level)), signed: true}
	_, err = s.one(ctx, wantNothing, q)
	return err
}

// ModuleLoad has QEMU load one of its own modules, such as "hw-display-" and
// "qxl". The error is an *Error where there is none that was not loaded already.
func (s *Session) ModuleLoad(ctx context.Context, prefix, name string) error {
	const command = "module_load"
	for _, w := range [][2]string{{"prefix", prefix}, {"name", name}} {
		if err := checkWord(command, w[0], w[1]); err != nil {
			return err
		}
		if strings.Contains(w[1], "/") {
			return &ArgumentError{command, w[0], w[1], "has a slash: a module is named, not reached by a path"}
		}
	}
	_, err := s.one(ctx, wantNothing, words(command, prefix, name))
	return err
}

// maxRTAS is how many words an RTAS call takes and gives back, as PAPR has it.
const maxRTAS = 16

// RTAS calls a function of a pseries machine's firmware, such as
// "get-time-of-day". The nargs arguments are 32-bit big-endian words at the
// guest-physical address args; the nret results will be at ret, the first of
// them the call's status. What is returned is what the hypervisor answered: 0, or negative
// where there is no such function. Options.Machine.Properties is needed.
func (s *Session) RTAS(ctx context.Context, name string, nargs int, args uint64, nret int, ret uint64) (int64, error) {
	const command = "rtas"
	if err := checkWord(command, "name", name); err != nil {
		return 0, err
	}
	for _, a := range []struct {
		argument string
		n        int
		addr     uint64
	}{{"nargs", nargs, args}, {"nret", nret, ret}} {
		if a.n < 0 || a.n > maxRTAS {
			return 0, &ArgumentError{command, a.argument, strconv.Itoa(a.n), fmt.Sprintf("is not from 0 to %d", maxRTAS)}
		}
		if err := checkRange(command, a.addr, uint64(a.n)*4); err != nil {
			return 0, err
		}
	}
	const machine = "/machine"
	list, err := s.properties(ctx, command, machine)
	if err != nil {
		return 0, err
	}
	if !hasProperty(list, "resize-hpt") {
		return 0, &ArgumentError{command, "machine", machine, "is no pseries: only that has RTAS"}
	}
	q := words(command, name)
	q.n = 5
	q.args[1].number, q.args[2].number = uint64(nargs), args
	q.args[3].number, q.args[4].number = uint64(nret), ret
	v, err := s.one(ctx, wantNumber, q)
	return int64(v), err
}
