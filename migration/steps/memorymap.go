package steps

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// What is at which address: registers of devices decide that, and are at addresses themselves.
func memoryMapVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name:    "expect equal-memory-map",
			Doc:     "What vCPUs and devices see at each address, RAM, ROM or a device's registers, is the same on both sides (info mtree -f), where both QEMUs are of one version, else it is left out; the guest must not have run yet on the destination.",
			Example: "expect equal-memory-map", Step: do(ExpectEqualMemoryMap),
		},
		{
			Name: "write register", Args: "ADDRESS VALUE",
			Doc:     "Writes 32 bits to a guest's address, as a vCPU would to a device's register there.",
			Example: "write register 0x4000000 0x700070", Sides: migration.OnSource,
			Step: func(a *migration.Args) migration.Step {
				return WriteRegister(a.Side(), numberOf(a, "the address", 64), uint32(numberOf(a, "the value", 32)))
			},
		},
		{
			Name: "await register", Args: "ADDRESS VALUE [WHAT]",
			Doc:     "Waits until a vCPU would read that from a guest's address, 32 bits, which a failure calls so.",
			Example: "await register 0xfebc0008 0x80080783", Sides: migration.OnDestination,
			Step: func(a *migration.Args) migration.Step {
				return AwaitRegister(a.Side(), numberOf(a, "the address", 64), uint32(numberOf(a, "the value", 32)), registerName(a))
			},
		},
		{
			Name: "expect register", Args: "ADDRESS VALUE [WHAT]",
			Doc:     "What a vCPU would read from a guest's address, 32 bits, which a failure calls so.",
			Example: "expect register 0x4000000 0x800080", Sides: migration.OnDestination,
			Step: func(a *migration.Args) migration.Step {
				return ExpectRegister(a.Side(), numberOf(a, "the address", 64), uint32(numberOf(a, "the value", 32)), registerName(a))
			},
		},
	}
}

// ExpectEqualMemoryMap holds the memory maps of both sides against each other, where the
// guest has not run yet on the destination. Two different QEMUs are left out, for they may
// name and place regions differently. Registers of devices decide what is in them,
// and no field of any device has them, so they are made anew from what has been loaded.
func ExpectEqualMemoryMap() migration.Step {
	return onArrival("expect equal-memory-map", func(ctx context.Context, p *migration.Pair) error {
		if p.Source.Facts.Version != p.Destination.Facts.Version {
			return nil
		}
		source, destination, err := ofBoth(ctx, p, memoryMap)
		if err != nil {
			return err
		}
		p.Measure("address spaces held against the source's", float64(len(source)), "spaces", record.AtLeast(1))
		return differentMaps(source, destination)
	})
}

func memoryMap(ctx context.Context, s *migration.Side) (memorySpaces, error) {
	text, err := qapi.HumanMonitor(ctx, s.QMP(), "info mtree -f")
	return parseMemoryMap(text), err
}

// memorySpaces are what is at which addresses, a line each, of all address spaces. Several
// may have one name, such as those of devices of one kind.
type memorySpaces map[string][][]string

// parseMemoryMap reads what the human monitor prints for "info mtree -f". Address spaces that
// have the same in them are printed together, and in no particular order.
func parseMemoryMap(text string) memorySpaces {
	spaces := memorySpaces{}
	var names, lines []string
	add := func() {
		for _, name := range names {
			spaces[name] = append(spaces[name], lines)
		}
		names, lines = nil, nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		name, isSpace := strings.CutPrefix(line, "AS ")
		switch {
		case strings.HasPrefix(line, "FlatView #"):
			add()
		case isSpace:
			names = append(names, name)
		case line != "":
			lines = append(lines, line)
		}
	}
	add()
	for _, all := range spaces {
		slices.SortFunc(all, slices.Compare)
	}
	return spaces
}

// differentMaps returns what one side has at an address that the other has not.
func differentMaps(source, destination memorySpaces) error {
	for _, name := range slices.Sorted(maps.Keys(source)) {
		for i, lines := range source[name] {
			if i >= len(destination[name]) {
				return fmt.Errorf("the source has an address space %s, and the destination has none", name)
			}
			has := destination[name][i]
			for n := range max(len(lines), len(has)) {
				if one, other := lineOf(lines, n), lineOf(has, n); one != other {
					return fmt.Errorf("in the address space %s the source has %s where the destination has %s", name, one, other)
				}
			}
		}
	}
	return nil
}

func lineOf(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "nothing"
}

// numberOf is one of so many bits, in decimal or, behind 0x, in hexadecimal.
func numberOf(a *migration.Args, what string, bits int) uint64 {
	word := a.Word(what)
	n, err := strconv.ParseUint(word, 0, bits)
	if err != nil && word != "" {
		a.Fail("%q is no number of %d bits", word, bits)
	}
	return n
}

// WriteRegister writes a value to a guest's address.
func WriteRegister(on string, address uint64, value uint32) migration.Step {
	return step("write register", func(ctx context.Context, p *migration.Pair) error {
		return each(p, on, func(s *migration.Side) error { return s.QTest().Writel(ctx, address, value) })
	})
}

// registerName is what a failure calls a register.
func registerName(a *migration.Args) string {
	if a.More() {
		return a.Word("what it is, in quotes")
	}
	return "the register"
}

// AwaitRegister waits until a value is read from a guest's address, which a failure calls what.
func AwaitRegister(on string, address uint64, value uint32, what string) migration.Step {
	return step("await register", func(ctx context.Context, p *migration.Pair) error {
		return each(p, on, func(s *migration.Side) error {
			found := uint32(0)
			err := migration.Poll(ctx, fmt.Sprintf("%s at %#x to be %#x", what, address, value), func() (bool, error) {
				is, err := s.QTest().Readl(ctx, address)
				if err == nil {
					found = is
				}
				return found == value, err
			})
			if err != nil {
				err = fmt.Errorf("%w; on the %s it is %#x", err, s.Name(), found)
			}
			return err
		})
	})
}

// ExpectRegister demands that a value is read from a guest's address, which a failure calls what.
func ExpectRegister(on string, address uint64, value uint32, what string) migration.Step {
	return step("expect register", func(ctx context.Context, p *migration.Pair) error {
		return each(p, on, func(s *migration.Side) error {
			found, err := s.QTest().Readl(ctx, address)
			if err == nil && found != value {
				err = fmt.Errorf("%s at %#x holds %#x on the %s, expected %#x", what, address, found, s.Name(), value)
			}
			return err
		})
	})
}
