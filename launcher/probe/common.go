package probe

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
)

// SharedMachineOf asks two binaries for their machine types, at once, and is then
// [SharedMachine]; its error names the binaries.
func SharedMachineOf(ctx context.Context, source, destination, wanted string) (string, error) {
	var sides [2][]Machine
	asking, asked := errgroup.WithContext(ctx)
	for i, path := range []string{source, destination} {
		asking.Go(func() (err error) {
			sides[i], err = Machines(asked, path)
			return err
		})
	}
	if err := asking.Wait(); err != nil {
		return "", err
	}
	machine, err := SharedMachine(sides[0], sides[1], wanted)
	if none, ok := errors.AsType[*NoCommonMachineError](err); ok {
		none.Source, none.Destination = source, destination
	}
	return machine, err
}

// SharedMachine returns the machine type that a guest has to have on both sides:
// what [CommonMachine] says of the type that wanted begins with, and then wanted's
// own options ("q35,smm=off" becomes "pc-q35-7.2,smm=off"). It is never an alias.
// Where there is none, the error is a *NoCommonMachineError.
func SharedMachine(source, destination []Machine, wanted string) (string, error) {
	name, options := splitMachine(wanted)
	machine := CommonMachine(source, destination, name)
	if machine == "" {
		return "", noCommonMachine(source, destination, name)
	}
	if options != "" {
		machine += "," + options
	}
	return machine, nil
}

// CommonMachine returns the machine type that two QEMUs should both be given: wanted
// itself where both have it, else the newest that both have of the same board. Wanted
// is a type, an alias, which may mean another type to each QEMU, or empty for the
// source's default. It returns "" where the QEMUs have none in common.
//
// Which is newest, the numbers in the names say (pc-q35-rhel9.2.0 before
// pc-q35-rhel9.0.0). Where a distribution has given names without a number
// (pc-i440fx-jammy), the destination's type of the same alias, or its default, is
// taken if the source has it, and else the one that the source lists next: a QEMU
// lists its machine types from the newest on, as far as names can be sorted.
func CommonMachine(source, destination []Machine, wanted string) string {
	wanted = withoutRevision(source, destination, wanted)
	if machine := commonMachine(source, destination, wanted); machine != "" || has(source, wanted) {
		return machine
	}
	return commonMachine(destination, source, wanted) // an alias, or a type, of the destination's only
}

// commonMachine is CommonMachine of what the first of two QEMUs means by wanted.
func commonMachine(first, second []Machine, wanted string) string {
	meant := meaning(first, wanted)
	if meant == "" {
		return ""
	}
	both := inBoth(first, second)
	if slices.Contains(both, meant) {
		return meant
	}
	boards := boardsOf(first, second)
	of := boards.parse(meant)
	like := func(same func(n machineName) bool) []machineName {
		var found []machineName
		for _, name := range both {
			if n := boards.parse(name); n.sameBoard(of) && same(n) {
				found = append(found, n)
			}
		}
		return found
	}
	series := like(func(n machineName) bool { return n.numbered() && n.brand == of.brand && n.variant == of.variant })
	if of.numbered() && len(series) > 0 {
		return newest(series)
	}
	for _, name := range counterparts(first, second, meant) {
		if slices.Contains(both, name) {
			return name
		}
	}
	for _, found := range [][]machineName{
		like(func(n machineName) bool { return !of.numbered() && !n.numbered() && n.variant == of.variant }),
		like(func(n machineName) bool { return !of.numbered() && !n.numbered() && n.variant == "" }),
	} {
		if len(found) > 0 {
			return next(first, meant, found)
		}
	}
	for _, found := range [][]machineName{
		like(func(n machineName) bool { return n.numbered() && n.brand == of.brand && n.variant == "" }),
		like(func(n machineName) bool { return n.numbered() && n.variant == "" }),
		like(machineName.numbered),
	} {
		if len(found) > 0 {
			return newest(found)
		}
	}
	if found := like(func(machineName) bool { return true }); len(found) > 0 {
		return found[0].name
	}
	return ""
}

func has(machines []Machine, name string) bool {
	return name == "" || slices.ContainsFunc(machines, func(m Machine) bool { return m.Name == name })
}

// meaning is the machine type that a QEMU makes of a name, "" where it has none.
func meaning(machines []Machine, name string) string {
	for _, m := range machines {
		if m.Name == name || name == "" && m.Default {
			return cmp.Or(m.Alias, m.Name)
		}
	}
	return ""
}

// inBoth are the types that both have, no aliases, in the order of the first.
func inBoth(first, second []Machine) []string {
	var names []string
	for _, m := range first {
		sameType := func(n Machine) bool { return n.Name == m.Name && n.Alias == "" }
		if sameType(m) && slices.ContainsFunc(second, sameType) {
			names = append(names, m.Name)
		}
	}
	return names
}

// counterparts are what the second QEMU means by the names that the first has for a
// machine type: aliases, and being the default.
func counterparts(first, second []Machine, machine string) []string {
	var names []string
	for _, m := range first {
		if m.Alias == machine {
			names = append(names, meaning(second, m.Name))
		}
	}
	if meaning(first, "") == machine {
		names = append(names, meaning(second, ""))
	}
	return names
}

// withoutRevision leaves out what a manager of VMs adds to a name, and neither
// QEMU has (pc-i440fx-9.2+pve1).
func withoutRevision(source, destination []Machine, name string) string {
	plain, _, _ := strings.Cut(name, "+")
	if !has(source, name) && !has(destination, name) && (has(source, plain) || has(destination, plain)) {
		return plain
	}
	return name
}

// A machineName is a machine type's name taken apart: pc-q35-rhel9.2.0 is the board
// pc-q35, the brand rhel and the numbers 9, 2, 0; pc-i440fx-jammy-hpb is the board
// pc-i440fx, no numbers and the variant -hpb.
type machineName struct {
	name, board, brand, variant string
	numbers                     []int
}

func (n machineName) numbered() bool { return n.numbers != nil }

// sameBoard says that two names are of one board. One without (rhel6.5.0) goes by its
// brand.
func (n machineName) sameBoard(other machineName) bool {
	return n.board == other.board && (n.board != "" || n.brand != "" && n.brand == other.brand)
}

// versioned takes a name with numbers apart: the board, the brand, the numbers, a
// revision of the distribution's, and a variant.
var versioned = regexp.MustCompile(`^(?:(.+?)-)?([a-z]*)(\d{1,9}(?:\.\d{1,9})+)(\+[a-z]+)?(\d{1,9})?(-.+)?$`)

// boards are those of which a QEMU has types with numbers, or an alias.
type boards map[string]bool

func boardsOf(sides ...[]Machine) boards {
	b := boards{}
	for _, m := range slices.Concat(sides...) {
		if parts := versioned.FindStringSubmatch(m.Name); parts != nil {
			b[parts[1]] = true
		} else if at := strings.LastIndexByte(m.Alias, '-'); at > 0 {
			b[m.Alias[:at]] = true // virt-jammy is of the board virt
		}
	}
	return b
}

func (b boards) parse(name string) machineName {
	n := machineName{name: name}
	if parts := versioned.FindStringSubmatch(name); parts != nil {
		n.board, n.brand, n.variant = parts[1], parts[2], parts[4]+parts[6]
		for _, number := range append(strings.Split(parts[3], "."), parts[5]) {
			if i, err := strconv.Atoi(number); err == nil {
				n.numbers = append(n.numbers, i)
			}
		}
		return n
	}
	for at := strings.LastIndexByte(name, '-'); at > 0; at = strings.LastIndexByte(name[:at], '-') {
		if b[name[:at]] {
			n.board = name[:at]
			if _, variant, ok := strings.Cut(name[at+1:], "-"); ok {
				n.variant = "-" + variant
			}
			return n
		}
	}
	// Names without numbers only: the board has a dash of its own, as pc-q35 has, or
	// the name would be one board of many (mps2-an385).
	if at := strings.LastIndexByte(name, '-'); at > 0 && strings.Contains(name[:at], "-") {
		n.board = name[:at]
	}
	return n
}

// newest is the name with the highest numbers, the first of those.
func newest(names []machineName) string {
	best := names[0]
	for _, n := range names[1:] {
		if slices.Compare(n.numbers, best.numbers) > 0 {
			best = n
		}
	}
	return best.name
}

// next is the name that follows one in a QEMU's list, or, where none follows, the first.
func next(machines []Machine, name string, among []machineName) string {
	at := slices.IndexFunc(machines, func(m Machine) bool { return m.Name == name })
	for _, m := range slices.Concat(machines[at+1:], machines[:at+1]) {
		if slices.ContainsFunc(among, func(n machineName) bool { return n.name == m.Name }) {
			return m.Name
		}
	}
	return ""
}
