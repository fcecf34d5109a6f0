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
