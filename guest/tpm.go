package guest

import (
	"path/filepath"
	"slices"
)

// A Backend is a program behind a device, of which each QEMU has one of its own: it runs as long
// as that QEMU does, and listens on a socket, for which {socket} stands in its arguments.
type Backend struct {
	Name   string // a word
	Binary string // what it is called in PATH
	Args   []string
	Socket string // a path
	Folder string // for its files, empty when it starts
}

// Backends are the programs that one side's QEMU needs for the devices, which are prepared.
func (r *Resources) Backends(devices []Device) (all []Backend) {
	for _, d := range devices {
		if d.Backend != nil {
			all = append(all, d.Backend(r))
		}
	}
	return all
}

// OnTarget says whether a target has the device.
func (d Device) OnTarget(target string) bool {
	return len(d.Targets) == 0 || slices.Contains(d.Targets, target)
}

// tpmDevice is a TPM 2.0, which swtpm emulates: QEMU takes its state from there, and sends it with
// the guest to another.
func tpmDevice() Device {
	base := func(r *Resources) string { return filepath.Join(r.Dir, "guest-tpm."+r.Owner) }
	socket := func(r *Resources) string { return base(r) + ".sock" }
	return Device{
		Name: "tpm", Doc: "a TPM 2.0", Workers: []string{"tpm"},
		// A target uses that of its device, and is without the others.
		Modules: []string{"tpm_crb", "tpm_tis", "tpm_ibmvtpm"},
		Targets: []string{"x86_64", "aarch64", "ppc64"},
		Args: func(r *Resources) []string {
			device := "tpm-crb"
			switch r.Target {
			case "aarch64":
				device = "tpm-tis-device"
			case "ppc64":
				device = "tpm-spapr"
			}
			return []string{
				"-chardev", "socket,id=guest-tpm-emulator,path=" + escaped(socket(r)),
				"-tpmdev", "emulator,id=guest-tpm,chardev=guest-tpm-emulator",
				"-device", device + ",id=guest-tpm-device,tpmdev=guest-tpm",
			}
		},
		Backend: func(r *Resources) Backend {
			return Backend{
				Name: "swtpm", Binary: "swtpm", Socket: socket(r), Folder: base(r),
				Args: []string{"socket", "--tpm2", "--ctrl", "type=unixio,{socket}", "--tpmstate", "dir=" + base(r)},
			}
		},
	}
}
