package probe

import (
	"context"
	"fmt"
	"regexp"
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

// MachineOption takes the machine type out of QEMU arguments (-machine or -M),
// which override any before them: machine is the last one's, "" where
// none names a type, and rest is args without the types. Other options of a machine
// stay where they are.
func MachineOption(args []string) (machine string, rest []string) {
	for i := 0; i < len(args); i++ {
		option := strings.TrimPrefix(args[i], "-")
		if i+1 == len(args) || option != "-machine" && option != "-M" && args[i] != "-machine" && args[i] != "-M" {
			rest = append(rest, args[i])
			continue
		}
		i++
		named, others := splitMachine(args[i])
		if named != "" {
			machine = named
		}
		if others != "" {
			rest = append(rest, args[i-1], others)
		}
	}
	return machine, rest
}

// splitMachine takes the value of -machine apart: the type, which is first or is
// called so, and the options. A comma inside a value is written twice.
func splitMachine(value string) (machine, options string) {
	var others []string
	for i, option := range splitOptions(value) {
		key, named, assigned := strings.Cut(option, "=")
		switch {
		case !assigned && i == 0:
			machine = option
		case assigned && key == "type":
			machine = named
		default:
			others = append(others, option)
		}
	}
	return machine, strings.Join(others, ",")
}

// splitOptions cuts at single commas.
func splitOptions(value string) []string {
	var options []string
	start := 0
	for i := 0; i < len(value); i++ {
		switch {
		case value[i] != ',':
		case i+1 < len(value) && value[i+1] == ',':
			i++
		default:
			options, start = append(options, value[start:i]), i+1
		}
	}
	return append(options, value[start:])
}
