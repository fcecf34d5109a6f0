package guest

import (
	"fmt"
	"slices"
)

// VCPU is what a vCPU is called that is plugged: it is no [Device], for which it is only QEMU can
// say.
const VCPU = "vcpu"

func isVCPU(name string) bool { return name == VCPU }

// PluggableNames are the names of what can be plugged into a guest that runs, and has workers that
// watch it from then on.
func PluggableNames() []string {
	names := []string{VCPU}
	for _, d := range Devices() {
		if len(d.Workers) > 0 && d.Backend == nil {
			names = append(names, d.Name)
		}
	}
	return names
}

// roomArgs are the options that QEMU needs for the guest's vCPUs, and for what has no place in a
// machine that was not told of it.
func (s Spec) roomArgs(all []Device) (args []string) {
	switch cpus := max(1, s.CPUs); {
	case slices.Contains(s.Plugged, VCPU):
		most := cpus
		for _, name := range s.Plugged {
			if isVCPU(name) {
				most++
			}
		}
		args = append(args, "-smp", fmt.Sprintf("%d,maxcpus=%d", cpus, most))
	case cpus > 1:
		args = append(args, "-smp", fmt.Sprint(cpus))
	}
	for _, d := range all {
		args = append(args, d.Room...)
	}
	return args
}

// later are the workers that start when what they watch was plugged. A worker that has something
// to watch before looks for the rest no more.
func later(devices, plugged []Device) (names []string, err error) {
	before := Workers(devices)
	for _, d := range plugged {
		for _, w := range d.Workers {
			if slices.Contains(before, w) || slices.Contains(names, w) {
				return nil, fmt.Errorf("guest: %s can't be plugged: its worker %s watches another device already", d.Name, w)
			}
			names = append(names, w)
		}
	}
	return names, nil
}
