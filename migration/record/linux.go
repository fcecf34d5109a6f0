package record

import (
	"fmt"
	"slices"
	"strings"

	"github.com/drover-vm/drover/fixtures"
)

func (r *Record) isLinux() bool { return r.Program == fixtures.Linux }

// LinuxFacts are what a Linux guest has said of itself, where it was asked last.
type LinuxFacts struct {
	Side        string         `strict:"optional"` // where it was asked last: source or destination
	Kernel      string         `strict:"optional"` // its release
	Port        string         `strict:"optional"` // what it talks through
	BootSeconds float64        `strict:"optional"` // that its kernel took, by its own clock
	CPUs        int            // that it was to have
	Online      int            `strict:"optional"` // that it has
	Devices     []string       `json:",omitempty"` // that it was to have
	Planned     []string       // the workers that it was to have
	Workers     []WorkerFacts  `json:",omitempty"`
	Pictures    []PictureFacts `json:",omitempty"` // in the order in which QEMU was asked for them
	Inputs      []InputFacts   `json:",omitempty"` // in the order in which they were used
	// ClockLostMS is by how much its clock (CLOCK_MONOTONIC) is further behind the host's on the
	// destination than it was on the source; nil where nobody can tell.
	ClockLostMS *float64 `json:",omitempty"`
	Restarted   bool     `json:",omitempty"` // it has booted again, which nobody wanted
	Problems    []string `json:",omitempty"` // that it had when it started
	// Lines of its own that were lost on their way here, came twice, and came damaged, which
	// are lost as well.
	Lost, Doubled, Damaged int `strict:"optional"`
}

// WorkerFacts are what a worker in the guest has done and found.
type WorkerFacts struct {
	Name string
	// Before are its counts when it was asked on the side where it was asked last, and After
	// once it had looked at all that it has since.
	Before map[string]uint64 `strict:"optional"`
	After  map[string]uint64 `strict:"optional"`
	Silent bool              `json:",omitempty"` // it did not answer in time
	// Complaints are the first MaxListed sentences about what it found wrong, and Total is how
	// many there were.
	Complaints []string `json:",omitempty"`
	Total      int      `json:",omitempty"`
}

// next are the facts of the guest's next way, of which nothing is known yet but what it is.
func (f *LinuxFacts) next() *LinuxFacts {
	if f == nil {
		return nil
	}
	return &LinuxFacts{
		Kernel: f.Kernel, Port: f.Port, BootSeconds: f.BootSeconds, CPUs: f.CPUs, Online: f.Online, Devices: f.Devices, Planned: f.Planned,
	}
}

// notForLinux says of the checks that judge what only a guest program has why a Linux guest
// gives them nothing to judge.
func notForLinux() map[string]string {
	return map[string]string{
		"workload":      "the guest is Linux, and has no guest program's pattern in its memory: its worker memory looks at pages of its own",
		"memory":        "the guest is Linux, and writes anywhere in its RAM: no byte need be what it was on the source",
		"devices":       "the guest is Linux, whose drivers own the devices' registers: its workers use the devices",
		"quickest move": "the guest is Linux, and how many pages it writes meanwhile is not known",
	}
}

// linuxLossOf says whether a check failed that fails when the kernel, or a worker, has lost what
// it wrote: it then does anything, up to booting again.
func (r *Record) linuxLossOf(check string) bool {
	switch {
	case check == "guest lives", check == "downtime", check == "steps": // those of a guest that never said a word again
		return r.Life != nil && r.Life.Running && (r.Life.Heartbeats == 0 || r.Linux != nil && r.Linux.Restarted)
	case strings.HasPrefix(check, "linux "):
		return r.Linux != nil
	}
	return false
}

// judgeBeats judges the signs of life of a Linux guest that runs by its QEMU's account.
func (l LifeFacts) judgeBeats() (Outcome, string) {
	switch {
	case l.Beats.After <= l.Beats.Before || l.Heartbeats == 0:
		return fail("no sign of life came from the guest on the %s for %.1f s; the last was its number %d", l.Side, l.Seconds, l.Beats.Before)
	case l.Heartbeats < 0 || l.Seconds < 0:
		return unsure("%d signs of life in %g s were gathered on the %s", l.Heartbeats, l.Seconds, l.Side)
	}
	return pass("the guest's signs of life went on from number %d to %d", l.Beats.Before, l.Beats.After)
}

// judgeLinux judges what the guest is, and whether what it said came.
func judgeLinux(r *Record) (Outcome, string) {
	f := r.Linux
	switch {
	case f == nil || f.Kernel == "":
		return unknown("what the Linux guest is")
	case f.unjudged() != "":
		return unsure("the guest was to have the worker %q, of which no check is known here", f.unjudged())
	case f.Restarted:
		return fail("the guest has booted again: what it wrote last on its console may say why")
	case len(f.Problems) > 0:
		return fail("the guest says: %s", strings.Join(f.Problems, "; "))
	case f.Online != f.CPUs:
		return fail("the guest has %d vCPUs online, expected %d", f.Online, f.CPUs)
	case f.Lost > 0:
		return fail("%d of the lines that the guest wrote are lost (%d came damaged), expected all", f.Lost, f.Damaged)
	case f.Doubled > 0:
		return fail("%d of the lines that the guest wrote came twice", f.Doubled)
	case f.Lost < 0 || f.Doubled < 0 || f.CPUs < 1:
		return unsure("%d lines were lost, %d came twice, and the guest was to have %d vCPUs", f.Lost, f.Doubled, f.CPUs)
	case r.Ends == OnDestination && f.Side != "destination":
		return unsure("the guest was asked last on the %q, and it is on the destination", f.Side)
	}
	return pass("Linux %s with %d vCPUs and %s booted in %.1f s by its own clock, and every line that it wrote came", f.Kernel, f.Online, joined(f.Devices), f.BootSeconds)
}

func joined(names []string) string {
	if len(names) == 0 {
		return "no device"
	}
	return strings.Join(names, ", ")
}

// unjudged is a worker that the guest was to have and that has no check, "" for none.
func (f *LinuxFacts) unjudged() string {
	for _, name := range f.Planned {
		if !slices.ContainsFunc(Workers(), func(w Worker) bool { return w.Name == name }) {
			return name
		}
	}
	return ""
}

// worker is what a worker has said, nil where it has said nothing.
func (f *LinuxFacts) worker(name string) *WorkerFacts {
	for i := range f.Workers {
		if f.Workers[i].Name == name {
			return &f.Workers[i]
		}
	}
	return nil
}

// judgeWorker judges what any worker has said: it has answered, it has found nothing wrong, and
// what it does has gone on since it was asked.
func (w Worker) judge(r *Record) (Outcome, string) {
	if r.Linux == nil {
		return unknown("what the worker " + w.Name + " says")
	}
	f := r.Linux.worker(w.Name)
	switch {
	case f == nil:
		return unknown("what the worker " + w.Name + " says")
	case f.Total > 0 && len(f.Complaints) > 0:
		more := ""
		if f.Total > 1 {
			more = fmt.Sprintf("; it found %d things wrong", f.Total)
		}
		if i := slices.IndexFunc(f.Complaints, func(text string) bool { return w.Lateness == nil || !w.Lateness(text) }); i >= 0 {
			return fail("%s%s", f.Complaints[i], more)
		}
		return r.late("%s%s", f.Complaints[0], more)
	case f.Total != 0 || len(f.Complaints) > 0:
		return unsure("the worker %s found %d things wrong, and %d of them are listed", w.Name, f.Total, len(f.Complaints))
	case r.Linux.Restarted:
		return unsure("the guest has booted again: what its worker %s says is of no use", w.Name)
	case f.Silent:
		return r.late("the guest's worker %s did not answer on the %s: it stands still", w.Name, r.Linux.Side)
	}
	for _, name := range w.Grows {
		before, there := f.Before[name]
		after, andThen := f.After[name]
		if !there || !andThen {
			return unknown(fmt.Sprintf("the worker %s's count %q", w.Name, name))
		}
		if after <= before {
			return r.late("%s of the guest's worker %s stand still on the %s: there were %d, and then %d", name, w.Name, r.Linux.Side, before, after)
		}
	}
	if w.Judge != nil {
		return w.Judge(r, f)
	}
	return pass("%s", w.counted(f))
}

// counted says what has grown, in words.
func (w Worker) counted(f *WorkerFacts) string {
	var all []string
	for _, name := range w.Grows {
		all = append(all, fmt.Sprintf("%d %s", f.After[name], name))
	}
	return "nothing was wrong: " + strings.Join(all, ", ")
}

// workerChecks are a check for each worker.
func workerChecks() (all []Check) {
	for _, w := range Workers() {
		all = append(all, Check{
			Name: "linux " + w.Name, Doc: w.Doc, Ends: []Ending{OnDestination, OnSource},
			Asked: func(r *Record) bool {
				return r.isLinux() && r.Linux != nil && slices.Contains(r.Linux.Planned, w.Name)
			},
			Facts: []Fact{FactLinux}, Judge: w.judge,
		})
	}
	return all
}
