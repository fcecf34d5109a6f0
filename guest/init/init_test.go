//go:build linux

package main

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/guest/wire"
)

// heard reads lines as drover does, until enough have come.
func heard(t *testing.T, r io.Reader, enough func([]wire.Line) bool) (all []wire.Line) {
	t.Helper()
	var rest []byte
	buf := make([]byte, 4096)
	for !enough(all) {
		n, err := r.Read(buf)
		require.NoError(t, err)
		var lines []wire.Line
		lines, _, rest = wire.Cut(append(rest, buf[:n]...))
		all = append(all, lines...)
	}
	return all
}

// heardReport reads until the counts of that report have come.
func heardReport(t *testing.T, r io.Reader, number uint64) []wire.Line {
	t.Helper()
	return heard(t, r, func(all []wire.Line) bool {
		told, _ := last[wire.Counts](t, all, wire.SaysCounts)
		return told.Report == number
	})
}

// last is the last line with that verb, as a message.
func last[T any](t *testing.T, lines []wire.Line, verb wire.Verb) (body T, ok bool) {
	t.Helper()
	for _, l := range lines {
		if l.Verb == verb {
			ok = true
			require.NoError(t, l.Into(&body))
		}
	}
	return body, ok
}

// aWitness is one whose lines can be read.
func aWitness(t *testing.T, options map[string]string) (*Witness, io.Reader) {
	t.Helper()
	r, w := io.Pipe()
	talk := newTalk(w)
	go talk.write()
	t.Cleanup(func() { _ = r.Close() })
	return &Witness{name: "tested", talk: talk, options: optionsOf(options), uses: &uses{}, counts: map[string]uint64{}}, r
}

func optionsOf(of map[string]string) options { return options{of: of} }

func TestEveryByteOfAPageThatChangesIsNoticed(t *testing.T) {
	m := &filledMemory{bytes: make([]byte, 3*pageSize), pages: make([]filledPage, 3)}
	for i := range m.pages {
		m.write(i)
		m.write(i)
	}
	w, r := aWitness(t, nil)
	go func() {
		for i := range m.pages {
			m.verify(i, w) // nothing is wrong
		}
		for _, at := range []int{pageSize, pageSize + 1, 2*pageSize - 1} {
			m.bytes[at] ^= 0x10
			m.verify(1, w)
			m.verify(1, w) // is not said twice
			m.write(1)
		}
		copy(m.page(2), m.page(0))
		m.verify(2, w)
	}()
	lines := heard(t, r, func(all []wire.Line) bool { return len(all) == 4 })
	for i, l := range lines[:3] {
		var c wire.Complaint
		require.NoError(t, l.Into(&c))
		require.Equal(t, "tested", c.Worker)
		require.Regexp(t, `^the byte at 0x[0-9a-f]+ is wrong: expected 0x[0-9a-f]+, found 0x[0-9a-f]+; 1 bytes of page 1, generation `, c.Text, i)
	}
	other, _ := last[wire.Complaint](t, lines, wire.SaysComplaint)
	require.Contains(t, other.Text, "of page 2, generation 2")
}

func TestAnOlderGenerationIsNamed(t *testing.T) {
	m := &filledMemory{bytes: make([]byte, pageSize), pages: make([]filledPage, 1)}
	m.write(0)
	old := strings.Clone(string(m.page(0)))
	m.write(0)
	copy(m.page(0), old)
	w, r := aWitness(t, nil)
	go m.verify(0, w)
	c, _ := last[wire.Complaint](t, heard(t, r, func(all []wire.Line) bool { return len(all) == 1 }), wire.SaysComplaint)
	require.Contains(t, c.Text, "that is what it had 1 generations before")
}

func TestWorkersGoOnUntilTheyAreStopped(t *testing.T) {
	// Those are tried in a guest that has their devices, and a log that is its own: see migration.
	ofDevices := []string{"block", "net", "address", "rng", "serial", "hosts", "log", "display", "gpu", "watchdog", "input", "usb", "dimm", "tpm"}
	for _, worker := range workers() {
		if slices.Contains(ofDevices, worker.Name()) {
			continue
		}
		t.Run(worker.Name(), func(t *testing.T) {
			w, r := aWitness(t, map[string]string{"memory": "1"})
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- worker.Run(ctx, w) }()
			heard(t, r, func(all []wire.Line) bool { return len(all) > 0 })
			w.ask(7)
			lines := heard(t, r, func(all []wire.Line) bool { return len(all) > 0 })
			c, ok := last[wire.Counts](t, lines, wire.SaysCounts)
			require.True(t, ok, "%s", lines)
			require.Equal(t, uint64(7), c.Report)
			require.GreaterOrEqual(t, c.Rounds, uint64(3))
			stop()
			require.NoError(t, <-ended)
		})
	}
}

// TestAReportIsAnsweredByARoundThatBeganAfterIt: the one that goes on when it comes has looked at
// a part of what there is before.
func TestAReportIsAnsweredByARoundThatBeganAfterIt(t *testing.T) {
	w, r := aWitness(t, nil)
	go func() {
		w.Round()
		w.ask(3)
		w.Round() // began before
		w.Add("looked", 5)
		w.Round()
		w.Round() // nobody asks
		w.tellNow(4)
	}()
	lines := heard(t, r, func(all []wire.Line) bool { return len(all) == 3 })
	var reports, rounds []uint64
	for _, l := range lines {
		var c wire.Counts
		require.NoError(t, l.Into(&c))
		reports, rounds = append(reports, c.Report), append(rounds, c.Rounds)
	}
	require.Equal(t, []uint64{0, 3, 4}, reports)
	require.Equal(t, []uint64{1, 3, 4}, rounds)
}

// TestAQuestionIsNotedBeforeItIsAnswered, whichever it is: what a worker finds from then on, it
// found in a guest that had booted.
func TestAQuestionIsNotedBeforeItIsAnswered(t *testing.T) {
	for name, ask := range map[string]func(w *Witness, number uint64){
		"tell": (*Witness).tellNow, "report": (*Witness).ask,
		"report to one that rests": func(w *Witness, number uint64) { w.rest(true); w.ask(number) },
	} {
		t.Run(name, func(t *testing.T) {
			w, r := aWitness(t, nil)
			w.whenAsked(func() { w.Add("asked", 1) })
			go func() {
				w.Round()
				ask(w, 1)
				w.Round()
				w.Round()
				w.tellNow(2)
			}()
			asked := map[uint64]uint64{}
			for _, l := range heardReport(t, r, 2) {
				var c wire.Counts
				require.NoError(t, l.Into(&c))
				asked[c.Report] = c.Counts["asked"]
			}
			require.Equal(t, map[uint64]uint64{0: 0, 1: 1, 2: 2}, asked)
		})
	}
}

// A sleepyWorker does nothing until it is stopped, or what it is told to.
type sleepyWorker struct{ do func(w *Witness) error }

func (sleepyWorker) Name() string { return "sleepy" }
func (s sleepyWorker) Run(ctx context.Context, w *Witness) error {
	if s.do != nil {
		return s.do(w)
	}
	w.Round()
	<-ctx.Done()
	return nil
}

// TestAWorkerThatIsToBeginLaterRestsUntilItIsStarted, and answers meanwhile.
func TestAWorkerThatIsToBeginLaterRestsUntilItIsStarted(t *testing.T) {
	w, r := aWitness(t, nil)
	c := &crew{talk: w.talk, programs: newPrograms(w.talk, t.TempDir()), hands: []*hand{{worker: sleepyWorker{}, witness: w}}}
	c.startAll([]string{sleepyWorker{}.Name()})
	go c.do(wire.Command{Verb: wire.Report, Number: 1})
	lines := heard(t, r, func(all []wire.Line) bool { return len(all) == 2 })
	counts, ok := last[wire.Counts](t, lines, wire.SaysCounts)
	require.True(t, ok)
	require.True(t, counts.Rests)
	require.Zero(t, counts.Rounds)
	go c.do(wire.Command{Verb: wire.Start, Number: 2, Worker: sleepyWorker{}.Name()})
	heard(t, r, func(all []wire.Line) bool {
		counts, ok := last[wire.Counts](t, all, wire.SaysCounts)
		return ok && counts.Rounds == 1 && !counts.Rests
	})
	c.hands[0].rest()
}

func TestCommandsAreObeyedAndAnswered(t *testing.T) {
	w, r := aWitness(t, nil)
	c := &crew{talk: w.talk, programs: newPrograms(w.talk, t.TempDir()), hands: []*hand{{worker: sleepyWorker{}, witness: w}}}
	c.startAll(nil)
	heard(t, r, func(all []wire.Line) bool { return len(all) == 1 })
	commands, send := io.Pipe()
	go c.obey(commands)
	tell := func(number uint64, verb wire.Verb) []wire.Line {
		l, err := wire.New(number, 0, verb, wire.Command{Verb: verb, Number: number})
		require.NoError(t, err)
		_, err = send.Write(l.Append([]byte("noise ")))
		require.NoError(t, err)
		return heard(t, r, func(all []wire.Line) bool {
			done, ok := last[wire.Command](t, all, wire.SaysDone)
			return ok && done.Number == number
		})
	}
	tell(1, wire.Stop)
	lines := tell(2, wire.Report)
	counts, ok := last[wire.Counts](t, lines, wire.SaysCounts)
	require.True(t, ok)
	require.True(t, counts.Rests, "one that rests answers at once")
	require.Equal(t, uint64(2), counts.Report)
	tell(3, wire.Start)
	tell(4, wire.Start)
	tell(5, wire.Tell)
	tell(6, wire.Stop)
}

func TestAWorkerThatBreaksOrCanNotWatchComplains(t *testing.T) {
	for want, do := range map[string]func(*Witness) error{
		"the worker itself broke: ouch": func(*Witness) error { panic("ouch") },
		"the worker can't watch: EOF":   func(*Witness) error { return io.EOF },
	} {
		w, r := aWitness(t, nil)
		h := &hand{worker: sleepyWorker{do}, witness: w}
		h.start()
		c, _ := last[wire.Complaint](t, heard(t, r, func(all []wire.Line) bool { return len(all) == 1 }), wire.SaysComplaint)
		require.Equal(t, want, c.Text)
		h.rest()
	}
}

func TestComplaintsAreBounded(t *testing.T) {
	w, r := aWitness(t, nil)
	go func() {
		for i := range 2 * mostComplaints {
			w.Complain("number %d", i)
		}
		w.tellNow(1)
	}()
	lines := heard(t, r, func(all []wire.Line) bool { _, ok := last[wire.Counts](t, all, wire.SaysCounts); return ok })
	require.Len(t, lines, mostComplaints+1)
	c, _ := last[wire.Counts](t, lines, wire.SaysCounts)
	require.Equal(t, uint64(2*mostComplaints), c.Counts["complaints"])
}

func TestClocksAreRead(t *testing.T) {
	for _, id := range []uintptr{clockRealtime, clockMonotonic, clockMonotonicRaw, clockBoottime} {
		before := clock(id)
		require.Positive(t, before)
		require.GreaterOrEqual(t, clock(id), before)
	}
	require.InDelta(t, float64(time.Now().UnixNano()), float64(clock(clockRealtime)), float64(time.Minute))
	require.Positive(t, cpusOnline())
	require.NotEqual(t, "unknown", release())
}

func TestEveryWorkerIsNamedOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, w := range workers() {
		require.False(t, seen[w.Name()], w.Name())
		seen[w.Name()] = true
	}
	_, ok := workerOf("memory")
	require.True(t, ok)
	_, ok = workerOf("juggler")
	require.False(t, ok)
}
