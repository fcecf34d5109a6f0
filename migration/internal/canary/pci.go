package canary

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/drover-vm/drover/protocol/qtest"

	"github.com/drover-vm/drover/migration/internal/pci"
)

// A PCIDevice is a function on a PC's first PCI bus.
type PCIDevice struct {
	pci.Function
	Vendor, Device int
	// BARs are where the firmware has placed its registers, by number: ports or memory.
	BARs map[int]uint64
}

// Capabilities: those by which a device interrupts, and of a virtio device where its registers are.
const idMSI, idVendor, idMSIX = 0x05, 0x09, 0x11

// commonConfig is what a virtio device's registers of that kind have in their capability's fourth
// byte (Virtual I/O Device 1.1, 4.1.4).
const commonConfig = 1

// PCI returns the canaries of those devices of a machine that it knows, in their registers and
// in the capabilities by which they interrupt. They have to be planted before those of PC, for
// which the address register is one. Of several devices of a kind the first has them: others may
// share its registers, as displays do a VGA's.
func PCI(ctx context.Context, q *qtest.Session, devices []PCIDevice) (all []Canary, err error) {
	for _, d := range devices {
		all = append(all, d.registers()...)
		others, err := d.capabilities(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, others...)
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(c Canary) bool {
		twice := seen[c.Device]
		seen[c.Device] = true
		return twice
	}), nil
}

// capabilities are the canaries of its MSI and MSI-X, and of a virtio device's queues.
func (d PCIDevice) capabilities(ctx context.Context, q *qtest.Session) (all []Canary, err error) {
	capabilities, err := d.Capabilities(ctx, q)
	if err != nil {
		return nil, err
	}
	for _, c := range capabilities {
		var found []Canary
		switch c.ID {
		case idMSI:
			found = d.msi(c)
		case idMSIX:
			found, err = d.msix(ctx, q, c)
		case idVendor:
			found, err = d.queues(ctx, q, c)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func (d PCIDevice) msi(c pci.Capability) []Canary {
	data := c.At + 8
	if const64 := uint32(1 << 23); c.Head&const64 != 0 {
		data = c.At + 12
	}
	return []Canary{d.word("message data of MSI", data, 0x4321, 0xffff)}
}

func (d PCIDevice) msix(ctx context.Context, q *qtest.Session, c pci.Capability) ([]Canary, error) {
	// Where the table and the pending bits are: how far into which BAR.
	table, err := d.Read(ctx, q, c.At+4)
	if err != nil {
		return nil, err
	}
	bits, err := d.Read(ctx, q, c.At+8)
	if err != nil {
		return nil, err
	}
	all := []Canary{d.word("function mask of MSI-X", c.At+2, 0x4000, 0xc000)}
	_, raises := d.BARs[0]
	if base, placed := d.BARs[int(bits&7)]; placed && raises && d.kind() == "the e1000e" {
		all = []Canary{d.word("enabled and masked MSI-X", c.At+2, 0xc000, 0xc000), d.pending(base + uint64(bits&^7))}
	}
	if base, placed := d.BARs[int(table&7)]; placed {
		all = append(all, d.vectors(base+uint64(table&^7), uint64(c.Head>>16&0x7ff))...)
	}
	return all, nil
}

// queues are the canaries in what a virtio device has of its first queue, where the capability is
// that of these registers.
func (d PCIDevice) queues(ctx context.Context, q *qtest.Session, c pci.Capability) ([]Canary, error) {
	if c.Head>>24 != commonConfig || !strings.HasPrefix(d.kind(), "the virtio ") {
		return nil, nil
	}
	bar, err := d.Read(ctx, q, c.At+4)
	if err != nil {
		return nil, err
	}
	offset, err := d.Read(ctx, q, c.At+8)
	if err != nil {
		return nil, err
	}
	base, placed := d.BARs[int(bar&0xff)]
	if !placed {
		return nil, nil
	}
	return d.firstQueue(base + uint64(offset)), nil
}

// pending is a canary in an interrupt that an e1000e, whose MSI-X is enabled and masked as a
// whole, could not send: it is told to raise that of its first receive queue, which has vector 0.
func (d PCIDevice) pending(bits uint64) Canary {
	const (
		raise, enable, vectors = 0xc8, 0xd0, 0xe4 // ICS, IMS, IVAR
		ofFirstQueue           = 1 << 20
		firstHasVector0        = 1 << 3
	)
	at := func(offset uint64) cell { return register(d.BARs[0] + offset) }
	return Canary{
		Device: d.name() + "'s pending MSI-X interrupts",
		plant:  []write{{at(vectors), firstHasVector0}, {at(enable), ofFirstQueue}, {at(raise), ofFirstQueue}},
		cell:   register(bits), mask: 0x1f, Value: 1,
	}
}

// firstQueue are the canaries in a virtio device's first queue, which has no place in memory: nothing
// is in it.
func (d PCIDevice) firstQueue(config uint64) []Canary {
	at := func(offset uint64, size int) cell { return cell{memory: true, address: config + offset, size: size} }
	choice, enabled, descriptors := at(0x16, 2), at(0x1c, 2), at(0x20, 4)
	return []Canary{
		behind(d.name()+"'s enable register of the first queue", choice, 0, enabled, 1),
		behind(d.name()+"'s address of the first queue's descriptors", choice, 0, descriptors, 0x06a90000),
	}
}

// word is a canary in 16 bits of its configuration space.
func (d PCIDevice) word(what string, offset, value, mask uint32) Canary {
	address := port(pci.Address, 4)
	choose := write{address, d.Chooses(offset)}
	cell := port(uint16(pci.Data+offset&3), 2)
	return Canary{Device: d.name() + "'s " + what, plant: []write{choose, {cell, value}}, ask: []write{choose}, keep: &address, cell: cell, Value: value, mask: mask}
}

// vectors are the canaries in MSI-X's table: the first entry is masked, the second is not, and the last
// one is again. QEMU keeps the bits beside the mask as well.
func (d PCIDevice) vectors(table, last uint64) []Canary {
	entry := func(what string, vector, offset uint64, value uint32) Canary {
		return at(fmt.Sprintf("%s's MSI-X %s of vector %d", d.name(), what, vector), cell{memory: true, address: table + 16*vector + offset}, value)
	}
	all := []Canary{entry("address", 0, 0, 0xfee0100c), entry("data", 0, 8, 0x4155), entry("mask", 0, 12, 0x5a5a0001)}
	if last > 0 {
		all = append(all, entry("address", 1, 0, 0xfee0200c), entry("data", 1, 8, 0x4266), entry("mask", 1, 12, 0xa5a50000))
	}
	if last > 1 {
		all = append(all, entry("data", last, 8, 0x4377), entry("mask", last, 12, 0xc3c30001))
	}
	return all
}

// A kind is a type of device, by its vendor and its own number.
type kind struct{ vendor, device int }

func kinds() map[kind]string {
	return map[kind]string{
		{0x8086, 0x100e}: "the e1000", {0x10ec, 0x8139}: "the rtl8139", {0x8086, 0x2922}: "the AHCI controller",
		{0x8086, 0x7020}: "the UHCI controller", {0x1234, 0x1111}: "the VGA", {0x1af4, 0x1003}: "the virtio console",
		{0x1af4, 0x1043}: "the virtio console", {0x1af4, 0x1000}: "the virtio NIC", {0x1af4, 0x1041}: "the virtio NIC",
		{0x8086, 0x10d3}: "the e1000e", {0x8086, 0x7010}: "the IDE controller",
	}
}

// kind is which of those it is; empty for none.
func (d PCIDevice) kind() string { return kinds()[kind{d.Vendor, d.Device}] }

// name is unlike that of another device of the machine.
func (d PCIDevice) name() string {
	name := d.kind()
	if name == "" {
		name = fmt.Sprintf("the PCI device %04x:%04x", d.Vendor, d.Device)
	}
	return fmt.Sprintf("%s in slot %d.%d", name, d.Slot, d.Number)
}

// registers are the canaries in what its BARs lead to.
func (d PCIDevice) registers() []Canary {
	memory := func(bar int, what string, offset uint64, value uint32) []Canary {
		base, placed := d.BARs[bar]
		if !placed {
			return nil
		}
		return []Canary{at(d.name()+"'s "+what, cell{memory: true, address: base + offset}, value)}
	}
	ports := func(bar int, what string, offset uint16, size int, value uint32) []Canary {
		base, placed := d.BARs[bar]
		if !placed || base > 0xffff {
			return nil
		}
		return []Canary{at(d.name()+"'s "+what, port(uint16(base)+offset, size), value)}
	}
	var all []Canary
	switch d.kind() {
	case "the e1000":
		all = append(all, memory(0, "second address filter", 0x5408, 0x11223344)...)
		all = append(all, memory(0, "upper half of the second address filter", 0x540c, 0x80005566)...)
		all = append(all, memory(0, "multicast filter", 0x520c, 0xc3a50f81)...)
		all = append(all, memory(0, "VLAN filter", 0x5614, 0x5ac3f018)...)
		all = append(all, memory(0, "base of its receive queue", 0x2800, 0x06a10000)...)
		all = append(all, memory(0, "length of its receive queue", 0x2808, 0x1000)...)
		all = append(all, memory(0, "base of its send queue", 0x3800, 0x06a20000)...)
	case "the rtl8139":
		all = append(all, ports(0, "multicast filter", 0x08, 4, 0xa55a3cc3)...)
		all = append(all, ports(0, "second half of the multicast filter", 0x0c, 4, 0x1f2e3d4c)...)
		all = append(all, ports(0, "address of the first packet to send", 0x20, 4, 0x06a30000)...)
	case "the AHCI controller":
		for _, number := range []uint64{0, 3} {
			base := 0x100 + 0x80*number
			name := map[uint64]string{0: "port 0", 3: "port 3"}[number]
			all = append(all, memory(5, "command list of "+name, base, 0x06a40400+uint32(number)<<16)...)
			all = append(all, memory(5, "received FIS of "+name, base+8, 0x06a50800+uint32(number)<<16)...)
			all = append(all, memory(5, "interrupts of "+name, base+0x14, 0x5)...)
		}
	case "the IDE controller":
		all = append(all, ports(4, "descriptors of the first channel", 0x04, 4, 0x06a70000)...)
		all = append(all, ports(4, "descriptors of the second channel", 0x0c, 4, 0x06a80000)...)
	case "the UHCI controller":
		all = append(all, ports(4, "frame list", 0x08, 4, 0x06a60000)...)
		all = append(all, ports(4, "start of frame", 0x0c, 1, 0x33)...)
	case "the VGA":
		all = append(all, vga()...)
	}
	return all
}

// vga are the canaries in the registers that a VGA has behind an index.
func vga() []Canary {
	readIndex, writeIndex, color := port(0x3c7, 1), port(0x3c8, 1), port(0x3c9, 1)
	palette := func(device string, n uint32, red, green, blue uint32) Canary {
		return Canary{
			Device: device, plant: []write{{writeIndex, n}, {color, red}, {color, green}, {color, blue}},
			ask: []write{{readIndex, n}}, cell: color, Value: red,
		}
	}
	crtc, crtcData := port(0x3d4, 1), port(0x3d5, 1)
	graphics, graphicsData := port(0x3ce, 1), port(0x3cf, 1)
	display, displayData := port(0x1ce, 2), port(0x1cf, 2)
	return []Canary{
		palette("the VGA's palette, entry 7", 7, 0x15, 0x2a, 0x3f),
		palette("the VGA's palette, entry 200", 200, 0x2b, 0x16, 0x0d),
		behind("the VGA's cursor location", crtc, 0x0e, crtcData, 0x5a),
		behind("the VGA's start address", crtc, 0x0c, crtcData, 0x35),
		behind("the VGA's bit mask", graphics, 8, graphicsData, 0xa7),
		behind("the VGA's VBE width", display, 1, displayData, 0x320),
		behind("the VGA's VBE bank", display, 5, displayData, 0x3),
	}
}
