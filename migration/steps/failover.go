package steps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/pci"
)

// A virtio NIC that stands by for a primary device, which is unplugged for a migration.
func failoverVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "negotiate failover", Doc: "Does what a driver does of the virtio NIC with the id standby on the source: it accepts that it stands by for another device, which QEMU then plugs, and must announce.",
			Example: "negotiate failover", Step: do(NegotiateFailover),
		},
		{
			Name: "await unplug", Doc: "Waits until the source announces that the primary device is to be unplugged and that its migration waits for it (wait-unplug), and unplugs it as a guest does.",
			Example: "await unplug", Step: do(AwaitUnplug),
		},
		{
			Name: "await replug", Doc: "Waits until the primary device is in its slot again on the source, as after a migration that was cancelled or has failed.",
			Example: "await replug", Step: do(AwaitReplug),
		},
	}
}

// Ids of the devices: the NIC that stands by, the one that it stands by for, and the root port
// that this is behind.
const (
	standbyNIC  = "standby"
	primaryNIC  = "primary"
	primaryPort = "root1"
)

// NegotiateFailover accepts the feature VIRTIO_NET_F_STANDBY, by the common configuration of a
// virtio device (virtio 1.0, 4.1.4.3).
func NegotiateFailover() migration.Step {
	return migration.Step{Name: "negotiate failover", Wants: []string{"boot"}, Do: func(ctx context.Context, p *migration.Pair) error {
		const (
			commonBAR                                        = 4
			driverFeatureSelect, driverFeature, deviceStatus = 0x08, 0x0c, 0x14
			version1, standby                                = 1 << 0, 1 << 30 // of the upper half
			acknowledge, driver, featuresOK                  = 1, 2, 8
		)
		base, err := memoryOf(ctx, p.Source, standbyNIC, commonBAR)
		if err != nil {
			return err
		}
		q, since := p.Source.QTest(), p.Source.QMP().Mark()
		if err := errors.Join(q.Writeb(ctx, base+deviceStatus, 0), q.Writeb(ctx, base+deviceStatus, acknowledge|driver),
			q.Writel(ctx, base+driverFeatureSelect, 1), q.Writel(ctx, base+driverFeature, version1|standby),
			q.Writeb(ctx, base+deviceStatus, acknowledge|driver|featuresOK)); err != nil {
			return err
		}
		event, err := p.Source.AwaitFrom(ctx, since, "FAILOVER_NEGOTIATED", migration.Named("FAILOVER_NEGOTIATED"))
		if err != nil {
			return err
		}
		if err := namesDevice(event.Data, standbyNIC); err != nil {
			return err
		}
		return setPower(ctx, p.Source, true) // for the device that was plugged
	}}
}

// AwaitUnplug unplugs the primary device when it is asked for: it switches the power of its slot
// off (PCI Express, 7.8.10).
func AwaitUnplug() migration.Step {
	return onMigration("await unplug", func(ctx context.Context, p *migration.Pair) error {
		event, err := p.Source.Await(ctx, "UNPLUG_PRIMARY", migration.Named("UNPLUG_PRIMARY"))
		if err != nil {
			return err
		}
		if err := namesDevice(event.Data, primaryNIC); err != nil {
			return err
		}
		if _, err := p.Source.AwaitStatus(ctx, "wait-unplug"); err != nil {
			return err
		}
		return setPower(ctx, p.Source, false)
	})
}

// AwaitReplug waits until the primary device is in its slot again: the presence that the guest
// reads, for QEMU announces it to nobody else.
func AwaitReplug() migration.Step {
	return onMigration("await replug", func(ctx context.Context, p *migration.Pair) error {
		return migration.Poll(ctx, "the primary device to be in its slot again", func() (bool, error) { return isPlugged(ctx, p.Source) })
	})
}

// namesDevice demands that an event is about that device.
func namesDevice(data []byte, id string) error {
	var event struct {
		ID string `json:"device-id"`
	}
	if err := json.Unmarshal(data, &event); err != nil || event.ID != id {
		return fmt.Errorf("the event is about the device %q, expected %s: %w", event.ID, id, err)
	}
	return nil
}

// A slot's registers in a PCI Express capability (PCI Express, 7.8.10 and 7.8.11).
const (
	idExpress = 0x10

	slotControl  = 0x18
	powerOff     = 1 << 10
	indicatorOn  = 1 << 8
	indicatorOff = 3 << 8

	slotStatus = 0x1a // the upper half of the 32 bits at slotControl
	present    = 1 << 6
)

// setPower switches the power of the primary device's slot, as a guest does.
func setPower(ctx context.Context, s *migration.Side, on bool) error {
	return inSlot(ctx, s, func(port pci.Function, express uint32) error {
		control, err := port.Read(ctx, s.QTest(), express+slotControl)
		if err != nil {
			return err
		}
		control = control&0xffff | powerOff | indicatorOff
		if on {
			control = control&^(powerOff|indicatorOff) | indicatorOn
		}
		return s.QTest().Outw(ctx, pci.Data, uint16(control))
	})
}

// isPlugged is whether there is a device in the primary device's slot.
func isPlugged(ctx context.Context, s *migration.Side) (plugged bool, err error) {
	err = inSlot(ctx, s, func(port pci.Function, express uint32) error {
		registers, err := port.Read(ctx, s.QTest(), express+slotStatus)
		plugged = registers>>16&present != 0
		return err
	})
	return plugged, err
}

// inSlot finds the root port that has the primary device's slot, and where its PCI Express
// capability is. It puts back which register was chosen before: a canary is in that.
func inSlot(ctx context.Context, s *migration.Side, do func(port pci.Function, express uint32) error) (err error) {
	devices, err := s.PCIDevices(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(devices, func(d migration.PCIDevice) bool { return d.ID == primaryPort })
	if i < 0 {
		return fmt.Errorf("the %s has no PCI Express root port %s", s.Name(), primaryPort)
	}
	q, port := s.QTest(), pci.Function{Slot: devices[i].Slot, Number: devices[i].Function}
	kept, err := q.Inl(ctx, pci.Address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Outl(ctx, pci.Address, kept)) }()
	capabilities, err := port.Capabilities(ctx, q)
	if err != nil {
		return err
	}
	i = slices.IndexFunc(capabilities, func(c pci.Capability) bool { return c.ID == idExpress })
	if i < 0 {
		return fmt.Errorf("the PCI Express root port %s of the %s has no slot", primaryPort, s.Name())
	}
	return do(port, capabilities[i].At)
}

// memoryOf is where a side's PCI device with that id, on whatever bus, has the registers of that
// number.
func memoryOf(ctx context.Context, s *migration.Side, id string, bar int) (uint64, error) {
	type bridged struct {
		migration.PCIDevice
		Bridge struct{ Devices []migration.PCIDevice } `json:"pci_bridge"`
	}
	var buses []struct{ Devices []bridged }
	if err := s.QMP().Execute(ctx, "query-pci", nil, &buses); err != nil {
		return 0, err
	}
	for _, b := range buses {
		for _, d := range b.Devices {
			for _, behind := range append(d.Bridge.Devices, d.PCIDevice) {
				for _, r := range behind.Regions {
					if behind.ID == id && r.BAR == bar && r.Address > 0 {
						return uint64(r.Address), nil
					}
				}
			}
		}
	}
	return 0, fmt.Errorf("the %s has no PCI device %s with a region %d, which its firmware has placed", s.Name(), id, bar)
}
