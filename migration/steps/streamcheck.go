package steps

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/drover-vm/drover/launcher/probe"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/preflight"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/stream"
)

func streamVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "expect stream", Doc: "The saved file is a whole stream that describes itself truly: its machine, its devices, as many pages and bytes as the source counts, and the paused source's RAM.",
			Example: "expect stream", Step: do(ExpectStream),
		},
		{
			Name: "expect equal-devices", Doc: "What the destination, whose guest has not run yet, sends of each device is, field by field, what the source sent into the saved file, and so is every block of RAM; for two QEMUs of the same version, else it is left out.",
			Example: "expect equal-devices", Step: do(ExpectEqualDevices),
		},
		{
			Name: "expect known-vmstate", Doc: "Each QEMU declares all fields and subsections, of each type of device that it has, that its release is known to have, and the source has sent all of those that the release sends into the scenario's saved file; of a release that isn't recorded, and of machines with arguments of one's own, it is left out.",
			Example: "expect known-vmstate", Step: do(ExpectKnownVMState),
		},
	}
}

// ExpectStream demands that the file is a whole stream without a problem; that this is
// what the source reports itself, its machine, its devices and what it has sent; and that
// the pages in it make up the memory of the source, which is paused.
func ExpectStream() migration.Step {
	return onFile("expect stream", "await saved", func(ctx context.Context, p *migration.Pair) error {
		saved, err := openSaved(p.Path(streamFile))
		if err != nil {
			return err
		}
		defer saved.close()
		if problems := saved.Check(); len(problems) > 0 {
			return fmt.Errorf("%d problems in the stream; the first: %s", len(problems), problems[0])
		}
		return errors.Join(
			expectMachine(ctx, p, saved.Stream), expectSections(saved.Stream), expectDevices(ctx, p, saved.Stream),
			measureSent(ctx, p, saved.Stream), expectPages(ctx, p, saved))
	})
}

// expectMachine demands that the stream names the source's machine.
func expectMachine(ctx context.Context, p *migration.Pair, s *stream.Stream) error {
	var kind string
	if err := qapi.QOMGet(ctx, p.Source.QMP(), "/machine", "type", &kind); err != nil {
		return err
	}
	if machine := strings.TrimSuffix(kind, "-machine"); s.Configuration.Machine != machine {
		return fmt.Errorf("the stream is of the machine %q, and the source's is %q", s.Configuration.Machine, machine)
	}
	return nil
}

// i440FX is what the types of the machine begin with whose sections are known.
const i440FX = "pc-i440fx-"

// i440FXSections are those that each QEMU from 5.2 to 11.1 was seen to send of that
// machine, as scenarios start it. A device that never sends its state looks the same
// on both sides, so they can't be learned from them.
func i440FXSections() []string {
	return []string{
		"0000:00:00.0/I440FX", "0000:00:01.0/PIIX3", "0000:00:01.1/ide", "0000:00:01.3/piix4_pm", "PCIBUS", "PCIHost",
		"acpi_build", "apic", "cpu", "cpu_common", "dma", "fdc", "fw_cfg", "globalstate", "hpet", "i2c_bus", "i8254", "i8259",
		"ioapic", "kvm-tpr-opt", "mc146818rtc", "pckbd", "pcspk", "port92", "ps2kbd", "ps2mouse", "ram", "serial", "timer", "vmmouse",
	}
}

// expectSections demands that the stream has each.
func expectSections(s *stream.Stream) error {
	if !strings.HasPrefix(s.Configuration.Machine, i440FX) {
		return nil
	}
	var missing []string
	for _, name := range i440FXSections() {
		if s.Device(name, 0) == nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the stream of the machine %s has no section of %s", s.Configuration.Machine, strings.Join(missing, ", "))
	}
	return nil
}

// deviceLine is a line of "info qtree" that begins a device.
var deviceLine = regexp.MustCompile(`(?m)^\s*dev: ([^,]+), id `)

// sentIfRead is the state of a device that is sent only when the guest has read from
// it, which ours doesn't (hw/i2c/smbus_eeprom.c in QEMU).
const sentIfRead = "smbus-eeprom"

// declaredTypes are what a side's QEMU declares of the types of device that it has, on a machine.
func declaredTypes(ctx context.Context, s *migration.Side, machine string) (map[string]preflight.State, error) {
	text, err := probe.VMState(ctx, s.Binary(), machine)
	if err != nil {
		return nil, err
	}
	return preflight.ParseTypes(text)
}

// expectDevices demands that the stream has a section for each device in the source's
// tree whose type has a state to send, and for each vCPU.
func expectDevices(ctx context.Context, p *migration.Pair, s *stream.Stream) error {
	types, err := declaredTypes(ctx, p.Source, s.Configuration.Machine)
	if err != nil {
		return err
	}
	tree, err := qapi.HumanMonitor(ctx, p.Source.QMP(), "info qtree")
	if err != nil {
		return err
	}
	cpus, err := qapi.QueryCPUsFast(ctx, p.Source.QMP())
	if err != nil {
		return err
	}
	want := map[string]int{"cpu_common": len(cpus)}
	for _, found := range deviceLine.FindAllStringSubmatch(tree, -1) {
		if state, sent := types[found[1]]; sent && state.Name != sentIfRead {
			want[state.Name]++
		}
	}
	have := map[string]int{}
	for _, d := range s.Description.Devices {
		have[d.State]++
	}
	all := 0
	for state, n := range want {
		if all += n; have[state] < n {
			err = errors.Join(err, fmt.Errorf("the source has %d devices with the state %q, and the stream has %d of them", n, state, have[state]))
		}
	}
	p.Measure("devices of the source's tree in the stream", float64(all), "devices", record.AtLeast(1))
	return err
}

// blockListSize is more than the list of RAM's blocks takes, which are a dozen at most.
const blockListSize = 1024

// measureSent gathers by how much what the source counted is other than what is there.
func measureSent(ctx context.Context, p *migration.Pair, s *stream.Stream) error {
	info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
	if err == nil && info.RAM == nil {
		err = errors.New("the source's query-migrate has no ram")
	}
	if err != nil {
		return err
	}
	p.Measure("normal pages in the stream beyond those that the source counts", float64(s.RAM.Normal)-float64(info.RAM.Normal), "pages", record.Exactly(0))
	p.Measure("zero pages in the stream beyond those that the source counts", float64(s.RAM.Zero)-float64(info.RAM.Duplicate), "pages", record.Exactly(0))
	ram := s.Device("ram", 0)
	if ram == nil {
		return errors.New("the stream has no section of RAM")
	}
	// QEMU 5.2 and 7.2 count pages, 10.0 and 11.1 every byte.
	most := float64(s.Size-ram.Size) + blockListSize
	p.Measure("bytes of the stream beyond those that the source counts", float64(s.Size)-float64(info.RAM.Transferred), "bytes", record.Between(0, most))
	return nil
}

// expectPages demands that the stream's pages are those of the source's RAM.
func expectPages(ctx context.Context, p *migration.Pair, s *savedStream) error {
	compared, _, err := compareWithSource(ctx, p, s, "stream")
	measureCompared(p, compared, "stream")
	return err
}

// measureCompared gathers how much of the guest's RAM was held against what was saved. What a
// PC's ROMs hide is missing, and video memory may be in it.
func measureCompared(p *migration.Pair, compared uint64, what string) {
	p.Measure("RAM of the source held against the "+what, float64(compared)/float64(p.RAMBytes()), "of all RAM", record.AtLeast(0.9))
}
