package migration

import (
	"context"

	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration/internal/canary"
	"github.com/drover-vm/drover/migration/internal/pci"
)

// A PCIDevice is a function on a machine's first PCI bus, as query-pci has it.
type PCIDevice struct {
	Slot, Function int
	ID             string `json:"qdev_id"` // the one that it was given, "" for none
	IDs            struct {
		Vendor, Device int
	} `json:"id"`
	Regions []PCIRegion
}

// A PCIRegion is where the firmware has placed a device's registers.
type PCIRegion struct {
	Type    string // io or memory
	BAR     int
	Address int64 // -1 where it has not
	Size    int64
}

// PCIDevices are those on a side's first PCI bus; none where the machine has no PCI.
func (s *Side) PCIDevices(ctx context.Context) ([]PCIDevice, error) {
	var buses []struct{ Devices []PCIDevice }
	err := s.QMP().Execute(ctx, "query-pci", nil, &buses)
	if qmp.NoSuchCommand(err) {
		return nil, nil // a QEMU built without PCI
	}
	if err != nil || len(buses) == 0 {
		return nil, err
	}
	return buses[0].Devices, nil
}

// pciCanaries are those of the source's PCI devices, where configuration space is behind a PC's
// ports.
func (p *Pair) pciCanaries(ctx context.Context) ([]canary.Canary, error) {
	if p.Facts.Arch != "x86_64" && p.Facts.Arch != "i386" {
		return nil, nil
	}
	devices, err := p.Source.PCIDevices(ctx)
	if err != nil {
		return nil, err
	}
	var all []canary.PCIDevice
	for _, d := range devices {
		placed := canary.PCIDevice{Function: pci.Function{Slot: d.Slot, Number: d.Function}, Vendor: d.IDs.Vendor, Device: d.IDs.Device, BARs: map[int]uint64{}}
		for _, r := range d.Regions {
			if r.Address > 0 {
				placed.BARs[r.BAR] = uint64(r.Address)
			}
		}
		all = append(all, placed)
	}
	return canary.PCI(ctx, p.Source.QTest(), all)
}
