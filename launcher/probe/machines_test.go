package probe

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const helpOf72 = `Supported machines are:
microvm              microvm (i386)
pc                   Standard PC (i440FX + PIIX, 1996) (alias of pc-i440fx-7.2)
pc-i440fx-7.2        Standard PC (i440FX + PIIX, 1996) (default)
pc-i440fx-5.2        Standard PC (i440FX + PIIX, 1996)
pc-i440fx-2.9        Standard PC (i440FX + PIIX, 1996)
pc-i440fx-2.12       Standard PC (i440FX + PIIX, 1996)
q35                  Standard PC (Q35 + ICH9, 2009) (alias of pc-q35-7.2)
pc-q35-7.2           Standard PC (Q35 + ICH9, 2009)
pc-1.3               Standard PC (i440FX + PIIX, 1996) (deprecated)
none                 empty machine
`

func TestMachinesAreReadWithTheirRemarks(t *testing.T) {
	machines := parseMachines(helpOf72)
	require.Len(t, machines, 10)
	require.Equal(t, Machine{Name: "pc", Alias: "pc-i440fx-7.2"}, machines[1])
	require.Equal(t, Machine{Name: "pc-i440fx-7.2", Default: true}, machines[2])
	require.Equal(t, Machine{Name: "pc-1.3", Deprecated: true}, machines[8])
	require.Equal(t, Machine{Name: "none"}, machines[9])
}

func TestCommonMachineIsTheNewestThatBothHave(t *testing.T) {
	source := parseMachines(helpOf72)
	others := func(names ...string) (machines []Machine) {
		for _, n := range names {
			machines = append(machines, Machine{Name: n})
		}
		return machines
	}
	for _, c := range []struct {
		wanted      string
		destination []Machine
		want        string
	}{
		{"", others("pc-i440fx-10.0", "pc-i440fx-7.2", "pc-i440fx-5.2"), "pc-i440fx-7.2"},
		{"", others("pc-i440fx-2.9", "pc-i440fx-2.12"), "pc-i440fx-2.12"},
		{"pc", others("pc-i440fx-5.2"), "pc-i440fx-5.2"},
		{"q35", others("pc-i440fx-7.2", "pc-q35-7.2"), "pc-q35-7.2"},
		{"pc-i440fx-7.2", others("pc-i440fx-5.2"), "pc-i440fx-5.2"},
		{"", others("pc-i440fx-10.0"), ""},
		{"microvm", others("microvm"), ""},
	} {
		require.Equal(t, c.want, CommonMachine(source, c.destination, c.wanted), "%q", c.wanted)
	}
}
