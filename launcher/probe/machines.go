package probe

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A Machine is a machine type that a QEMU has.
type Machine struct {
	Name       string `json:"name"`            // as -machine takes it
	Alias      string `json:"alias,omitempty"` // the type that Name stands for, where it is only another name
	Default    bool   `json:"default,omitempty"`
	Deprecated bool   `json:"deprecated,omitempty"`
}

// Machines asks the binary at path for its machine types, in its own order.
func Machines(ctx context.Context, path string) ([]Machine, error) {
	timed, cancel := context.WithTimeout(ctx, timeoutAfterIdentify)
	defer cancel()
	out, errs, err := run(timed, path, "-machine", "help")
	if err != nil {
		return nil, fmt.Errorf("%s -machine help: %w: %s", path, err, lastLine(errs))
	}
	return parseMachines(out), nil
}

var aliasOf = regexp.MustCompile(`\(alias of ([^)]+)\)`)

// parseMachines reads the reply to -machine help: a heading, and in each line
// a name, a description, and remarks in parentheses.
func parseMachines(help string) []Machine {
	var machines []Machine
	for line := range strings.Lines(behind(help, "Supported machines")) {
		name, rest, found := strings.Cut(strings.TrimRight(line, "\n"), " ")
		if !found || name == "" {
			continue
		}
		m := Machine{Name: name, Default: strings.Contains(rest, "(default)"), Deprecated: strings.Contains(rest, "(deprecated)")}
		if alias := aliasOf.FindStringSubmatch(rest); alias != nil {
			m.Alias = alias[1]
		}
		machines = append(machines, m)
	}
	return machines
}

// versioned takes a machine type apart: its family, and the QEMU version that
// it behaves like.
var versioned = regexp.MustCompile(`^(.+)-(\d+)\.(\d+)$`)

// CommonMachine returns the newest versioned machine type that both QEMUs
// have, of the family that wanted names: a versioned type, an alias, or the
// source's default where it is empty. It returns "" where they share none.
func CommonMachine(source, destination []Machine, wanted string) string {
	there := map[string]bool{}
	for _, m := range destination {
		there[m.Name] = true
	}
	for _, m := range source {
		if m.Name == wanted && m.Alias != "" || wanted == "" && m.Default {
			wanted = cmp.Or(m.Alias, m.Name)
			break
		}
	}
	family := versioned.FindStringSubmatch(wanted)
	if family == nil {
		return ""
	}
	newest, name := [2]int{-1, -1}, ""
	for _, m := range source {
		parts := versioned.FindStringSubmatch(m.Name)
		if parts == nil || parts[1] != family[1] || !there[m.Name] {
			continue
		}
		major, _ := strconv.Atoi(parts[2]) // the pattern lets only digits in
		minor, _ := strconv.Atoi(parts[3])
		if cmp.Or(cmp.Compare(major, newest[0]), cmp.Compare(minor, newest[1])) > 0 {
			newest, name = [2]int{major, minor}, m.Name
		}
	}
	return name
}
