package qtest

import (
	"context"
	"fmt"
	"strings"
)

// A Property is one member of a QOM object, as QMP's qom-list describes it.
type Property struct {
	Name string `json:"name"` // such as "unnamed-gpio-in[3]"
	Type string `json:"type"` // such as "child<irq>"
}

// A Machine answers what the qtest protocol can't be asked, so that a session
// knows beforehand what QEMU would abort on. A QMP session answers both
// questions in a line each.
type Machine struct {
	// Properties lists the members of the object at a QOM path, as qom-list
	// does. Where it is nil, requests that name a device, and RTAS, are refused.
	Properties func(ctx context.Context, path string) ([]Property, error)

	// HasCPU reports whether the machine has a CPU (query-cpus-fast is not empty): on
	// one without, such as -machine none, any access to memory ends QEMU with a
	// segmentation fault. It is asked once, before the first access. Where it is
	// nil, the machine is taken to have one.
	HasCPU func(ctx context.Context) (bool, error)
}

// checkCPU refuses access to memory where there is no CPU through which QEMU
// could see it.
func (s *Session) checkCPU(ctx context.Context, command string) error {
	if s.o.Machine.HasCPU == nil || s.cpu.Load() {
		return nil
	}
	has, err := s.o.Machine.HasCPU(ctx)
	if err != nil {
		return fmt.Errorf("qtest: %s: asking whether the machine has a CPU: %w", command, err)
	}
	if !has {
		return &ArgumentError{command, "machine", "without a CPU", "QEMU reaches memory through the first CPU and would crash; start it with -cpu or another -machine"}
	}
	s.cpu.Store(true)
	return nil
}

func (s *Session) properties(ctx context.Context, command, path string) ([]Property, error) {
	if err := checkWord(command, "path", path); err != nil {
		return nil, err
	}
	if s.o.Machine.Properties == nil {
		return nil, &ArgumentError{
			command, "path", path,
			"can't be checked, and QEMU aborts where it names no device; set Options.Machine.Properties to what QMP's qom-list answers",
		}
	}
	list, err := s.o.Machine.Properties(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("qtest: %s: listing the properties of %s: %w", command, path, err)
	}
	return list, nil
}

// device returns the properties of the object at path, which is a device.
func (s *Session) device(ctx context.Context, command, path string) ([]Property, error) {
	list, err := s.properties(ctx, command, path)
	if err != nil || hasProperty(list, "hotpluggable") { // every device has it, and nothing else
		return list, err
	}
	return nil, &ArgumentError{command, "path", path, "is an object, but no device: QEMU would abort"}
}

func hasProperty(list []Property, name string) bool {
	for _, p := range list {
		if p.Name == name {
			return true
		}
	}
	return false
}

// inputs counts the lines of a device's list of interrupt inputs.
func inputs(list []Property, name string) int {
	n := 0
	for _, p := range list {
		if before, _, ok := strings.Cut(p.Name, "["); ok && before == name && p.Type == "child<irq>" {
			n++
		}
	}
	return n
}

// longest counts the lines of the longest list that a device has, in either direction.
func longest(list []Property) int {
	count := map[string]int{}
	most := 0
	for _, p := range list {
		name, _, ok := strings.Cut(p.Name, "[")
		if ok && (p.Type == "child<irq>" || p.Type == "link<irq>") {
			count[name]++
			most = max(most, count[name])
		}
	}
	return most
}
