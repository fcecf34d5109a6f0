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

		{Name: "block", Doc: "every byte that the guest wrote to its disks is on them, and no read, write or flush of theirs fails", Grows: []string{"verified", "written", "flushed"}},
	}
}

// judgeClock also says how long the guest was paused by its own clock.
func judgeClock(r *Record, w *WorkerFacts) (Outcome, string) {
	return pass("no clock went back in %d looks; the longest time between two was %.1f ms by the guest's own clock", w.After["looks"], float64(w.After["longest-gap-us"])/1000)
}
