//go:build linux

package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/drover-vm/drover/guest/wire"
)

// A Worker watches a part of the machine, and says what is wrong with it. To add one, write
// worker_NAME.go with a type that has these methods, and add it to the table below, to
// record's (record.Workers) and to package guest's (who has it: guest.Workers).
type Worker interface {
	// Name is a word: what drover calls it, and its check.
	Name() string
	// Run watches until ctx ends: it calls w.Round each time it has looked at all that it
	// has, which must be every second at least, and w.Complain for what it finds wrong. It
	// may be called again after it has returned. An error is why it can't watch: a device
	// that it needs and the guest hasn't.
	Run(ctx context.Context, w *Witness) error
}

// workers is the table of all.
func workers() []Worker {
	return append([]Worker{
		memoryWorker{},
		clockWorker{},
		vcpusWorker{},
		flagsWorker{},
		interruptsWorker{},
		logWorker{},

		blockWorker{},
		netWorker{},
		addressWorker{},
		rngWorker{},
		serialWorker{},
		hostsWorker{},
		displayWorker{},
		gpuWorker{},
		watchdogWorker{},
		inputWorker{},
		usbWorker{},
		dimmWorker{},
		tpmWorker{},
	}, cpuWorkers()...)
}

// workerOf returns the worker of that name.
func workerOf(name string) (Worker, bool) {
	for _, w := range workers() {
		if w.Name() == name {
			return w, true
		}
	}
	return nil, false
}

// A Witness is how a worker says what it sees. It is safe for concurrent use.
type Witness struct {
	name    string
	talk    *talk
	options options
	uses    *uses

	mu         sync.Mutex
	rounds     uint64
	counts     map[string]uint64
	complaints int
	asked      func() // what is to be done whenever drover asks, before it is answered; nil for nothing
	report     uint64 // that was asked for and not answered; 0 for none
	from       uint64 // the round with which all has been looked at since
	rests      bool
}

// Option is what drover said for the worker on the kernel's command line, as
// drover.NAME=VALUE; empty where it said nothing.
func (w *Witness) Option(name string) string { return w.options.value(name) }

// Devices are drover's names of the devices that a worker of that name is to watch.
func (w *Witness) Devices(worker string) []string {
	return strings.FieldsFunc(w.Option(worker+"-devices"), func(r rune) bool { return r == ',' })
}

// Add adds to one of the worker's counts.
func (w *Witness) Add(name string, n uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[name] += n
}

// Set sets one of the worker's counts.
func (w *Witness) Set(name string, n uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[name] = n
}

// Max makes one of the worker's counts at least n.
func (w *Witness) Max(name string, n uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[name] = max(w.counts[name], n)
}

// Round notes that the worker has looked at all that it has, once more, and says its counts
// where that is the first time, or the answer to a report. Reported says that it was: what
// was counted for the report may begin anew.
func (w *Witness) Round() (reported bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rounds++
	w.counts["rounds"] = w.rounds
	reported = w.report != 0 && w.rounds >= w.from
	if reported || w.rounds == 1 {
		c := w.said()
		if reported {
			c.Report, w.report = w.report, 0
		}
		w.talk.say(wire.SaysCounts, c)
	}
	return reported
}

func (w *Witness) said() wire.Counts {
	counts := make(map[string]uint64, len(w.counts))
	for name, n := range w.counts {
		counts[name] = n
	}
	return wire.Counts{Worker: w.name, Rounds: w.rounds, Counts: counts, Rests: w.rests}
}

// mostComplaints bounds what a worker says that it found wrong; its count goes on.
const mostComplaints = 16

// Complain says what is wrong, in a sentence: where, what was expected, what was found.
func (w *Witness) Complain(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts["complaints"]++
	if w.complaints++; w.complaints > mostComplaints {
		return
	}
	w.talk.say(wire.SaysComplaint, wire.Complaint{Worker: w.name, Text: fmt.Sprintf(format, args...)})
}

// ask wants the counts, once the worker has looked at all that it has. The round that it is
// in began before, so it is the one after that.
func (w *Witness) ask(number uint64) {
	w.noteAsked()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.report, w.from = number, w.rounds+2
	if w.rests { // nobody will
		w.report = 0
		w.tell(number)
	}
}

// tellNow says the counts as they are.
func (w *Witness) tellNow(number uint64) {
	w.noteAsked()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tell(number)
}

func (w *Witness) tell(number uint64) {
	c := w.said()
	c.Report = number
	w.talk.say(wire.SaysCounts, c)
}

// whenAsked has do called whenever drover asks for the worker's counts, before they are said.
func (w *Witness) whenAsked(do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = do
}

func (w *Witness) noteAsked() {
	w.mu.Lock()
	do := w.asked
	w.mu.Unlock()
	if do != nil {
		do()
	}
}

func (w *Witness) rest(rests bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rests = rests
}

// rest waits for so long, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
