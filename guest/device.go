package guest

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// A Device is something that a Linux guest can have: how QEMU is told, what the kernel needs
// for it, and which of the guest's workers then have something to watch.
type Device struct {
	Name    string
	Doc     string   // a sentence
	Modules []string // of the kernel: those that they need come by themselves
	Workers []string // that watch it
	Since   string   // the release of QEMU that has what Args say, such as "7.2"; empty for any
	Netdev  string   // the id of the netdev that QEMU connects by itself after it has started; empty for none
	Node    string   // the block node whose contents each QEMU has of its own; empty for none
	Input   Input    // what can be done with it; empty for what is no input device
	Room    []string // options that a machine needs that is to have room for the device; nil for none
	Targets []string // of QEMU that have it; nil for all that there is a guest for
	// Backend is the program that one side's QEMU connects to for the device, which can't be
	// plugged then; nil for none.
	Backend func(r *Resources) Backend
	// Prepare makes what both sides share, before the first QEMU starts; nil for nothing.
	Prepare func(r *Resources) error
	// Args are the options for one side's QEMU, the same on both but for what they name. They
	// are asked for before Prepare is called, too.
	Args func(r *Resources) []string
}

// Resources are what a run's devices share between both sides.
type Resources struct {
	Dir string // a private folder of the run's, which is removed when it ends
	// Owners are names of the QEMUs that the guest moves between, and Owner is that of the one
	// whose args are asked for, for what each has of its own.
	Owners []string
	Owner  string
	Target string // of QEMU
	// CleanUp are called when the run ends, the last first.
	CleanUp []func()
}

// PortName is the name of the virtio-serial port that the guest talks through, and PortChardev
// the id of what is at its other end.
const (
	PortName    = "drover.0"
	PortChardev = "drover-port"
)

// Balloon is the id of the device virtio-balloon, which can be asked for the guest's memory.
const Balloon = "guest-balloon"

// GPU is the id of the device virtio-gpu, whose picture can be asked of QEMU.
const GPU = "guest-gpu"

// VNC is what the sockets begin with, in the run's folder, at which each side's VNC server listens, where
// there is one.
const VNC = "guest-vnc"

// Serial is the device that the guest talks through: each has it, unless it is to use the
// console.
const Serial = "virtio-serial"

// Devices is the table of what there is. A device that is added here can be named in a
// scenario ("guest linux with NAME").
func Devices() []Device {
	return append([]Device{
		{
			Name: Serial, Doc: "the port that the guest talks through", Modules: []string{"virtio_pci", "virtio_console"},
			Args: plain("-device", "virtio-serial", "-device", "virtserialport,chardev="+PortChardev+",name="+PortName),
		},
		{
			Name: "virtio-rng", Doc: "random numbers", Modules: []string{"virtio_pci", "virtio_rng"}, Workers: []string{"rng"},
			Args: plain("-object", "rng-builtin,id=guest-rng", "-device", "virtio-rng,id=guest-rng-device,rng=guest-rng"),
		},
		{
			Name: "virtio-balloon", Doc: "a balloon", Modules: []string{"virtio_pci", "virtio_balloon"},
			Args: plain("-device", "virtio-balloon,id="+Balloon),
		},
		{
			Name: "virtio-iommu", Doc: "an IOMMU, which the guest has translate what its other devices ask for", Modules: []string{"virtio_pci", "virtio_iommu"},
			Since: "7.0", Targets: []string{"x86_64", "aarch64"}, Args: plain("-device", "virtio-iommu-pci,id=guest-iommu"),
		},

		diskDevice("virtio-blk", "a disk", []string{"virtio_pci", "virtio_blk"}, "-device", "virtio-blk,drive=guest-virtio-blk,serial="+serialOf("virtio-blk")),
		diskDevice("virtio-scsi", "a SCSI disk, behind its controller", []string{"virtio_pci", "virtio_scsi", "sd_mod"},
			"-device", "virtio-scsi,id=guest-scsi", "-device", "scsi-hd,bus=guest-scsi.0,drive=guest-virtio-scsi,serial="+serialOf("virtio-scsi")),
		diskDevice("nvme", "an NVMe disk", []string{"nvme"}, "-device", "nvme,drive=guest-nvme,serial="+serialOf("nvme")),

		localDiskDevice("virtio-blk-local", "a disk whose image each side has its own of", []string{"virtio_pci", "virtio_blk"},
			"-device", "virtio-blk,drive=guest-virtio-blk-local,serial="+serialOf("virtio-blk-local")),

		diskDevice("ahci", "a SATA disk, behind its controller", []string{"ahci", "sd_mod"},
			"-device", "ich9-ahci,id=guest-sata", "-device", "ide-hd,bus=guest-sata.0,drive=guest-ahci,serial="+serialOf("ahci")),
		onlyPC(diskDevice("ide", "a disk on a PC's second IDE channel", []string{"ata_piix", "sd_mod"},
			"-device", "ide-hd,bus=ide.1,drive=guest-ide,serial="+serialOf("ide"))),
		onlyPC(scsiDisk("lsi53c895a", "an old SCSI controller", "sym53c8xx")),
		onlyPC(scsiDisk("pvscsi", "a SCSI controller of VMware's", "vmw_pvscsi")),
		onlyPC(scsiDisk("megasas", "a RAID controller", "megaraid_sas")),
		usbDisk(),

		filtering(netDevice("guest-net", "virtio-net", "a network device", "virtio_pci", "virtio_net")),
		filtering(netDevice("guest-e1000e", "e1000e", "a network device of Intel's", "e1000e")),
		filtering(netDevice("guest-e1000", "e1000", "an older network device of Intel's", "e1000")),
		since("8.0", filtering(onlyPC(netDevice("guest-igb", "igb", "a newer network device of Intel's", "igb")))),
		onlyPC(netDevice("guest-vmxnet3", "vmxnet3", "a network device of VMware's", "vmxnet3")),
		onlyPC(netDevice("guest-rtl8139", "rtl8139", "an old network device of Realtek's", "8139cp")),

		serialDevice(),
		movingHostsDevice(),

		tpmDevice(),

		// The guest drives these itself: not every kernel has a driver.
		{Name: "VGA", Doc: "a display", Workers: []string{"display"}, Args: plain("-device", "VGA,id=guest-display")},
		{
			Name: "virtio-gpu", Doc: "a GPU, which shows frame after frame", Modules: []string{"virtio_pci", "virtio_gpu"}, Workers: []string{"gpu"},
			Args: plain("-device", "virtio-gpu,id="+GPU+",xres=640,yres=480"),
		},
		{
			Name: "vnc", Doc: "a VNC server that shows what its display does",
			Args: func(r *Resources) []string {
				return []string{"-vnc", "unix:" + escaped(filepath.Join(r.Dir, VNC+"."+r.Owner))}
			},
		},
		{
			Name: "i6300esb", Doc: "a watchdog, which the guest feeds", Workers: []string{"watchdog"}, Since: "6.0",
			Args: plain("-action", "watchdog=none", "-device", "i6300esb,id=guest-watchdog"),
		},
		{
			Name: "pc-dimm", Doc: "a DIMM of 128 MiB", Workers: []string{"dimm"}, Room: []string{"-m", "slots=1,maxmem=1G"},
			Args: plain("-object", "memory-backend-ram,id=guest-dimm-ram,size=128M", "-device", "pc-dimm,id=guest-dimm,memdev=guest-dimm-ram"),
		},
	}, inputDevices()...)
}

// plain are options that depend on nothing.
func plain(args ...string) func(*Resources) []string {
	return func(*Resources) []string { return args }
}

// onlyPC is a device that a PC has a driver for, or a bus.
func onlyPC(d Device) Device {
	d.Targets = []string{"x86_64"}
	return d
}

// since is a device that QEMU has since a release.
func since(release string, d Device) Device {
	d.Since = release
	return d
}

// DeviceNames are the names of all.
func DeviceNames() (names []string) {
	for _, d := range Devices() {
		names = append(names, d.Name)
	}
	return names
}

// DeviceOf returns the device of that name.
func DeviceOf(name string) (Device, error) {
	all := Devices()
	i := slices.IndexFunc(all, func(d Device) bool { return d.Name == name })
	if i < 0 {
		return Device{}, fmt.Errorf("guest: no device is called %q: there is %s", name, strings.Join(DeviceNames(), ", "))
	}
	return all[i], nil
}

// always are the workers that every guest has.
var always = []string{"memory", "clock", "cpu", "vcpus", "flags", "interrupts", "log"}

// Workers are those that a guest with these devices has: every guest's, and the devices'.
func Workers(devices []Device) []string {
	names := slices.Clone(always)
	for _, d := range devices {
		for _, w := range d.Workers {
			if !slices.Contains(names, w) {
				names = append(names, w)
			}
		}
	}
	return names
}
