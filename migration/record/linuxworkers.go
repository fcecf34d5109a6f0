package record

import (
	"fmt"
	"math"
	"regexp"
	"strings"
)

// A Worker is a row of the table of what watches in a Linux guest: guest/init has a file
// worker_NAME.go for each.
type Worker struct {
	Name string
	Doc  string // what holds where its check passes
	// Grows are the counts that must have grown between two looks at a guest that runs.
	Grows []string
	// Judge is a pure function that judges what these don't, nil for nothing more. It is
	// called where the worker has answered, complains of nothing, and what must grow has.
	Judge func(r *Record, w *WorkerFacts) (Outcome, string)
	// Lateness says of a complaint that a host may be to blame for it which gives the guest no
	// time; nil for none.
	Lateness func(complaint string) bool
}

// Workers is the table. A worker that is added here has the check "linux NAME".
func Workers() []Worker {
	return []Worker{
		{Name: "memory", Doc: "every byte that the guest wrote is in its memory, wherever it is", Grows: []string{"verified", "written"}},
		{Name: "clock", Doc: "no clock of the guest that may not go back does, CLOCK_REALTIME is not set, and the time that the guest lost against the host is that in which it was paused", Grows: []string{"looks"}, Judge: judgeClock},
		{Name: "cpu", Doc: "every register that a thread of the guest held had its value when it was looked at", Grows: []string{"holds"}, Judge: judgeCPU},
		{Name: "vcpus", Doc: "each vCPU of the guest goes on, by its own timer, and is woken by the others", Grows: []string{"beats"}, Judge: judgeVCPUs},
		{Name: "flags", Doc: "what the guest's vCPUs can do, by its kernel and by CPUID, does not change", Grows: []string{"looks"}},
		{
			Name: "interrupts", Doc: "each device that the guest uses interrupts it, and each vCPU's timer does", Grows: []string{"looks"}, Judge: judgeInterrupts,
			Lateness: regexp.MustCompile(`^no interrupt of `).MatchString,
		},
		{
			Name: "log", Doc: "the guest's kernel says nothing of a fault that it did not say before it moved", Grows: []string{"read"}, Judge: judgeLog,
			Lateness: func(complaint string) bool {
				return strings.HasPrefix(complaint, "the kernel log, ") && !kernelFault.MatchString(complaint)
			},
		},

		{Name: "block", Doc: "every byte that the guest wrote to its disks is on them, and no read, write or flush of theirs fails", Grows: []string{"verified", "written", "flushed"}},
		{Name: "net", Doc: "the guest's connection goes on with every byte, and of its datagrams few are lost or come twice", Grows: []string{"tcp-verified", "udp-verified"}, Judge: judgeNet},
		{Name: "address", Doc: "the guest's network device lets in frames to a further address of the guest's", Grows: []string{"answers"}},
		{Name: "rng", Doc: "the guest's random number generator gives random bytes", Grows: []string{"bytes"}},
		{Name: "serial", Doc: "what the guest sends through a serial port comes back, but for what is under way at the switchover", Grows: []string{"echoed"}, Judge: judgeSerial},
		{Name: "hosts", Doc: "the guest sees who is at the other ends of its serial ports: one who was there only before it moved, and one who is there only since", Grows: []string{"looks"}, Judge: judgeHosts},
		{Name: "display", Doc: "what the guest's display shows, its mode and its colours are what the guest set", Grows: []string{"verified", "written", "registers"}},
		{Name: "gpu", Doc: "what QEMU shows of the guest's virtio-gpu is what the guest drew, also before it runs on, and is the next frame then", Grows: []string{"frames"}, Judge: judgeGPU},
		{Name: "input", Doc: "the guest hears what is typed at its keyboard, and clicked and moved with its tablet, wherever it is", Grows: []string{"looks"}, Judge: judgeInput},
		{Name: "usb", Doc: "each USB device of the guest answers, and says who it is as before", Grows: []string{"answers"}},
		{
			Name: "watchdog", Doc: "a watchdog that the guest feeds does not fire", Grows: []string{"fed"},
			Lateness: regexp.MustCompile(`^the watchdog has fired`).MatchString,
		},
		{Name: "dimm", Doc: "every byte that the guest wrote is in its memory that was plugged, wherever it is", Grows: []string{"verified", "written"}, Judge: judgeDIMM},
		{
			Name: "tpm", Doc: "the guest's TPM has what was extended into its PCR and written to its NV index, and its clock goes on", Grows: []string{"verified", "nv-verified", "extended"}, Judge: judgeTPM,
			Lateness: regexp.MustCompile(`^the TPM, .* found TPM2_\w+: timer expired\b`).MatchString,
		},
	}
}

// judgeClock holds the guest's clock against the host's: QEMU stops it while the guest is paused,
// and at no other time. It also says how long the guest was paused by its own clock.
func judgeClock(r *Record, w *WorkerFacts) (Outcome, string) {
	said := fmt.Sprintf("no clock went back in %d looks; the longest time between two was %.1f ms by the guest's own clock", w.After["looks"], float64(w.After["longest-gap-us"])/1000)
	lost, paused := r.Linux.ClockLostMS, r.gap()
	if lost == nil || r.Ends != OnDestination || math.IsNaN(paused) {
		return pass("%s", said)
	}
	if math.Abs(*lost-paused) > r.allow(clockLost) {
		return r.late("the guest's clock lost %.0f ms against the host's in the move, where the guest was paused for %.0f ms", *lost, paused)
	}
	return pass("%s; it lost %.0f ms against the host's in the move, where the guest was paused for %.0f ms", said, *lost, paused)
}

// judgeCPU says how much of the time there was something to lose.
func judgeCPU(r *Record, w *WorkerFacts) (Outcome, string) {
	return pass("%d registers had their values after each of %d times that a thread held them, %.1f s in all", w.After["registers"], w.After["holds"], float64(w.After["held-us"])/1e6)
}

// judgeVCPUs also wants them to have woken each other, where there are several.
func judgeVCPUs(r *Record, w *WorkerFacts) (Outcome, string) {
	const handovers = "handovers"
	if r.Linux.Online > 1 && w.After[handovers] <= w.Before[handovers] {
		return r.late("the guest's vCPUs no longer wake each other on the %s: a token was handed on %d times, and then %d", r.Linux.Side, w.Before[handovers], w.After[handovers])
	}
	return pass("%d vCPUs woke up %d times by their own timers, and %d times by each other", r.Linux.Online, w.After["beats"], w.After[handovers])
}

// kernelFault are messages that no lack of time explains: of most others, lockups and stalls
// among them, a kernel says that it got none.
var kernelFault = regexp.MustCompile(`found ".*(Oops|BUG: (?:kernel|unable|Bad|KASAN|sleeping|scheduling)|[Kk]ernel panic|general protection|nable to handle|segfault|I/O error|[Cc]orrupt|Uhhuh)`)

// judgeLog says how much was read.
func judgeLog(r *Record, w *WorkerFacts) (Outcome, string) {
	return pass("the kernel's log goes on, and has no warning that it had not before: %d messages were read", w.After["lines"])
}

// Datagrams that may be lost, or come twice, however few were sent: those that were under way
// when the guest was paused.
const (
	netAtSwitchover = 25
	netOneIn        = 20 // and of those that were sent
)

// judgeNet judges what the network may do to datagrams, and a switchover does, by its extent.
func judgeNet(r *Record, w *WorkerFacts) (Outcome, string) {
	sent, counted := w.After["udp-sent"]
	if !counted {
		return unknown("how many datagrams the guest sent")
	}
	most := netAtSwitchover + sent/netOneIn
	for _, c := range []struct{ count, what string }{{"udp-lost", "are lost"}, {"udp-doubled", "came twice"}} {
		if n := w.After[c.count]; n > most {
			return fail("%d of %d datagrams %s, expected %d at most", n, sent, c.what, most)
		}
	}
	return pass("every byte of %d of the connection came back, the longest wait took %.1f ms; of %d datagrams %d are lost, %d came twice and %d late",
		w.After["tcp-verified"], float64(w.After["longest-tcp-us"])/1000, sent, w.After["udp-lost"], w.After["udp-doubled"], w.After["udp-late"])
}

// Lines of the serial port that may be lost or damaged, however few were sent: QEMU takes no
// bytes along that are in its chardev when the guest is paused.
const (
	serialAtSwitchover = 5
	serialOneIn        = 20 // and of those that were sent
)

// judgeSerial judges how many lines are lost by how many were sent.
func judgeSerial(r *Record, w *WorkerFacts) (Outcome, string) {
	sent, counted := w.After["sent"]
	if !counted {
		return unknown("how many lines the guest sent through the serial port")
	}
	most := serialAtSwitchover + sent/serialOneIn
	for _, c := range []string{"lost", "damaged"} {
		if n := w.After[c]; n > most {
			return fail("%d of %d lines through the serial port are %s, expected %d at most", n, sent, c, most)
		}
	}
	return pass("%d of %d lines through the serial port came back: %d are lost, %d came late and %d damaged",
		w.After["echoed"], sent, w.After["lost"], w.After["late"], w.After["damaged"])
}

// hostsLooks are so many that a guest had the time to see what it did not, however busy the host was.
const hostsLooks = 20

// judgeHosts wants each of the ports to have changed, once the guest has moved.
func judgeHosts(r *Record, w *WorkerFacts) (Outcome, string) {
	for _, port := range []struct{ name, was, is string }{{"leaving", "open", "closed"}, {"coming", "closed", "open"}} {
		was, is := port.name+"-"+port.was, port.name+"-"+port.is
		switch {
		case w.After[was] == 0:
			return unsure("the guest never saw its serial port drover.%s %s: there was nothing to change", port.name, port.was)
		case w.After[is] <= w.Before[is]:
			say := r.late
			if w.After["looks"]-w.Before["looks"] >= hostsLooks {
				say = fail
			}
			return say("the guest sees its serial port drover.%s %s on the %s, expected it to be %s, by who is at its other end there", port.name, port.was, r.Linux.Side, port.is)
		}
	}
	return pass("the guest saw that somebody had left its one serial port in %d looks, and come to its other in %d", w.After["leaving-closed"], w.After["coming-open"])
}

// judgeDIMM wants the pages to lie in the DIMM, or they say nothing of it.
func judgeDIMM(_ *Record, w *WorkerFacts) (Outcome, string) {
	pages, counted := w.After["dimm-pages"]
	switch {
	case !counted:
		return unknown("how many of the guest's pages lie in the DIMM")
	case pages == 0:
		return fail("0 of the guest's pages lie in the DIMM, expected some")
	}
	return pass("nothing was wrong with %d pages in the DIMM: %d verified, %d written", pages, w.After["verified"], w.After["written"])
}

// judgeTPM says how much there was to lose.
func judgeTPM(_ *Record, w *WorkerFacts) (Outcome, string) {
	return pass("the TPM's PCR was right after each of %d extends, and its NV index %d times after %d writes", w.After["extended"], w.After["nv-verified"], w.After["nv-written"])
}
