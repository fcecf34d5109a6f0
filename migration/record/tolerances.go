package record

// A Tolerance is by how much what is judged may be off, or how little of something may be
// there. Those of all checks are in this file.
type Tolerance struct {
	Name  string  // what is allowed
	Value float64 // in Unit
	Unit  string  // ms, s, bytes, registers, measures; times, of what it is measured against
	// Load says that a busy host stretches it: it is multiplied by the measured slowdown
	// (HostFacts), and by nothing where the host was as fast as expected.
	Load bool
	Why  string // it is needed at all
	// Seen is the most that it took, in 533 runs of all scenarios on 5.2, 7.2, 10.0 and 11.1,
	// on 2 CPUs with a load of 3 to 4, where nothing else is said.
	Seen string
}

// Tolerances returns all there are.
func Tolerances() []Tolerance {
	return []Tolerance{
		totalShorter, totalLonger, totalShare, setupLonger, setupShare, downtimeLater, downtimeShorter, downtimeShare,
		lateStart, lateCompletion, completedFirst,
		overLimit, unexplainedDowntime, lateResume, lateResumeShare, lateResumeUnlimited, lateResumeUnlimitedShare,
		consoleEarlier, consoleLater, consoleLaterShare, bootedBefore, quickestLonger, clockLost,
		linkBytes, linkShare, bandwidthBytes, bandwidthAtOnce, bandwidthShare,
		besideRAM, besideRAMVirt, sentAtLeast, pageHead, zeroPage, devicesBytes, devicesBytesPPC64, devicesBytesGPU, sumShare,
		ratedFrom, ratedRAM, rateShareBelow, rateShareAbove, cacheMisses,
		noticedWithin, noticedBefore, fewestRegisters, fewestMeasures, fewestDevices,
	}
}

// What QEMU reports of its times, against its events (check "reported").
var (
	totalShorter = Tolerance{
		"total time reported below that between its events", 20, "ms", true,
		"QEMU takes its times and sends its events at moments that are not quite the same",
		"5.2 ms",
	}
	totalLonger = Tolerance{
		"total time reported beyond that between its events", 60, "ms", true,
		"QEMU's clock starts before its first event, and ends after the last",
		"10 ms",
	}
	totalShare = Tolerance{
		"share by which the total time may be off, either way", 0.25, "times", false,
		"what is late is late by more in a long migration", "no more than those milliseconds",
	}
	setupLonger = Tolerance{
		"setup time reported beyond that between its events", 100, "ms", true,
		"QEMU looks at its clock after it has sent the event that it is active",
		"4 ms; 53 once on a busier machine",
	}
	setupShare = Tolerance{
		"setup time reported, to that between its events", 2, "times", false,
		"what is late is late by more in a long setup, as with TLS", "no more than those milliseconds",
	}
	downtimeLater = Tolerance{
		"downtime reported beyond that between STOP and its end", 500, "ms", true,
		"it counts from the order to stop, and STOP comes when the vCPUs have stopped",
		"17 ms; 250 on a busier machine",
	}
	downtimeShorter = Tolerance{
		"downtime reported below that between STOP and its end", 20, "ms", true,
		"the event of the end comes after the clock was looked at", "0.9 ms",
	}
	downtimeShare = Tolerance{
		"share by which the downtime may be off, either way", 0.25, "times", false,
		"what is late is late by more in a long downtime", "no more than those milliseconds",
	}
)

// When a migration begins and is told to be over (check "reported").
var (
	lateStart = Tolerance{
		"a migration's beginning after it was asked for, and its setup", 1000, "ms", true,
		"connections are made, and TLS is agreed on", "60 ms on a busy machine",
	}
	lateCompletion = Tolerance{
		"a side's word that a migration is completed after the guest ran on the destination", 600, "ms", true,
		"what was used for it is released first, threads of channels ended", "30 ms",
	}
)

// How long the guest is paused (checks "downtime" and "quickest move").
var (
	overLimit = Tolerance{
		"downtime beyond downtime-limit", 150, "ms", true,
		"the limit is held against QEMU's estimate of what is left to send, made before the guest is paused",
		"nothing; 621 to 1265 ms beyond a limit of 300 with a load of 14 and more",
	}
	unexplainedDowntime = Tolerance{
		"downtime beyond its limit, and beyond three passes as long as those before", 1000, "ms", true,
		"how long a pass takes differs with what is in it, and a busy host may take the CPU away at any time",
		"nothing on a quiet host",
	}
	completedFirst = Tolerance{
		"a destination's \"completed\" before RESUME, in postcopy", 100, "ms", true,
		"the thread that receives the pages tells it, while the main loop starts the guest", "1.3 ms, load 5",
	}
	lateResume = Tolerance{
		"the destination's RESUME after the downtime that is reported", 250, "ms", true,
		"a destination has work left when the source is done: devices, decryption, decompression",
		"5 ms",
	}
	lateResumeShare = Tolerance{
		"the time up to RESUME, to the downtime reported", 2, "times", false,
		"the more is sent in the downtime, the more is left to load", "1.04 times",
	}
	lateResumeUnlimited = Tolerance{
		"the destination's RESUME after the downtime that is reported, without a limit that matters", 750, "ms", true,
		"all of RAM may be left to decrypt or to inflate", "345 ms, over TLS",
	}
	lateResumeUnlimitedShare = Tolerance{
		"the time up to RESUME, to the downtime reported, without a limit that matters", 3, "times", false,
		"what was compressed or encrypted takes longer to read than to write", "2.5 times, four channels with zstd",
	}
	consoleEarlier = Tolerance{
		"the console's silence below the downtime", 250, "ms", true,
		"a heartbeat may be under way while the guest is paused already: it is timed when it is read",
		"nothing: it was silent for 11 ms longer at the least",
	}
	consoleLater = Tolerance{
		"the first heartbeat after RESUME beyond twice the longest between two before", 2000, "ms", true,
		"the destination's memory is cold: each first access is a page fault", "1045 ms, four channels",
	}
	consoleLaterShare = Tolerance{
		"the first heartbeat after RESUME, to the longest between two before", 2, "times", false,
		"the guest was paused anywhere between two", "4 times, which the milliseconds allow",
	}
	clockLost = Tolerance{
		"what a Linux guest's clock lost against the host's, to the time for which it was paused", 50, "ms", true,
		"a line of the guest's takes its time, and a kernel calibrates its clock source again", "8 ms, 101 runs, load 9 to 13",
	}
	bootedBefore = Tolerance{
		"the reported downtime from which on it may be the time since the host booted", 60_000, "ms", false,
		"no host boots, starts a QEMU and migrates within a minute", "8873060 ms on 5.2, 9009210 ms on 7.2",
	}
	quickestLonger = Tolerance{
		"downtime of the quickest of several moves beyond what its pages take", 250, "ms", true,
		"devices are sent as well", "nothing: 5 ms less at the least",
	}
)

// What went over the link, against what QEMU reports and may send.
var (
	linkBytes = Tolerance{
		"bytes reported beside those on the link", 256 << 10, "bytes", false,
		"the handshakes of TLS and of channels are not counted by every version", "13 KiB more over a link, and nothing less",
	}
	linkShare = Tolerance{
		"share by which the bytes reported may be off", 0.05, "times", false,
		"TLS adds to each record", "0.012, over TLS",
	}
	bandwidthBytes = Tolerance{
		"bytes on the link beyond max-bandwidth", 1e6, "bytes", true,
		"what the kernel buffers goes at once when it is read", "15 MB under 150 MB a second, which the share allows",
	}
	bandwidthAtOnce = Tolerance{
		"time for which QEMU may send ahead", 0.1, "s", true,
		"it counts in tenths of a second", "the length of its windows, by migration/migration-stats.c",
	}
	bandwidthShare = Tolerance{
		"share by which max-bandwidth may be exceeded", 0.25, "times", false,
		"the head of each page is not counted by every version", "0.245, four channels; 0.1 without",
	}
)

// What query-migrate counts of RAM, against itself (check "counts").
var (
	besideRAM = Tolerance{
		"total of RAM beyond the guest's", 64 << 20, "bytes", false,
		"firmware, ACPI tables and the memory of graphics are migrated as RAM is", "0.5 MiB, and 16 more where a machine has graphics",
	}
	besideRAMVirt = Tolerance{
		"total of RAM beyond the guest's, virt", 192 << 20, "bytes", false,
		"the flash memories of a virt machine are migrated as RAM is", "128.1 MiB on aarch64, 64.1 on riscv64",
	}
	sentAtLeast = Tolerance{
		"share of RAM that is sent at the least", 0.85, "times", false,
		"of a last pass before postcopy a part may be left, which is not counted again", "1.0: all of it",
	}
	pageHead = Tolerance{
		"share that the head of a page adds", 0.02, "times", false,
		"each page has its own, or its part of a packet's", "8 or 9 bytes of 4096; with those below 0.36 of what is allowed together",
	}
	zeroPage = Tolerance{
		"bytes for a page of zeros", 16, "bytes", false,
		"its head, and the byte that it is full of", "9 bytes; 8 over channels",
	}
	devicesBytes = Tolerance{
		"bytes for all that is no RAM", 2 << 20, "bytes", false,
		"devices are sent as well, and TLS adds to each record", "0.2 MiB",
	}
	devicesBytesPPC64 = Tolerance{
		"bytes for all that is no RAM, pseries", 16 << 20, "bytes", false,
		"a pseries machine sends its hash table of pages in as many passes as its RAM", "0.7 MiB over four channels",
	}
	devicesBytesGPU = Tolerance{
		"bytes for all that is no RAM, more with a virtio-gpu", 8 << 20, "bytes", false,
		"QEMU sends its copy of each buffer that the guest has", "3.5 MiB for three of 640 to 480 pixels",
	}
	sumShare = Tolerance{
		"share by which parts and sum of the bytes may differ", 0.01, "times", false,
		"they are counted at different places", "0.2 MiB, which is more than the share only where all RAM is shared",
	}
	ratedFrom = Tolerance{
		"time of a migration from which on rates are judged", 300, "ms", false,
		"the rates are those of windows of 100 ms", "a migration of 100 ms is off by half",
	}
	ratedRAM = Tolerance{
		"RAM that is migrated from which on pages a second are judged", 64 << 20, "bytes", false,
		"less is through within the first of the windows, and nothing is sent in the last", "6 MB, where all other RAM is shared",
	}
	rateShareBelow = Tolerance{
		"rate reported, to that of bytes and time, at the least", 0.8, "times", false,
		"the clock starts before the first byte", "0.99",
	}
	rateShareAbove = Tolerance{
		"rate reported, to that of bytes and time, at the most", 1.25, "times", false,
		"the time of setup is counted or not, by version", "1.02",
	}
	cacheMisses = Tolerance{
		"pages not in xbzrle's cache, to the pages of RAM", 2, "times", false,
		"a page may be sent before the cache is asked for it", "0.75",
	}
)

// How little may be there, and how soon it has to be.
var (
	noticedWithin = Tolerance{
		"a source's notice of a fault", 5000, "ms", true,
		"it is told by its own next write to a connection that is broken, or when the destination exits", "300 ms",
	}
	noticedBefore = Tolerance{
		"a source's notice before the time of the fault", 100, "ms", true,
		"a fault on the link is timed after it was done", "2.8 ms",
	}
	fewestRegisters = Tolerance{
		"registers compared at the least", 24, "registers", false,
		"few registers prove next to nothing", "65 of x86_64, 28 of ppc64",
	}
	fewestDevices = Tolerance{
		"devices' registers at the least, where nobody counted how many were written", 8, "registers", false,
		"few registers prove next to nothing", "24 of a pc machine, 19 of q35, 14 of isapc",
	}
	fewestMeasures = Tolerance{
		"measures of a guest that has moved, at the least", 2, "measures", false,
		"the destination's threads and open files are measured after each move", "two, in every run whose guest was not suspended",
	}
)
