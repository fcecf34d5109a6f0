package guest

import (
	"slices"
	"strings"
)

// ModelArgs are options that give a machine what QEMU sends of the devices and vCPUs that the guest
// begins with, with nothing behind them: for a QEMU that is asked what its machine is made of, and
// runs no such guest. They need no preparation. A device that needs a program behind it (Backend)
// is left out.
func (s Spec) ModelArgs() ([]string, error) {
	s.Plugged = nil
	devices, _, err := s.devicesOf()
	if err != nil {
		return nil, err
	}
	return append(modelArgs(devices, &Resources{Target: s.Arch}), s.roomArgs(nil)...), nil
}

func modelArgs(devices []Device, r *Resources) (args []string) {
	for _, d := range devices {
		if d.Backend != nil { // it can't be there without
			continue
		}
		for pair := range slices.Chunk(slices.Concat(d.Room, d.Args(r)), 2) {
			switch pair[0] {
			case "-netdev", "-chardev":
				continue
			case "-drive", "-blockdev":
				pair = []string{"-blockdev", "driver=null-co,size=16M,node-name=" + idOf(pair[1])}
			case "-device":
				pair = []string{"-device", withoutBackend(pair[1])}
			}
			args = append(args, pair...)
		}
	}
	return args
}

// idOf is the id, or the name of the block node, that an option gives to what it makes.
func idOf(option string) string {
	for word := range strings.SplitSeq(option, ",") {
		name, value, _ := strings.Cut(word, "=")
		if name == "id" || name == "node-name" {
			return value
		}
	}
	return ""
}

// withoutBackend is a device without what it is connected to.
func withoutBackend(option string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(option, ","), func(word string) bool {
		return strings.HasPrefix(word, "netdev=") || strings.HasPrefix(word, "chardev=")
	}), ",")
}
