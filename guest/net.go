package guest

import (
	"path/filepath"

	"github.com/drover-vm/drover/guest/peer"
)

// What the guest's network device is: guest/init has the same address of it.
const netMAC = "52:54:00:d7:01:01"

// netDevice is a network device behind whose cable is a host of ours, the same for both sides:
// see package peer. It is on the netdev of that id, without a ROM to boot from, which QEMU would
// need a file for. A guest can have one of them.
func netDevice(id, name, doc string, modules ...string) Device {
	socket := func(r *Resources) string { return filepath.Join(r.Dir, id+".sock") }
	return Device{
		Name: name, Doc: doc + ", and a host that echoes what it sends", Modules: modules, Workers: []string{"net"}, Since: "7.2", Netdev: id,
		Prepare: func(r *Resources) error {
			p, err := peer.Listen(socket(r), [4]byte{10, 77, 0, 1})
			if err == nil {
				r.CleanUp = append(r.CleanUp, p.Close)
			}
			return err
		},
		Args: func(r *Resources) []string {
			device := name + ",netdev=" + id + ",mac=" + netMAC
			if onPCI(r.Target) {
				device += ",romfile="
			}
			return []string{
				"-netdev", "stream,id=" + id + ",server=off,addr.type=unix,addr.path=" + escaped(socket(r)),
				"-device", device,
			}
		},
	}
}

// filtering is a network device whose driver has it let in frames to further addresses, and not all
// then.
func filtering(d Device) Device {
	d.Workers = append(d.Workers, "address")
	return d
}
