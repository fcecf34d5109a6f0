package record

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
}

// Workers is the table. A worker that is added here has the check "linux NAME".
func Workers() []Worker {
	return []Worker{
		{Name: "memory", Doc: "every byte that the guest wrote is in its memory, wherever it is", Grows: []string{"verified", "written"}},
		{Name: "clock", Doc: "no clock of the guest that may not go back does", Grows: []string{"looks"}, Judge: judgeClock},
		{Name: "cpu", Doc: "every register that a thread of the guest held had its value when it was looked at", Grows: []string{"holds"}, Judge: judgeCPU},
		{Name: "vcpus", Doc: "each vCPU of the guest goes on, by its own timer, and is woken by the others", Grows: []string{"beats"}, Judge: judgeVCPUs},
		{Name: "flags", Doc: "what the guest's vCPUs can do, by its kernel and by CPUID, does not change", Grows: []string{"looks"}},
	}
}

// judgeClock also says how long the guest was paused by its own clock.
func judgeClock(r *Record, w *WorkerFacts) (Outcome, string) {
	return pass("no clock went back in %d looks; the longest time between two was %.1f ms by the guest's own clock", w.After["looks"], float64(w.After["longest-gap-us"])/1000)
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
