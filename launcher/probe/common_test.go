package probe_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/launcher/probe"
)

// machines reads a list of types as a QEMU has them: "pc=pc-i440fx-7.2" is an alias,
// "pc-i440fx-7.2*" the default.
func machines(list string) (all []probe.Machine) {
	for name := range strings.FieldsSeq(list) {
		name, alias, _ := strings.Cut(name, "=")
		plain := strings.TrimSuffix(name, "*")
		all = append(all, probe.Machine{Name: plain, Alias: alias, Default: plain != name})
	}
	return all
}

// Lists of machine types as distributions' QEMUs have them, shortened.
const (
	debian72  = "microvm pc=pc-i440fx-7.2 pc-i440fx-7.2* pc-i440fx-7.1 pc-i440fx-6.2 pc-i440fx-5.2 pc-i440fx-2.9 pc-i440fx-2.12 q35=pc-q35-7.2 pc-q35-7.2 pc-q35-6.2 pc-q35-4.0.1 pc-q35-4.0 isapc none x-remote"
	debian100 = "microvm pc-i440fx-9.2 pc-i440fx-8.2 pc-i440fx-7.2 pc-i440fx-6.2 pc-i440fx-5.2 pc=pc-i440fx-10.0 pc-i440fx-10.0* pc-q35-9.2 pc-q35-8.2 pc-q35-7.2 pc-q35-6.2 q35=pc-q35-10.0 pc-q35-10.0 isapc none x-remote"
	newOnly   = "pc=pc-i440fx-12.0 pc-i440fx-12.0* pc-i440fx-11.2 q35=pc-q35-12.0 pc-q35-12.0 isapc none"

	rhel80 = "pc=pc-i440fx-rhel7.6.0 pc-i440fx-rhel7.6.0* pc-i440fx-rhel7.5.0 q35=pc-q35-rhel8.0.0 pc-q35-rhel8.0.0 pc-q35-rhel7.6.0 none"
	rhel92 = "pc=pc-i440fx-rhel7.6.0 pc-i440fx-rhel7.6.0* q35=pc-q35-rhel9.2.0 pc-q35-rhel9.2.0 pc-q35-rhel9.0.0 pc-q35-rhel7.6.0 none"
	rhel94 = "pc=pc-i440fx-rhel7.6.0 pc-i440fx-rhel7.6.0* q35=pc-q35-rhel9.4.0 pc-q35-rhel9.4.0 pc-q35-rhel9.2.0 pc-q35-rhel9.0.0 none"
	rhel10 = "q35=pc-q35-rhel10.0.0 pc-q35-rhel10.0.0* pc-q35-rhel9.6.0 pc-q35-rhel9.4.0 none"
	rhel6  = "pc=rhel6.6.0 rhel6.6.0* rhel6.5.0 rhel6.4.0"

	jammy = "microvm pc-i440fx-zesty pc-i440fx-xenial ubuntu=pc-i440fx-jammy pc-i440fx-jammy-hpb pc-i440fx-jammy* pc-i440fx-impish pc-i440fx-focal-hpb pc-i440fx-focal pc=pc-i440fx-6.2 pc-i440fx-6.2 pc-i440fx-5.2 " +
		"pc-q35-zesty ubuntu-q35=pc-q35-jammy pc-q35-jammy-hpb pc-q35-jammy pc-q35-focal q35=pc-q35-6.2 pc-q35-6.2-hpb pc-q35-6.2 none"
	noble = "microvm pc-i440fx-zesty pc-i440fx-xenial ubuntu=pc-i440fx-noble pc-i440fx-noble-hpb pc-i440fx-noble* pc-i440fx-mantic pc-i440fx-jammy-hpb pc-i440fx-jammy pc-i440fx-focal-hpb pc-i440fx-focal pc=pc-i440fx-8.2 pc-i440fx-8.2 pc-i440fx-7.2 pc-i440fx-6.2 " +
		"pc-q35-zesty ubuntu-q35=pc-q35-noble pc-q35-noble-hpb pc-q35-noble pc-q35-mantic pc-q35-jammy-hpb pc-q35-jammy pc-q35-focal q35=pc-q35-8.2 pc-q35-8.2 pc-q35-6.2-hpb pc-q35-6.2 none"
	// namesOnly has no type with a number.
	namesOnly = "ubuntu=pc-i440fx-noble pc-i440fx-noble* pc-i440fx-mantic pc-i440fx-jammy pc-q35-noble pc-q35-mantic pc-q35-jammy"
	oldNames  = "ubuntu=pc-i440fx-kinetic pc-i440fx-kinetic* pc-i440fx-jammy pc-q35-kinetic pc-q35-jammy"

	pve91  = "pc=pc-i440fx-9.2+pve1 pc-i440fx-9.2+pve1* pc-i440fx-9.2+pve0 pc-i440fx-9.1+pve0 pc-q35-9.2+pve1"
	pve90  = "pc=pc-i440fx-9.2+pve0 pc-i440fx-9.2+pve0* pc-i440fx-9.1+pve0 pc-q35-9.1+pve2 pc-q35-9.2+pve1"
	power  = "pseries-2.12 pseries-2.12-sxxm pseries-7.1 pseries=pseries-7.2 pseries-7.2* powernv=powernv9 powernv9 powernv8 none"
	power9 = "pseries-7.1 pseries-8.2 pseries=pseries-9.0 pseries-9.0* powernv=powernv10 powernv10 powernv9 none"
	arm82  = "mps2-an385 mps2-an386 virt-7.2 virt-8.1 virt=virt-8.2 virt-8.2 xlnx-zcu102 none"
	arm10  = "mps2-an386 virt-8.2 virt-9.0 virt=virt-10.0 virt-10.0 none"
	armU24 = "mps2-an386 virt-jammy ubuntu=virt-noble virt-noble virt-8.2 none"
	armU22 = "mps2-an385 ubuntu=virt-jammy virt-jammy virt-6.2 none"
	s390   = "s390-ccw-virtio-rhel9.2.0 s390-ccw-virtio=s390-ccw-virtio-rhel9.4.0 s390-ccw-virtio-rhel9.4.0* none"
	s390u  = "s390-ccw-virtio=s390-ccw-virtio-noble s390-ccw-virtio-noble* s390-ccw-virtio-jammy s390-ccw-virtio-6.2"
	s390o  = "s390-ccw-virtio=s390-ccw-virtio-jammy s390-ccw-virtio-jammy* s390-ccw-virtio-6.2"
)

var pairs = []struct {
	name                string
	source, destination string
	wanted, right       string // "" = there is none
}{
	{"default, from old to new", debian72, debian100, "", "pc-i440fx-7.2"},
	{"default, from new to old", debian100, debian72, "", "pc-i440fx-7.2"},
	{"alias, from new to old", debian100, debian72, "q35", "pc-q35-7.2"},
	{"alias, from old to new", debian72, debian100, "pc", "pc-i440fx-7.2"},
	{"named, and both have it", debian72, debian100, "pc-i440fx-5.2", "pc-i440fx-5.2"},
	{"named, and the destination hasn't it", debian100, debian72, "pc-i440fx-9.2", "pc-i440fx-7.2"},
	{"named, and the source hasn't it", debian72, debian100, "pc-q35-9.2", "pc-q35-7.2"},
	{"numbers are compared as numbers", debian72, "pc-i440fx-2.9 pc-i440fx-2.12", "", "pc-i440fx-2.12"},
	{"three numbers", "q35=pc-q35-4.1 pc-q35-4.1 pc-q35-4.0.1 pc-q35-4.0", "pc-q35-4.0 pc-q35-4.0.1", "q35", "pc-q35-4.0.1"},
	{"without a number, named", debian72, debian100, "microvm", "microvm"},
	{"without a number, named, and the destination hasn't it", debian72, newOnly, "microvm", ""},
	{"nothing in common", debian72, newOnly, "", ""},
	{"nothing in common by an alias", debian72, newOnly, "q35", ""},
	{"unknown to both", debian72, debian100, "nonsense", ""},
	{"unknown to both, of a known board", debian72, debian100, "pc-i440fx-99.9", ""},
	{"no default", arm82, arm10, "", ""},

	{"Red Hat, default", rhel94, rhel92, "", "pc-i440fx-rhel7.6.0"},
	{"Red Hat, pc", rhel94, rhel92, "pc", "pc-i440fx-rhel7.6.0"},
	{"Red Hat, q35, from new to old", rhel94, rhel92, "q35", "pc-q35-rhel9.2.0"},
	{"Red Hat, q35, from old to new", rhel92, rhel94, "q35", "pc-q35-rhel9.2.0"},
	{"Red Hat, q35, far apart", rhel92, rhel80, "q35", "pc-q35-rhel7.6.0"},
	{"Red Hat, 10 is above 9", rhel10, "q35=pc-q35-rhel10.2.0 pc-q35-rhel10.2.0 pc-q35-rhel10.0.0 pc-q35-rhel9.6.0", "q35", "pc-q35-rhel10.0.0"},
	{"Red Hat, another default", rhel10, rhel94, "", "pc-q35-rhel9.4.0"},
	{"Red Hat, named", rhel94, rhel92, "pc-q35-rhel9.0.0", "pc-q35-rhel9.0.0"},
	{"Red Hat, named, and the destination hasn't it", rhel94, rhel92, "pc-q35-rhel9.4.0", "pc-q35-rhel9.2.0"},
	{"Red Hat, no board in the name", rhel6, "pc=rhel6.5.0 rhel6.5.0* rhel6.4.0", "", "rhel6.5.0"},
	{"Red Hat and Debian", rhel92, debian72, "", ""},
	{"Red Hat, s390x", s390, "s390-ccw-virtio=s390-ccw-virtio-rhel9.2.0 s390-ccw-virtio-rhel9.2.0*", "", "s390-ccw-virtio-rhel9.2.0"},

	{"Ubuntu, default, from old to new", jammy, noble, "", "pc-i440fx-jammy"},
	{"Ubuntu, default, from new to old", noble, jammy, "", "pc-i440fx-jammy"},
	{"Ubuntu, alias, from old to new", jammy, noble, "ubuntu", "pc-i440fx-jammy"},
	{"Ubuntu, alias, from new to old", noble, jammy, "ubuntu", "pc-i440fx-jammy"},
	{"Ubuntu, alias of q35", noble, jammy, "ubuntu-q35", "pc-q35-jammy"},
	{"Ubuntu, QEMU's own alias", noble, jammy, "q35", "pc-q35-6.2"},
	{"Ubuntu, named, and both have it", noble, jammy, "pc-q35-focal", "pc-q35-focal"},
	{"Ubuntu, named, and the destination hasn't it", noble, jammy, "pc-q35-noble", "pc-q35-jammy"},
	{"Ubuntu, named, and the source hasn't it", jammy, noble, "pc-i440fx-noble", "pc-i440fx-jammy"},
	{"Ubuntu, a variant of a name", noble, jammy, "pc-i440fx-noble-hpb", "pc-i440fx-jammy-hpb"},
	{"Ubuntu, a variant of a number", noble, jammy, "pc-q35-6.2-hpb", "pc-q35-6.2-hpb"},
	{"Ubuntu and Debian", noble, debian72, "", "pc-i440fx-7.2"},
	{"Debian and Ubuntu", debian72, noble, "", "pc-i440fx-7.2"},
	{"Debian and Ubuntu, an alias of the destination's only", debian72, noble, "ubuntu", "pc-i440fx-7.2"},
	{"Ubuntu, in the order of the list", noble, "pc-i440fx-zesty pc-i440fx-focal pc-i440fx-jammy pc-i440fx-xenial", "", "pc-i440fx-jammy"},
	{"Ubuntu, names only", namesOnly, oldNames, "", "pc-i440fx-jammy"},
	{"Ubuntu, names only, named", namesOnly, oldNames, "pc-q35-noble", "pc-q35-jammy"},
	{"Ubuntu, arm", armU24, armU22, "ubuntu", "virt-jammy"},
	{"Ubuntu, s390x", s390u, s390o, "", "s390-ccw-virtio-jammy"},

	{"Proxmox, the same", pve91, pve91, "", "pc-i440fx-9.2+pve1"},
	{"Proxmox, the newest revision of both", pve91, pve90, "", "pc-i440fx-9.2+pve0"},
	{"Proxmox, a revision that only the manager knows", debian100, debian72, "pc-i440fx-7.2+pve1", "pc-i440fx-7.2"},

	{"pseries, default", power9, power, "", "pseries-7.1"},
	{"pseries, a variant, named", power, power, "pseries-2.12-sxxm", "pseries-2.12-sxxm"},
	{"pseries, a variant that the destination hasn't", power, power9, "pseries-2.12-sxxm", "pseries-7.1"},
	{"powernv, another to each", power9, power, "powernv", "powernv9"},
	{"virt, from old to new", arm82, arm10, "virt", "virt-8.2"},
	{"virt, from new to old", arm10, arm82, "virt", "virt-8.2"},
	{"virt, named", arm10, arm82, "virt-8.2", "virt-8.2"},
	{"one board is no other", arm82, arm10, "mps2-an385", ""},
}

func TestCommonMachineIsTheNewestThatBothHave(t *testing.T) {
	for _, c := range pairs {
		t.Run(c.name, func(t *testing.T) {
			source, destination := machines(c.source), machines(c.destination)
			require.Equal(t, c.right, probe.CommonMachine(source, destination, c.wanted))

			shared, err := probe.SharedMachine(source, destination, c.wanted)
			require.Equal(t, c.right, shared)
			if c.right == "" {
				require.ErrorAs(t, err, new(*probe.NoCommonMachineError))
				return
			}
			require.NoError(t, err)
			for _, side := range [][]probe.Machine{source, destination} {
				require.Contains(t, names(side), shared)
			}
		})
	}
}

// names are the types, without aliases, which may mean another type to each QEMU.
func names(side []probe.Machine) (names []string) {
	for _, m := range side {
		if m.Alias == "" {
			names = append(names, m.Name)
		}
	}
	return names
}

// TestWhicheverSideAGuestMovesTo the machine type is one that both have: no list here
// yields an alias, or a type that one of them has not.
func TestWhicheverSideAGuestMovesTo(t *testing.T) {
	all := []string{debian72, debian100, newOnly, rhel80, rhel92, rhel94, rhel10, rhel6, jammy, noble, namesOnly, oldNames, pve91, pve90, power, power9, arm82, arm10, armU24, armU22, s390, s390u, s390o}
	for _, source := range all {
		for _, destination := range all {
			from, to := machines(source), machines(destination)
			wanted := []string{""}
			for _, m := range append(machines(source), to...) {
				wanted = append(wanted, m.Name)
			}
			for _, w := range wanted {
				if got := probe.CommonMachine(from, to, w); got != "" {
					require.Contains(t, names(from), got, "%q", w)
					require.Contains(t, names(to), got, "%q", w)
				}
			}
		}
	}
}

func TestOptionsOfAMachineAreKept(t *testing.T) {
	source, destination := machines(debian100), machines(debian72)
	for wanted, right := range map[string]string{
		"q35,smm=off":                   "pc-q35-7.2,smm=off",
		"type=q35,smm=off":              "pc-q35-7.2,smm=off",
		"usb=off,type=pc":               "pc-i440fx-7.2,usb=off",
		"smm=off":                       "pc-i440fx-7.2,smm=off",
		"pc,memory-backend=a,,b,usb=on": "pc-i440fx-7.2,memory-backend=a,,b,usb=on",
	} {
		shared, err := probe.SharedMachine(source, destination, wanted)
		require.NoError(t, err)
		require.Equal(t, right, shared)
	}
}

func TestLackOfACommonMachineSaysTheWayOut(t *testing.T) {
	for _, c := range []struct{ source, destination, wanted, sentence string }{
		{rhel92, debian72, "", "the source's QEMU and the destination's have no machine type in common: take another QEMU for one of the sides"},
		{debian72, newOnly, "q35", "the source's QEMU and the destination's have no machine type in common for q35; both have isapc: name one with -machine"},
		{arm82, arm10, "", "the source's QEMU has no default machine type; both have mps2-an386, virt-8.2: name one with -machine"},
		{debian72, debian100, "pc-i440-7.2", "neither the source's QEMU nor the destination's has a machine type pc-i440-7.2; did you mean pc-i440fx-7.2, pc-i440fx-6.2, pc-i440fx-5.2?"},
		{debian72, debian100, "zzzzzzzz", "neither the source's QEMU nor the destination's has a machine type zzzzzzzz: take another QEMU for one of the sides"},
	} {
		_, err := probe.SharedMachine(machines(c.source), machines(c.destination), c.wanted)
		require.EqualError(t, err, c.sentence)
	}
}

func TestMachineOptionIsTakenOutOfArguments(t *testing.T) {
	for _, c := range []struct {
		args, machine, rest string
	}{
		{"", "", ""},
		{"-smp 2", "", "-smp 2"},
		{"-machine q35 -smp 2", "q35", "-smp 2"},
		{"-M q35", "q35", ""},
		{"--machine q35", "q35", ""},
		{"-machine q35,smm=off", "q35", "-machine smm=off"},
		{"-machine type=q35,smm=off", "q35", "-machine smm=off"},
		{"-machine usb=off,type=q35", "q35", "-machine usb=off"},
		{"-machine memory-backend=m", "", "-machine memory-backend=m"},
		{"-machine pc -M q35 -device x", "q35", "-device x"},
		{"-device a -machine", "", "-device a -machine"},
		{"-device machine,type=a", "", "-device machine,type=a"},
	} {
		machine, rest := probe.MachineOption(strings.Fields(c.args))
		require.Equal(t, c.machine, machine, c.args)
		require.Equal(t, c.rest, strings.Join(rest, " "), c.args)
	}
}

// withMachines makes a program that lists machine types as a QEMU does.
func withMachines(t *testing.T, list string) string {
	t.Helper()
	help := "Supported machines are:\n"
	for _, m := range machines(list) {
		switch {
		case m.Alias != "":
			help += fmt.Sprintf("%-20s a PC (alias of %s)\n", m.Name, m.Alias)
		case m.Default:
			help += fmt.Sprintf("%-20s a PC (default)\n", m.Name)
		default:
			help += fmt.Sprintf("%-20s a PC\n", m.Name)
		}
	}
	path := filepath.Join(t.TempDir(), "qemu-kvm")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, "#!/bin/sh\n[ \"$*\" = '-machine help' ] && printf '%%s' '%s'\n", help), 0o755))
	return path
}

func TestBinariesAreAskedForTheirMachines(t *testing.T) {
	source, destination := withMachines(t, rhel94), withMachines(t, rhel92)
	machine, err := probe.SharedMachineOf(t.Context(), source, destination, "q35,smm=off")
	require.NoError(t, err)
	require.Equal(t, "pc-q35-rhel9.2.0,smm=off", machine)

	_, err = probe.SharedMachineOf(t.Context(), source, withMachines(t, debian72), "q35")
	var none *probe.NoCommonMachineError
	require.ErrorAs(t, err, &none)
	require.Equal(t, source, none.Source)
	require.ErrorContains(t, err, source+" and ")

	_, err = probe.SharedMachineOf(t.Context(), source, filepath.Join(t.TempDir(), "nothing"), "q35")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NotErrorAs(t, err, &none)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = probe.SharedMachineOf(ended, source, destination, "")
	require.ErrorIs(t, err, context.Canceled)
}
