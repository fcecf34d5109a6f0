package preflight_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/preflight"
)

// recorded is the description of pc-i440fx-5.2 by one QEMU. The test in package migration
// that made the file says how to make it again.
func recorded(t *testing.T, version string) *preflight.Description {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", version+".json"))
	require.NoError(t, err)
	var d preflight.Description
	require.NoError(t, json.Unmarshal(text, &d))
	return &d
}

var versions = []string{"5.2", "7.2", "10.0", "11.1"}

// TestFleetIsPredictedToCompleteBothWays: it was seen to, with every scenario.
func TestFleetIsPredictedToCompleteBothWays(t *testing.T) {
	for _, source := range versions {
		for _, destination := range versions {
			r := preflight.Compare(recorded(t, source), recorded(t, destination))
			require.Equal(t, preflight.Completes, r.Prediction.Outcome, "%s -> %s: %s", source, destination, r.Prediction)
			require.Empty(t, r.Of(preflight.Breaks))
			require.Equal(t, "pc-i440fx-5.2", r.Machine)
			if source == destination {
				require.Empty(t, r.Differences)
			}
		}
	}
}

func TestKnownDifferencesAreFound(t *testing.T) {
	sentences := func(source, destination string, s preflight.Severity) (found []string) {
		for _, d := range preflight.Compare(recorded(t, source), recorded(t, destination)).Of(s) {
			found = append(found, d.Sentence)
		}
		return found
	}
	require.Contains(t, sentences("10.0", "5.2", preflight.IfUsed), "the source sends i8259/ltim of i8259 when it is needed, and the destination does not know it")
	require.Empty(t, sentences("5.2", "10.0", preflight.IfUsed))
	require.Contains(t, sentences("7.2", "10.0", preflight.Harmless), "of hpet, num_timers is called num_timers_save at the destination")
}

// section is the one of a name, to be doctored.
func section(d *preflight.Description, name string) *preflight.Section {
	i := slices.IndexFunc(d.Sections, func(s preflight.Section) bool { return s.Name == name })
	return &d.Sections[i]
}

func drop(d *preflight.Description, name string) {
	d.Sections = slices.DeleteFunc(d.Sections, func(s preflight.Section) bool { return s.Name == name })
}

// forget takes away what a QEMU knows of a type.
func forget(d *preflight.Description, types ...string) {
	for _, name := range types {
		delete(d.Types, name)
	}
}

const rtc, rtcState = "mc146818rtc", "mc146818rtc"

// doctored are a source and a destination that are the same QEMU 10.0 but for
// what is done to them.
var doctored = []struct {
	name     string
	do       func(source, destination *preflight.Description)
	rule     string
	severity preflight.Severity
	sentence string
	outcome  preflight.Outcome
}{
	{"machine unknown to the destination", func(_, d *preflight.Description) {
		d.Machines = []string{"pc-i440fx-99.9"}
	}, "machine type", preflight.Breaks, "QEMU 10.0.13 has no machine type pc-i440fx-5.2", preflight.Refused},
	{"other machine", func(_, d *preflight.Description) {
		d.Machine = d.Machines[0]
	}, "machine type", preflight.Breaks, "the source's machine is a pc-i440fx-5.2 and the destination's a microvm", preflight.Refused},
	{"machine that does not start", func(_, d *preflight.Description) {
		d.Sections, d.NotStarted = nil, "-device qxl: 'qxl' is not a valid device model name"
	}, "start", preflight.Breaks, "QEMU 10.0.13 does not start this machine: -device qxl: 'qxl' is not a valid device model name", preflight.Refused},
	{"device that can't migrate", func(s, _ *preflight.Description) {
		s.Sections, s.Refused = nil, "State blocked by non-migratable device 'nvme'"
	}, "stream", preflight.Breaks, "the source, QEMU 10.0.13, does not send this machine: State blocked by non-migratable device 'nvme'", preflight.Refused},
	{"destination that can't send it", func(_, d *preflight.Description) {
		d.Sections, d.Refused = nil, "no"
	}, "stream", preflight.Perhaps, "the destination, QEMU 10.0.13, would not send this machine itself, so whether it takes it is unknown: no", preflight.MayFail},
	{"queue that is larger", func(s, d *preflight.Description) {
		s.Queues = []preflight.Queue{{Device: "/machine/a", Name: "virtio-net", Size: 256}, {Device: "/machine/a", Name: "virtio-net", Number: 1, Size: 1024}}
		d.Queues = []preflight.Queue{{Device: "/machine/a", Name: "virtio-net", Size: 256}, {Device: "/machine/a", Name: "virtio-net", Number: 1, Size: 256}}
	}, "queue", preflight.Perhaps, "queue 1 of virtio-net has 1024 entries at the source, and the destination makes room for 256", preflight.MayFail},
	{"memory unknown", func(s, _ *preflight.Description) {
		s.Blocks = append(s.Blocks, preflight.Block{Name: "vga.vram", Used: 4096, Total: 4096})
	}, "RAM", preflight.Breaks, "the source's memory vga.vram is unknown to the destination", preflight.Refused},
	{"firmware that has grown", func(s, _ *preflight.Description) {
		s.Blocks[block(s, "pc.bios")] = preflight.Block{Name: "pc.bios", Used: 4 << 20, Total: 4 << 20}
	}, "RAM", preflight.Breaks, "the memory pc.bios has 4194304 bytes at the source, and the destination has room for 262144", preflight.Refused},
	{"firmware that has shrunk", func(s, _ *preflight.Description) {
		s.Blocks[block(s, "pc.bios")] = preflight.Block{Name: "pc.bios", Used: 128 << 10, Total: 128 << 10}
	}, "RAM", preflight.Breaks, "the memory pc.bios has 131072 bytes at the source and a fixed 262144 at the destination", preflight.Refused},
	{"table that has grown", func(s, _ *preflight.Description) {
		s.Blocks[block(s, "/rom@etc/table-loader")].Used = 8192
	}, "RAM", preflight.Harmless, "the memory /rom@etc/table-loader has 8192 bytes at the source and 4096 at the destination, which lets it change", preflight.Completes},
	{"table that may grow further", func(s, _ *preflight.Description) {
		s.Blocks[block(s, "/rom@etc/table-loader")].Total = 1 << 20
	}, "RAM", preflight.IfUsed, "the memory /rom@etc/table-loader may grow to 1048576 bytes at the source and to 65536 at the destination", preflight.Completes},
	{"section of no device, or one that the destination has no need for", func(_, d *preflight.Description) {
		drop(d, "timer")
	}, "section", preflight.Perhaps, "the source sends timer, and the destination does not: whether it takes it is unknown", preflight.MayFail},
	{"section not sent back", func(_, d *preflight.Description) {
		drop(d, rtc)
	}, "section", preflight.Perhaps, "the source sends mc146818rtc, and the destination does not: whether it takes it is unknown", preflight.MayFail},
	{"section missing", func(_, d *preflight.Description) {
		drop(d, rtc)
		forget(d, rtcState)
	}, "section", preflight.Breaks, "the source sends mc146818rtc, and the destination's machine has no such device", preflight.Refused},
	{"instance missing", func(s, _ *preflight.Description) {
		more := *section(s, rtc)
		more.Instance = 1
		s.Sections = append(s.Sections, more)
	}, "section", preflight.Breaks, "the source sends mc146818rtc (instance 1), and the destination's machine has no such device", preflight.Refused},
	{"section only there", func(s, _ *preflight.Description) {
		drop(s, rtc)
	}, "section only there", preflight.Harmless, "the source does not send mc146818rtc: at the destination it stays as after a reset", preflight.Completes},
	{"version too new", func(s, _ *preflight.Description) {
		section(s, rtc).Version = 4
	}, "version", preflight.Breaks, "the source sends mc146818rtc at version 4, and the destination takes it up to 3", preflight.Refused},
	{"version too old", func(s, d *preflight.Description) {
		section(s, rtc).Version = 2
		known := d.Types[rtcState]
		known.Minimum = 3
		d.Types[rtcState] = known
	}, "minimum version", preflight.Breaks, "the source sends mc146818rtc at version 2, and the destination takes it from 3 on", preflight.Refused},
	{"older version of which nothing is known", func(s, d *preflight.Description) {
		section(s, rtc).Version = 2
		forget(d, rtcState)
	}, "fields", preflight.Perhaps, "the source sends mc146818rtc at version 2, and the destination at 3: what it takes of an older one is unknown", preflight.MayFail},
	{"field missing", func(_, d *preflight.Description) {
		removeField(section(d, rtc), "cmos_index")
	}, "fields", preflight.Breaks, "the source sends cmos_index of mc146818rtc, which the destination does not take", preflight.Refused},
	{"field missing at the end", func(_, d *preflight.Description) {
		one := section(d, rtc)
		one.Fields = one.Fields[:len(one.Fields)-1]
	}, "fields", preflight.Breaks, "the source sends next_alarm_time of mc146818rtc, which the destination does not take", preflight.Refused},
	{"field more", func(s, _ *preflight.Description) {
		one := section(s, rtc)
		one.Fields = one.Fields[:len(one.Fields)-1]
	}, "fields", preflight.Breaks, "the destination takes next_alarm_time of mc146818rtc, which the source does not send", preflight.Refused},
	{"field of another size", func(_, d *preflight.Description) {
		field(section(d, rtc), "cmos_index").Size = 2
	}, "fields", preflight.Breaks, "cmos_index of mc146818rtc takes 1 bytes at the source and 2 at the destination", preflight.Refused},
	{"field renamed", func(_, d *preflight.Description) {
		field(section(d, rtc), "cmos_index").Name = "index"
	}, "fields", preflight.Harmless, "of mc146818rtc, cmos_index is called index at the destination", preflight.Completes},
	{"fields in another order", func(_, d *preflight.Description) {
		a, b := field(section(d, rtc), "next_periodic_time"), field(section(d, rtc), "periodic_timer")
		*a, *b = *b, *a
	}, "fields", preflight.Perhaps, "the destination takes as next_periodic_time of mc146818rtc what the source sends as periodic_timer", preflight.MayFail},
	{"bytes with names of their own", func(_, d *preflight.Description) {
		one := section(d, "globalstate")
		at := slices.IndexFunc(one.Fields, func(f preflight.Field) bool { return f.Name == "runstate" })
		one.Fields = slices.Replace(one.Fields, at, at+1,
			preflight.Field{Name: "first", Type: "uint8", Size: 1}, preflight.Field{Name: "rest", Type: "buffer", Size: 31})
	}, "fields", preflight.Harmless, "of globalstate, the bytes of runstate are first, rest at the destination", preflight.Completes},
	{"something that only QEMU can read", func(s, d *preflight.Description) {
		section(s, rtc).Fields = []preflight.Field{{Name: "virtio", Type: "virtio", Size: 100}}
		section(d, rtc).Fields = []preflight.Field{{Name: "virtio", Type: "virtio", Size: 101}}
	}, "fields", preflight.Perhaps, "virtio of mc146818rtc, which only QEMU can read, takes 100 bytes at the source and 101 at the destination", preflight.MayFail},
	{"subsection sent and unknown", func(s, _ *preflight.Description) {
		section(s, rtc).Subsections = []preflight.Section{{Name: rtc + "/new", State: rtc + "/new", Version: 1}}
	}, "subsection sent", preflight.Breaks, "the source sends mc146818rtc/new of mc146818rtc, which the destination does not know", preflight.Refused},
	{"subsection sent, and nothing known", func(s, d *preflight.Description) {
		section(s, rtc).Subsections = []preflight.Section{{Name: rtc + "/new", State: rtc + "/new", Version: 1}}
		forget(d, rtcState)
	}, "subsection sent", preflight.Perhaps, "the source sends mc146818rtc/new of mc146818rtc, and the destination does not: whether it knows it is unknown", preflight.MayFail},
	{"subsection sent too new", func(s, _ *preflight.Description) {
		section(s, rtc).Subsections = []preflight.Section{{Name: reinject, State: reinject, Version: 7}}
	}, "subsection sent", preflight.Breaks, "the source sends mc146818rtc/irq_reinject_on_ack_count of mc146818rtc at version 7, and the destination takes 1 to 1", preflight.Refused},
	{"subsection of both too new", func(s, d *preflight.Description) {
		section(s, rtc).Subsections = []preflight.Section{{Name: reinject, State: reinject, Version: 2}}
		section(d, rtc).Subsections = []preflight.Section{{Name: reinject, State: reinject, Version: 1}}
	}, "subsection sent", preflight.Breaks, "the source sends mc146818rtc/irq_reinject_on_ack_count of mc146818rtc at version 2, and the destination takes it up to 1", preflight.Refused},
	{"subsection with another field", func(s, d *preflight.Description) {
		section(s, rtc).Subsections = []preflight.Section{{Name: reinject, Version: 1, Fields: []preflight.Field{{Name: "count", Size: 2}}}}
		section(d, rtc).Subsections = []preflight.Section{{Name: reinject, Version: 1, Fields: []preflight.Field{{Name: "count", Size: 4}}}}
	}, "subsection sent", preflight.Breaks, "count of mc146818rtc, mc146818rtc/irq_reinject_on_ack_count takes 2 bytes at the source and 4 at the destination", preflight.Refused},
	{"subsection unknown", func(_, d *preflight.Description) {
		known := d.Types[rtcState]
		known.Subsections = nil
		d.Types[rtcState] = known
	}, "subsection known", preflight.IfUsed, "the source sends mc146818rtc/irq_reinject_on_ack_count of mc146818rtc when it is needed, and the destination does not know it", preflight.Completes},
	{"device of another name", func(_, d *preflight.Description) {
		d.Devices = slices.DeleteFunc(slices.Clone(d.Devices), func(name string) bool { return name == "mc146818rtc" })
	}, "devices", preflight.Harmless, "the source's machine has a mc146818rtc, which the destination's has not, or has by another name", preflight.Completes},
	{"source that dies over a running guest", func(s, _ *preflight.Description) {
		s.Died = &preflight.Death{Guest: "running", Message: "system/physmem.c:864: tlb_reset_dirty_range_all: Assertion failed."}
	}, "crash", preflight.Breaks, "the source's QEMU dies when it sends a running guest: system/physmem.c:864: tlb_reset_dirty_range_all: Assertion failed.", preflight.Crashes},
	{"source that dies over a paused guest only", func(s, _ *preflight.Description) {
		s.Sections, s.Died = nil, &preflight.Death{Guest: "paused", Message: "signal: floating point exception"}
	}, "crash", preflight.IfUsed, "the source's QEMU dies when it sends a paused guest: signal: floating point exception", preflight.Unknown},
	{"destination that dies over any guest", func(_, d *preflight.Description) {
		d.Sections, d.Died = nil, &preflight.Death{Guest: "paused", Message: "signal: floating point exception"}
	}, "crash", preflight.Perhaps, "the destination's QEMU dies when it sends such a guest itself, so whether it takes it is unknown: signal: floating point exception", preflight.MayFail},
	{"CPU that has more", func(s, d *preflight.Description) {
		s.CPU = &preflight.CPU{Model: "Haswell", Features: []string{"avx", "avx2", "f16c", "fma", "pks", "sse2", "umip"}}
		d.CPU = &preflight.CPU{Model: "Haswell", Features: []string{"sse2"}}
	}, "CPU features", preflight.IfUsed, "the source's CPU has avx, avx2, f16c, fma (and 2 more), which the destination's has not: a guest that uses them dies or computes wrongly", preflight.Completes},
	{"CPU that has one more", func(s, d *preflight.Description) {
		s.CPU = &preflight.CPU{Model: "Haswell", Features: []string{"sse2", "x2apic"}}
		d.CPU = &preflight.CPU{Model: "Haswell", Features: []string{"sse2"}}
	}, "CPU features", preflight.IfUsed, "the source's CPU has x2apic, which the destination's has not: a guest that uses it dies or computes wrongly", preflight.Completes},
	{"CPU that has less", func(s, d *preflight.Description) {
		s.CPU = &preflight.CPU{Model: "Haswell", Features: []string{"sse2"}}
		d.CPU = &preflight.CPU{Model: "Haswell", Features: []string{"sse2", "x2apic"}}
	}, "CPU features", preflight.Harmless, "the destination's CPU has x2apic, which the source's has not: a guest that looks again finds it", preflight.Completes},
	{"CPU model that is not safe to migrate", func(s, d *preflight.Description) {
		s.CPU = &preflight.CPU{Model: "max", Unsafe: true, Features: []string{"sse2"}}
		d.CPU = &preflight.CPU{Model: "max", Unsafe: true, Features: []string{"avx", "sse2"}}
	}, "CPU model", preflight.IfUsed, "QEMU says that the CPU model max is not safe to migrate: what it has depends on the QEMU and on the host", preflight.Completes},
	{"another CPU model", func(s, d *preflight.Description) {
		s.CPU, d.CPU = &preflight.CPU{Model: "power8_v2.0"}, &preflight.CPU{Model: "power9_v2.0"}
	}, "CPU model", preflight.IfUsed, "the source's CPU is a power8_v2.0, and the destination's a power9_v2.0", preflight.Completes},
	{"destination that dies of what the source sends", func(_, d *preflight.Description) {
		d.Loading = &preflight.Loading{Died: &preflight.Death{Message: "signal: segmentation fault"}}
	}, "load", preflight.Breaks, "the destination's QEMU dies when it is sent the source's guest: signal: segmentation fault", preflight.Refused},
	{"destination that does not take what the source sends", func(_, d *preflight.Description) {
		d.Loading = &preflight.Loading{Refused: "its migration status is failed"}
	}, "load", preflight.Breaks, "the destination does not take what the source sends: its migration status is failed", preflight.Refused},
	{"capability", func(_, d *preflight.Description) {
		d.Capabilities = slices.DeleteFunc(d.Capabilities, func(c string) bool { return c == "mapped-ram" })
	}, "elsewhere: capability", preflight.IfUsed, "the capability mapped-ram is unknown to the destination", preflight.Completes},
	{"device that could be had", func(_, d *preflight.Description) {
		d.Offers = slices.DeleteFunc(d.Offers, func(c string) bool { return c == "e1000" })
	}, "elsewhere: device", preflight.IfUsed, "the device e1000 is unknown to the destination", preflight.Completes},
	{"device that could be had, sent otherwise", func(s, d *preflight.Description) {
		s.Types["e1000"] = preflight.State{Name: "e1000", Version: 3, Subsections: []preflight.State{{Name: "e1000/tx"}}}
		d.Types["e1000"] = preflight.State{Name: "e1000", Version: 2}
	}, "elsewhere: type", preflight.IfUsed, "a e1000 is sent at version 3, and the destination takes it up to 2", preflight.Completes},
}

const reinject = "mc146818rtc/irq_reinject_on_ack_count"

func block(d *preflight.Description, name string) int {
	return slices.IndexFunc(d.Blocks, func(b preflight.Block) bool { return b.Name == name })
}

func field(s *preflight.Section, name string) *preflight.Field {
	i := slices.IndexFunc(s.Fields, func(f preflight.Field) bool { return f.Name == name })
	return &s.Fields[i]
}

func removeField(s *preflight.Section, name string) {
	s.Fields = slices.DeleteFunc(s.Fields, func(f preflight.Field) bool { return f.Name == name })
}

// TestEveryRuleReports: a rule that never reports anything would let everything pass.
func TestEveryRuleReports(t *testing.T) {
	silent := preflight.Rules()
	for _, c := range doctored {
		t.Run(c.name, func(t *testing.T) {
			source, destination := recorded(t, "10.0"), recorded(t, "10.0")
			c.do(source, destination)
			r := preflight.Compare(source, destination)
			i := slices.IndexFunc(r.Differences, func(d preflight.Difference) bool { return d.Rule == c.rule && d.Sentence == c.sentence })
			require.GreaterOrEqual(t, i, 0, "%q is not among %v", c.sentence, r.Differences)
			require.Equal(t, c.severity, r.Differences[i].Severity)
			require.Equal(t, c.outcome, r.Prediction.Outcome, "%v", r.Differences)
		})
		silent = slices.DeleteFunc(silent, func(name string) bool { return name == c.rule })
	}
	require.Empty(t, silent, "rules without a doctored case")
}

// TestRefusalNamesWhatQEMUWillName, so that a refusal in another way is no
// confirmation.
func TestRefusalNamesWhatQEMUWillName(t *testing.T) {
	source, destination := recorded(t, "7.2"), recorded(t, "11.1")
	section(source, rtc).Version = 4
	drop(destination, "fdc")
	forget(destination, "isa-fdc")
	p := preflight.Compare(source, destination).Prediction
	require.ElementsMatch(t, []string{"mc146818rtc", "fdc"}, p.Subjects)
	require.Contains(t, p.String(), "refused: ")
	require.Contains(t, p.String(), "(and 1 more)")
}

// TestOldVersionIsReadWithoutLaterFields: QEMU takes of an older version the
// fields that were there then.
func TestOldVersionIsReadWithoutLaterFields(t *testing.T) {
	source, destination := recorded(t, "10.0"), recorded(t, "10.0")
	old := section(source, rtc)
	old.Version = 1
	for _, since := range destination.Types[rtcState].Fields {
		if since.Since > 1 {
			removeField(old, since.Name)
		}
	}
	require.Len(t, old.Fields, 6)
	require.Equal(t, preflight.Completes, preflight.Compare(source, destination).Prediction.Outcome)
}

// TestCrashIsNotPredictedOfAMachineThatNeverBegins.
func TestCrashIsNotPredictedOfAMachineThatNeverBegins(t *testing.T) {
	source, destination := recorded(t, "10.0"), recorded(t, "10.0")
	source.Died = &preflight.Death{Guest: "running", Message: "Assertion failed."}
	drop(destination, rtc)
	forget(destination, rtcState)
	p := preflight.Compare(source, destination).Prediction
	require.Equal(t, preflight.Crashes, p.Outcome, "it dies before the destination can refuse")
	require.Equal(t, []string{"Assertion failed."}, p.Subjects)
	require.True(t, p.Dies)

	destination.Refused = "State blocked by non-migratable device 'nvme'"
	p = preflight.Compare(source, destination).Prediction
	require.Equal(t, preflight.MayFail, p.Outcome, "the destination may refuse before")
	require.Equal(t, "the source's QEMU dies when it sends a running guest: Assertion failed. (and 1 more)", p.Sentence)
	require.Empty(t, p.Subjects, "any message will do")
	require.True(t, p.Dies)

	destination.NotStarted = "no such device"
	p = preflight.Compare(source, destination).Prediction
	require.Equal(t, preflight.Refused, p.Outcome)
	require.NotContains(t, p.Subjects, "Assertion failed.")
}
