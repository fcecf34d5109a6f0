package guest

import (
	"path/filepath"
	"strings"

	"github.com/drover-vm/drover/guest/peer"
)

// What the guest's network device is: guest/init has the same address of it.
const netMAC = "52:54:00:d7:01:01"

// netDevice is a network device behind whose cable is a host of ours, the same for both sides:
// see package peer. The args have the device itself, on the netdev guest-net.
func netDevice(name, doc string, modules []string, args ...string) Device {
	socket := func(r *Resources) string { return filepath.Join(r.Dir, "guest-net.sock") }
	return Device{
		Name: name, Doc: doc, Modules: modules, Workers: []string{"net"}, Since: "7.2",
		Prepare: func(r *Resources) error {
			p, err := peer.Listen(socket(r), [4]byte{10, 77, 0, 1})
			if err == nil {
				r.CleanUp = append(r.CleanUp, p.Close)
			}
			return err
		},
		Args: func(r *Resources) []string {
			return append([]string{
				"-netdev", "stream,id=guest-net,server=off,addr.type=unix,addr.path=" + strings.ReplaceAll(socket(r), ",", ",,"),
			}, args...)
		},
	}
}
