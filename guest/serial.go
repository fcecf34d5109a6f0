package guest

import (
	"path/filepath"
	"slices"

	"github.com/drover-vm/drover/guest/peer"
)

// echoPort is the name of the virtio-serial port that echoes.
const echoPort = "drover.echo"

// echoing has what comes to a socket be sent back.
func echoing(socket func(r *Resources) string) func(r *Resources) error {
	return func(r *Resources) error {
		e, err := peer.ListenEcho(socket(r))
		if err == nil {
			r.CleanUp = append(r.CleanUp, e.Close)
		}
		return err
	}
}

// serialDevice is a virtio-serial port, on a controller of its own, at whose other end what comes
// is sent back: each side's QEMU has its own connection.
func serialDevice() Device {
	socket := func(r *Resources) string { return filepath.Join(r.Dir, "guest-echo.sock") }
	return Device{
		Name: "virtserialport", Doc: "a serial port that echoes", Modules: []string{"virtio_pci", "virtio_console"}, Workers: []string{"serial"},
		Prepare: echoing(socket),
		Args: func(r *Resources) []string {
			return []string{
				"-chardev", "socket,id=guest-echo,path=" + escaped(socket(r)),
				"-device", "virtio-serial,id=guest-echo-bus", "-device", "virtserialport,bus=guest-echo-bus.0,chardev=guest-echo,name=" + echoPort,
			}
		},
	}
}

// movingHostsDevice are two virtio-serial ports. Of one only the source's QEMU is connected at its
// other end, and of the other the destination's; whose isn't listens, and nobody comes.
func movingHostsDevice() Device {
	socket := func(r *Resources) string { return filepath.Join(r.Dir, "guest-hosts.sock") }
	return Device{
		Name: "virtserialport-hosts", Doc: "a serial port at whose other end nobody is any more where the guest has moved, and one at which somebody is only then",
		Modules: []string{"virtio_pci", "virtio_console"}, Workers: []string{"hosts"},
		Prepare: echoing(socket),
		Args: func(r *Resources) []string {
			args := []string{"-device", "virtio-serial,id=guest-hosts-bus"}
			for i, name := range []string{"leaving", "coming"} {
				chardev := "guest-host-" + name
				backend := "server=on,wait=off,path=" + escaped(filepath.Join(r.Dir, chardev+"."+r.Owner))
				if slices.Index(r.Owners, r.Owner) == i {
					backend = "path=" + escaped(socket(r))
				}
				args = append(args, "-chardev", "socket,id="+chardev+","+backend,
					"-device", "virtserialport,bus=guest-hosts-bus.0,chardev="+chardev+",name=drover."+name)
			}
			return args
		},
	}
}
