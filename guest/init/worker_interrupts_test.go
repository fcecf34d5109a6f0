//go:build linux

package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/guest/wire"
)

// TestInterruptsAreCountedOnEachArchitecture as its kernel writes them.
func TestInterruptsAreCountedOnEachArchitecture(t *testing.T) {
	for arch, c := range map[string]struct{ first, second, device uint64 }{
		"x86_64":  {2056, 2003, 171},
		"aarch64": {1525, 1491, 105},
		"riscv64": {1307, 1579, 67},
		"s390x":   {1302, 1230, 123 + 24 + 45 + 30}, // of all virtio devices
		"ppc64":   {1359, 1755, 60},
	} {
		t.Run(arch, func(t *testing.T) {
			text, err := os.ReadFile("testdata/interrupts-" + arch + ".txt")
			require.NoError(t, err)
			counted := parseInterrupts(string(text))
			for u, want := range map[*use]uint64{{vcpu: 0}: c.first, {vcpu: 1}: c.second, {device: "virtio0"}: c.device} {
				got, found := counted.of(u)
				require.True(t, found, "%+v", u)
				require.Equal(t, want, got, "%+v", u)
			}
			_, found := counted.of(&use{vcpu: 2})
			require.False(t, found)
			if _, found = counted.of(&use{device: "virtio"}); arch != "s390x" {
				require.False(t, found, "virtio0 is no line of a device virtio")
			}
		})
	}
}

func TestADevicesLineIsNotThatOfAnother(t *testing.T) {
	counted := parseInterrupts("           CPU0       CPU2\n" +
		" 24:   1   2   PCI-MSI 1-edge   virtio1-input\n 25:   10   20   PCI-MSI 2-edge   virtio10-input\n" +
		" 26:   100   200   IO-APIC 11-fasteoi   uhci_hcd:usb1, virtio1\n 27:   1000   2000   PCI-MSI 1   nvme0q1\n ERR:   7\n")
	require.Equal(t, []int{0, 2}, counted.cpus)
	for device, want := range map[string]uint64{"virtio1": 303, "virtio10": 30, "nvme0": 3000} {
		got, found := counted.of(&use{device: device})
		require.True(t, found)
		require.Equal(t, want, got, device)
	}
	_, found := counted.of(&use{device: "virtio2"})
	require.False(t, found)
}

// TestWhatIsUsedAndInterruptsNoLongerIsComplainedOf: a device that nobody uses is not.
func TestWhatIsUsedAndInterruptsNoLongerIsComplainedOf(t *testing.T) {
	const look = 400 * time.Millisecond
	goesOn := func(u *use, c *countedInterrupts) { c.lines[0].counts[0]++ }
	waits := func(u *use, c *countedInterrupts) { u.Ask() }
	for name, c := range map[string]struct {
		before, each func(u *use, c *countedInterrupts)
		looks        int
		complaint    string // empty for none
	}{
		"a worker waits":                 {waits, nil, 12, `^no interrupt of a disk has come for 4\.4 s: expected their number to grow, found 5 all the time, while a worker waits for one$`},
		"not for long":                   {waits, nil, 10, ""},
		"a worker is served without one": {nil, func(u *use, c *countedInterrupts) { u.Serve() }, 12, `while a worker has been served 11 times$`},
		"nobody uses it":                 {nil, nil, 40, ""},
		"it interrupts":                  {waits, goesOn, 40, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w, r := aWitness(t, nil)
			i, u := &interrupts{w: w, seen: map[*use]*interrupted{}}, w.Uses("a disk", "virtio0")
			counted := countedInterrupts{[]int{0}, []interruptLine{{"24", []uint64{5}, []string{"virtio0-req.0"}}}}
			inBackground(t, func() {
				i.look(w.uses.now(), counted, look)
				if c.before != nil {
					c.before(u, &counted)
				}
				for range c.looks {
					if c.each != nil {
						c.each(u, &counted)
					}
					i.look(w.uses.now(), counted, look)
				}
				w.tellNow(1)
			})
			lines := heardReport(t, r, 1)
			said, ok := last[wire.Complaint](t, lines, wire.SaysComplaint)
			require.Equal(t, c.complaint != "", ok, said.Text)
			require.Regexp(t, c.complaint, said.Text)
			told, _ := last[wire.Counts](t, lines, wire.SaysCounts)
			require.Equal(t, counted.lines[0].counts[0], told.Counts["irqs:a disk"])
		})
	}
}

// complaint is the next that comes.
func complaint(t *testing.T, r io.Reader) string {
	t.Helper()
	c, _ := last[wire.Complaint](t, heard(t, r, func(all []wire.Line) bool { _, ok := last[wire.Complaint](t, all, wire.SaysComplaint); return ok }), wire.SaysComplaint)
	return c.Text
}

// TestNobodyWaitsForWhatIsNoLongerUsed, as when a worker is told to rest.
func TestNobodyWaitsForWhatIsNoLongerUsed(t *testing.T) {
	w, r := aWitness(t, nil)
	i, u := &interrupts{w: w, seen: map[*use]*interrupted{}}, w.UsesTimer(0)
	counted := countedInterrupts{[]int{0}, []interruptLine{{"LOC", []uint64{5}, nil}}}
	u.Ask()
	inBackground(t, func() {
		i.look(w.uses.now(), counted, time.Second)
		w.tellNow(1)
		w.NotUsed(u)
		i.look(w.uses.now(), counted, time.Minute)
		w.tellNow(2)
	})
	waits := map[uint64]uint64{}
	for _, l := range heardReport(t, r, 2) {
		var c wire.Counts
		require.NoError(t, l.Into(&c))
		waits[c.Report] = c.Counts["waits:the timer of vCPU 0"]
	}
	require.Equal(t, uint64(1), waits[1])
	require.Zero(t, waits[2])
}

// TestOneThatWasQuietForLongBeforeMayBeSoAgain: its host gives its vCPU no time.
func TestOneThatWasQuietForLongBeforeMayBeSoAgain(t *testing.T) {
	w, r := aWitness(t, nil)
	i, u := &interrupts{w: w, seen: map[*use]*interrupted{}}, w.UsesTimer(0)
	counted := countedInterrupts{[]int{0}, []interruptLine{{"LOC", []uint64{5}, nil}}}
	u.Ask()
	inBackground(t, func() {
		i.look(w.uses.now(), counted, 0)
		i.look(w.uses.now(), counted, 3*time.Second)
		counted.lines[0].counts[0]++
		i.look(w.uses.now(), counted, time.Second)
		i.look(w.uses.now(), counted, 12*time.Second)
		require.Zero(t, w.complaints)
		i.look(w.uses.now(), counted, time.Second)
	})
	require.Equal(t, "no interrupt of the timer of vCPU 0 has come for 13.0 s: expected their number to grow, found 6 all the time, while a worker waits for one", complaint(t, r))
}

// TestInterruptsThatTheKernelCountsAnewAreAdded, as after a suspend: they would seem to be fewer.
func TestInterruptsThatTheKernelCountsAnewAreAdded(t *testing.T) {
	w, r := aWitness(t, nil)
	i := &interrupts{w: w, seen: map[*use]*interrupted{}}
	w.Uses("virtio-rng", "virtio0")
	counted := countedInterrupts{[]int{0}, []interruptLine{{"24", []uint64{0}, []string{"virtio0-input"}}}}
	inBackground(t, func() {
		for _, counted.lines[0].counts[0] = range []uint64{30, 5, 8} {
			i.look(w.uses.now(), counted, interruptsEvery)
		}
		w.tellNow(1)
	})
	lines := heardReport(t, r, 1)
	told, _ := last[wire.Counts](t, lines, wire.SaysCounts)
	require.Equal(t, uint64(38), told.Counts["irqs:virtio-rng"])
}

func TestADeviceThatNoLineIsOfIsComplainedOf(t *testing.T) {
	w, r := aWitness(t, nil)
	i := &interrupts{w: w, seen: map[*use]*interrupted{}}
	w.Uses("virtio-blk", "virtio3")
	inBackground(t, func() {
		for range 2 * interruptsFound {
			i.look(w.uses.now(), countedInterrupts{cpus: []int{0}}, interruptsEvery)
		}
	})
	require.Equal(t, "expected /proc/interrupts to count the interrupts of virtio-blk, found no line of virtio3 in it", complaint(t, r))
}

func TestTheDeviceOfAPlaceInSysIsFound(t *testing.T) {
	folder := t.TempDir()
	for link, place := range map[string]string{
		"vda": "pci0000:00/0000:00:05.0/virtio1/block/vda", "sda": "pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/block/sda", "nvme0n1": "pci0000:00/0000:00:06.0/nvme/nvme0/nvme0n1", "lo": "virtual/net/lo",
	} {
		require.NoError(t, os.MkdirAll(filepath.Join(folder, "devices", place), 0o755))
		require.NoError(t, os.Symlink(filepath.Join("devices", place), filepath.Join(folder, link)))
	}
	require.Equal(t, "virtio1", deviceOf(filepath.Join(folder, "vda")))
	require.Equal(t, "nvme0", deviceOf(filepath.Join(folder, "nvme0n1")))
	require.Equal(t, "0000:00:1f.2", deviceOf(filepath.Join(folder, "sda")))
	require.Empty(t, deviceOf(filepath.Join(folder, "lo")))
	require.Empty(t, deviceOf(filepath.Join(folder, "nothing")))
}

func TestInterruptsOfAPCIDeviceAreFoundByTheirNumbers(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"0000:00:04.0/msi_irqs/27", "0000:00:04.0/msi_irqs/28"} {
		require.NoError(t, os.MkdirAll(filepath.Join(folder, name), 0o755))
	}
	for name, irq := range map[string]string{"0000:00:04.0": "11\n", "0000:00:05.0": "10\n", "0000:00:01.1": "0\n"} {
		require.NoError(t, os.MkdirAll(filepath.Join(folder, name), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, name, "irq"), []byte(irq), 0o644))
	}
	require.Equal(t, []string{"27", "28"}, irqsOf(folder, "0000:00:04.0"))
	require.Equal(t, []string{"10"}, irqsOf(folder, "0000:00:05.0"))
	require.Equal(t, []string{"14", "15"}, irqsOf(folder, "0000:00:01.1"))
	require.Empty(t, irqsOf(folder, "virtio1"))
	counted := parseInterrupts("  CPU0\n 27: 1 PCI-MSI eth0-rx-0\n 28: 2 PCI-MSI eth0-tx-0\n 29: 4 PCI-MSI eth0\n")
	sum, found := counted.of(&use{device: "0000:00:04.0", irqs: []string{"27", "28"}})
	require.True(t, found)
	require.Equal(t, uint64(3), sum)
}
