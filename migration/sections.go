package migration

import (
	"fmt"
	"strings"

	"github.com/drover-vm/drover/migration/stream"
)

// i440FX is what the types of the machine begin with whose sections are known.
const i440FX = "pc-i440fx-"

// i440FXSections are those that each QEMU from 5.2 to 11.1 was seen to send of that
// machine, as the scenarios start it. A device that never sends its state looks the same
// on both sides, so they can't be learned from them.
var i440FXSections = []string{
	"0000:00:00.0/I440FX", "0000:00:01.0/PIIX3", "0000:00:01.1/ide", "0000:00:01.3/piix4_pm", "PCIBUS", "PCIHost",
	"acpi_build", "apic", "cpu", "cpu_common", "dma", "fdc", "fw_cfg", "globalstate", "hpet", "i2c_bus", "i8254", "i8259",
	"ioapic", "kvm-tpr-opt", "mc146818rtc", "pckbd", "pcspk", "port92", "ps2kbd", "ps2mouse", "ram", "serial", "timer", "vmmouse",
}

// seeSections demands that the stream has each.
func seeSections(s *stream.Stream) error {
	if !strings.HasPrefix(s.Configuration.Machine, i440FX) {
		return nil
	}
	var missing []string
	for _, name := range i440FXSections {
		if s.Device(name, 0) == nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the stream of the machine %s has no section of %s", s.Configuration.Machine, strings.Join(missing, ", "))
	}
	return nil
}
