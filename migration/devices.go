package migration

import (
	"context"
	"fmt"

	"github.com/drover-vm/drover/migration/record"
)

var exactDevices = Scenario{
	Name:  "exact/devices",
	Doc:   "values in registers of devices that the guest does not touch arrive as they were",
	Needs: []Need{PC},
	Story: Steps{
		Boot(), PlantCanaries(), letConverge(), Set(MaxBandwidth, 1*GB),
		Listen(Unix), Migrate(), AwaitSwitchover(), SeeCanaries(),
	},
}

// A canary is a register that keeps what was written to it, and that neither the
// guest nor QEMU writes.
type canary struct {
	device string
	index  uint8  // written to the port before, where there is one
	at     uint16 // the port that the index goes to; 0 for none
	port   uint16
	value  byte
}

// canaries are those of a PC: ports as in QEMU's hw/i386/pc.c.
func canaries() []canary {
	return []canary{
		{device: "the serial port's scratch register", port: 0x3ff, value: 0xa5},
		{device: "CMOS byte 0x50", index: 0x50, at: 0x70, port: 0x71, value: 0x5a},
		{device: "CMOS byte 0x7f", index: 0x7f, at: 0x70, port: 0x71, value: 0xc3},
		{device: "the first interrupt controller's mask", port: 0x21, value: 0xbb},
		{device: "the second interrupt controller's mask", port: 0xa1, value: 0x7d},
		{device: "the DMA controller's page register of channel 0", port: 0x87, value: 0x3c},
	}
}

// PlantCanaries writes each canary on the source, and reads it back.
func PlantCanaries() Step {
	return Step{Name: "plant canaries in devices", Do: func(ctx context.Context, p *Pair) error {
		for _, c := range canaries() {
			if c.at != 0 {
				if err := p.Source.QTest().Outb(ctx, c.at, c.index); err != nil {
					return err
				}
			}
			if err := p.Source.QTest().Outb(ctx, c.port, c.value); err != nil {
				return err
			}
			found, err := c.read(ctx, p.Source)
			if err != nil {
				return err
			}
			if found != c.value {
				return fmt.Errorf("%s on the source keeps %#02x of %#02x, so it can't be a canary", c.device, found, c.value)
			}
		}
		return nil
	}}
}

func (c canary) read(ctx context.Context, s *Side) (byte, error) {
	if c.at != 0 {
		if err := s.QTest().Outb(ctx, c.at, c.index); err != nil {
			return 0, err
		}
	}
	return s.QTest().Inb(ctx, c.port)
}

// SeeCanaries gathers what became of them on the destination.
func SeeCanaries() Step {
	return Step{Name: "see the canaries", Do: func(ctx context.Context, p *Pair) error {
		for _, c := range canaries() {
			found, err := c.read(ctx, p.Destination)
			if err != nil {
				return err
			}
			p.Facts.Devices = append(p.Facts.Devices, record.DeviceFacts{Register: c.device, Planted: c.value, Found: found})
		}
		return nil
	}}
}
