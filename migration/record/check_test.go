package record

import (
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/fixtures"
)

// status is a MIGRATION event.
func status(at time.Time, status string) EventFacts {
	return EventFacts{Time: at, Name: "MIGRATION", Data: json.RawMessage(`{"status": "` + status + `"}`)}
}

// workload is memory in which its invariant holds.
func workload() *WorkloadFacts {
	return &WorkloadFacts{
		Range: fixtures.Range{Start: 1 << 20, End: 100 << 20}, Stride: 4096, Pages: 25344,
		Runs: []Run{{1 << 20, 344, 8}, {(1 << 20) + 344*4096, 25000, 7}},
	}
}

// counted is what a source reports of RAM, some of it changed.
func counted(change map[string]any) json.RawMessage {
	ram := map[string]any{
		"total": 157818880, "page-size": 4096, "remaining": 0, "transferred": 104978432, "duplicate": 13067,
		"normal": 25463, "normal-bytes": 104296448, "multifd-bytes": 104296448, "precopy-bytes": 0, "downtime-bytes": 0,
		"postcopy-bytes": 0, "pages-per-second": 200000, "dirty-pages-rate": 0, "mbps": 6042,
	}
	maps.Copy(ram, change)
	text, _ := json.Marshal(map[string]any{"status": "completed", "ram": ram})
	return text
}

// miscounted is a record whose source reports other counts, of a migration that took long
// enough to tell rates.
func miscounted(change map[string]any) func(r *Record) {
	return func(r *Record) {
		r.Migration.TotalMS, r.Recoveries = 1001, 0
		for _, side := range []*SideFacts{r.Source, r.Destination} {
			for i, e := range side.Events {
				if e.Name == "STOP" || e.Name == "RESUME" || statusOf(e) == "device" || statusOf(e) == "completed" {
					side.Events[i].Time = e.Time.Add(860 * time.Millisecond)
				}
			}
		}
		r.Standstill = nil
		change["mbps"] = cmp.Or(change["mbps"], any(840))
		r.Migration.Source = counted(change)
	}
}

// linger makes the guest stand longer.
func linger(r *Record) *Record {
	const longer = 400 * time.Millisecond
	for _, side := range []*SideFacts{r.Source, r.Destination} {
		for i, e := range side.Events {
			if e.Name == "RESUME" || statusOf(e) == "completed" {
				side.Events[i].Time = e.Time.Add(longer)
			}
		}
	}
	r.Standstill.FirstOnDestination = r.Standstill.FirstOnDestination.Add(longer)
	r.Migration.DowntimeMS += longer.Milliseconds()
	r.Migration.TotalMS += longer.Milliseconds()
	r.Migration.Source = counted(map[string]any{"mbps": 1558})
	return r
}

// good returns a record of a migration in which nothing went wrong.
func good() *Record {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return &Record{
		Format: Format, Scenario: "precopy/unix/plain", Arch: "x86_64", Started: at, Seconds: 2, MemoryMiB: 150,
		Steps: []StepFacts{{Name: "start", Seconds: 0.1}, {Name: "quit", Seconds: 0.1}},
		Source: &SideFacts{Events: []EventFacts{
			{Time: at.Add(100 * time.Millisecond), Name: "STOP"},
			status(at, "setup"), status(at, "active"), status(at.Add(100*time.Millisecond), "device"), status(at.Add(140*time.Millisecond), "completed"),
			{Time: at, Name: "MIGRATION_PASS", Data: json.RawMessage(`{"pass": 3}`)},
		}},
		Destination: &SideFacts{Events: []EventFacts{
			{Time: at.Add(142 * time.Millisecond), Name: "RESUME"},
			{Time: at.Add(time.Second), Name: "STOP"},
			status(at, "setup"), status(at, "active"), status(at.Add(150*time.Millisecond), "completed"),
		}},
		Parameters: map[string]json.RawMessage{"downtime-limit": json.RawMessage("300"), "multifd-channels": json.RawMessage("4")},
		Migration:  &MigrationFacts{TotalMS: 140, DowntimeMS: 41, SetupMS: 1, Passes: 3, Bytes: 100 << 20, Source: counted(nil), Destination: json.RawMessage(`{"status": "completed"}`)},
		Fault: &FaultFacts{
			What: "cut", At: at.Add(-time.Second), Status: "failed", Noticed: at.Add(-900 * time.Millisecond),
			Desc: "Unable to write to socket: Broken pipe", RAM: workload(),
		},
		Paced:      []Paced{{Seconds: 1, Bytes: 31e6, Limit: 30e6}},
		Standstill: &StandstillFacts{LastOnSource: at.Add(50 * time.Millisecond), FirstOnDestination: at.Add(200 * time.Millisecond), LongestSeconds: 0.3},
		Link:       &LinkFacts{Connections: []ConnectionFacts{{Forward: 60 << 20}, {Forward: 41 << 20}}},
		Life: &LifeFacts{
			Side: "destination", Running: true, Status: "running",
			Before: Reading{1 << 20, 7}, After: Reading{1 << 20, 8}, Heartbeats: 1,
		},
		Stand: &StandFacts{
			Status: "postmigrate", StatusAtEnd: "postmigrate",
			Before: Reading{1 << 20, 5}, After: Reading{1 << 20, 5},
		},
		Stillness: &StillnessFacts{Status: "paused", Pages: 38400, Seconds: 0.3},
		Workload:  workload(),
		Memory:    &MemoryFacts{Size: 150 << 20, Compared: 51 << 20},
		Exact:     &MemoryFacts{Size: 150 << 20, Compared: 150 << 20},
		Registers: &RegisterFacts{Compared: 200},
		Devices:   []DeviceFacts{{"the serial port's scratch register", 0xa5, 0xa5}},
		Measures:  []Measure{{"pages sent as differences", 20000, "pages", AtLeast(1000)}, {"connections", 5, "connections", Exactly(5)}},
		Teardown: &TeardownFacts{Exits: []ExitFacts{
			{Side: "source", State: "exit status 0", Clean: true},
			{Side: "destination", State: "exit status 0", Clean: true},
		}},
	}
}

// doctored is a good record with one thing made wrong, for each check at least
// one. The witness has to name what is wrong.
var doctored = []struct {
	check   string
	what    string
	doctor  func(r *Record)
	outcome Outcome
	witness []string
}{
	{"story", "a step failed", func(r *Record) { r.Error = "await switchover: the source's migration status is failed" }, Fail, []string{"await switchover", "failed"}},
	{"story", "no step was taken", func(r *Record) { r.Steps = nil }, Unknown, nil},

	{"guest lives", "the counter stands", func(r *Record) { r.Life.After = r.Life.Before }, Fail, []string{"0x100000", "stayed 7"}},
	{"guest lives", "it is paused", func(r *Record) { r.Life.Running, r.Life.Status = false, "paused" }, Fail, []string{"destination", "paused"}},
	{"guest lives", "the console is silent", func(r *Record) { r.Life.Heartbeats = 0 }, Fail, []string{"says nothing"}},
	{"guest lives", "the guest was reset", func(r *Record) { r.Life.Unexpected = "A" }, Fail, []string{`"A"`}},
	{"guest lives", "it was paused after a migration that was cancelled", func(r *Record) {
		r.EarlierLives = []LifeFacts{{Side: "source", Status: "paused"}}
	}, Fail, []string{"source", "paused"}},
	{"guest lives", "nobody looked", func(r *Record) { r.Life = nil }, Unknown, nil},

	{"one life", "it stopped for an earlier migration only", func(r *Record) {
		r.Source.Began = r.Started.Add(time.Second)
		for i := range r.Source.Events[1:] {
			r.Source.Events[1+i].Time = r.Source.Events[1+i].Time.Add(time.Second)
		}
	}, Fail, []string{"stopped 0 times"}},
	{"one life", "the source never stopped", func(r *Record) { r.Source.Events = r.Source.Events[1:] }, Fail, []string{"stopped 0 times"}},
	{"one life", "the source stopped twice", func(r *Record) { r.Source.Events = append(r.Source.Events, r.Source.Events[0]) }, Fail, []string{"stopped 2 times"}},
	{"one life", "the destination never ran", func(r *Record) { r.Destination.Events = r.Destination.Events[1:] }, Fail, []string{"resumed 0 times"}},
	{"one life", "both ran at once", func(r *Record) { r.Source.Events[0].Time = r.Source.Events[0].Time.Add(time.Second) }, Fail, []string{"03:04:05.142", "03:04:06.100"}},
	{"one life", "the source ran again", func(r *Record) {
		r.Source.Events = append(r.Source.Events, EventFacts{Time: r.Started.Add(2 * time.Second), Name: "RESUME"})
	}, Fail, []string{"ran again at 03:04:07"}},
	{"one life", "the source is not in postmigrate", func(r *Record) { r.Stand.Status = "paused" }, Fail, []string{"paused", "expected postmigrate"}},
	{"one life", "the source runs at the end", func(r *Record) { r.Stand.StatusAtEnd, r.Stand.RunningEnd = "running", true }, Fail, []string{"at the end", "running"}},
	{"one life", "the source's counter moved", func(r *Record) { r.Stand.After.Value = 9 }, Fail, []string{"0x100000", "from 5 to 9"}},

	{"events", "a status came twice", func(r *Record) {
		r.Destination.Events = append(r.Destination.Events, r.Destination.Events[4])
	}, Fail, []string{"destination", `from "completed" to "completed"`}},
	{"events", "one was left out", func(r *Record) { r.Source.Events = slices.Delete(r.Source.Events, 2, 3) }, Fail, []string{"source", `from "setup" to "device"`}},
	{"events", "the last is missing", func(r *Record) { r.Source.Events = r.Source.Events[:4] }, Fail, []string{`"device", expected "completed"`}},
	{"events", "a recovery that was not begun", func(r *Record) {
		r.Source.Events = slices.Insert(r.Source.Events, 4, status(r.Started, "postcopy-active"), status(r.Started, "postcopy-paused"),
			status(r.Started, "postcopy-recover"), status(r.Started, "postcopy-active"))
	}, Fail, []string{"paused 1 times", "0 recoveries"}},
	{"events", "there are none", func(r *Record) { r.Destination.Events = r.Destination.Events[:2] }, Fail, []string{"destination", "completed"}},

	{"reported", "no downtime", func(r *Record) { r.Migration.DowntimeMS = 0 }, Fail, []string{"downtime of 0 ms", "40 ms after"}},
	{"reported", "another total", func(r *Record) { r.Migration.TotalMS = 14 }, Fail, []string{"total time of 14 ms", "140 ms apart"}},
	{"reported", "a setup that took longer than it did", func(r *Record) { r.Migration.SetupMS = 260 }, Fail, []string{"setup time of 260 ms", "active 0 ms after"}},
	{"reported", "fewer passes", func(r *Record) { r.Migration.Passes = 2 }, Fail, []string{"2 dirty bitmap syncs", "said 3"}},
	{"reported", "a pass that came twice", func(r *Record) { r.Source.Events = append(r.Source.Events, r.Source.Events[5]) }, Fail, []string{"said 3 after 3"}},
	{"reported", "another status than its events'", func(r *Record) {
		r.Migration.Destination = json.RawMessage(`{"status": "active"}`)
	}, Fail, []string{"destination", `"active"`, "completed"}},
	{"reported", "more bytes", func(r *Record) { r.Migration.Bytes *= 2 }, Fail, []string{"209715200", "105906176 went over the link"}},
	{"reported", "fewer bytes than channels carried compressed", func(r *Record) {
		r.Parameters["multifd-compression"] = json.RawMessage(`"zlib"`)
		r.Migration.Bytes /= 2
	}, Fail, []string{"52428800"}},
	{"reported", "when it began is not known", func(r *Record) { r.Source.Events = slices.Delete(r.Source.Events, 1, 2) }, Unknown, nil},

	{"counts", "another page size", miscounted(map[string]any{"page-size": 8192}), Fail, []string{"page-size of 8192"}},
	{"counts", "less RAM", miscounted(map[string]any{"total": 1 << 20}), Fail, []string{"total of 1048576", "157286400"}},
	{"counts", "something is left", miscounted(map[string]any{"remaining": 4096}), Fail, []string{"4096 bytes remaining"}},
	{"counts", "more pages than bytes", miscounted(map[string]any{"normal": 50926}), Fail, []string{"50926 whole pages", "normal-bytes 104296448"}},
	{"counts", "no zero pages", miscounted(map[string]any{"duplicate": 0}), Fail, []string{"0 zero pages", "157818880"}},
	{"counts", "nothing transferred", miscounted(map[string]any{"transferred": 0}), Fail, []string{"0 bytes transferred"}},
	{"counts", "a fifth more transferred", miscounted(map[string]any{"transferred": 125974118}), Fail, []string{"125974118 bytes transferred"}},
	{"counts", "a part is missing", miscounted(map[string]any{"multifd-bytes": 0}), Fail, []string{"multifd-bytes 0"}},
	{"counts", "postcopy without postcopy", miscounted(map[string]any{"multifd-bytes": 0, "postcopy-bytes": 104296448}), Fail, []string{"postcopy-bytes 104296448"}},
	{"counts", "ten times as fast", miscounted(map[string]any{"mbps": 8400}), Fail, []string{"8400.0 Mb", "839.8"}},
	{"counts", "no pages a second", miscounted(map[string]any{"pages-per-second": 0}), Fail, []string{"0 pages a second"}},
	{"counts", "channels where there are none", func(r *Record) { delete(r.Parameters, "multifd-channels") }, Fail, []string{"over channels"}},
	{"counts", "nothing of RAM", func(r *Record) { r.Migration.Source = json.RawMessage(`{"status": "completed"}`) }, Unknown, nil},
	{"counts", "another cache", func(r *Record) {
		r.Parameters["xbzrle-cache-size"] = json.RawMessage("67108864")
		r.Migration.Source = json.RawMessage(strings.TrimSuffix(string(r.Migration.Source), "}") + `, "xbzrle-cache": {"pages": 1, "cache-size": 4096}}`)
	}, Fail, []string{"cache of 4096 bytes", "67108864"}},

	{"bandwidth", "more than the limit", func(r *Record) { r.Paced[0].Bytes = 60e6 }, Fail, []string{"60000000 bytes", "1.00 s", "30 MB a second"}},

	{"quickest move", "each took 400 ms more", func(r *Record) {
		r.Legs = []*Record{linger(good()), linger(good())}
		linger(r)
	}, Fail, []string{"quickest of its 3 moves", "442 ms", "takes 98"}},

	{"silence", "an error", func(r *Record) {
		r.Source.SaidBefore = "qemu-system-x86_64: Failed to connect: Connection refused\n"
		r.Source.Stderr = r.Source.SaidBefore + "qemu-system-x86_64: warning: all is well\nwrote 512/512 bytes at offset 0\n"
		r.Destination.Stderr = "warning: fd: is deprecated\nqemu-kvm: Unknown savevm section\n"
	}, Fail, []string{"destination", "qemu-kvm: Unknown savevm section"}},

	{"failure", "nobody says why", func(r *Record) {
		r.Ends, r.Failure = OnSource, &FailureFacts{Status: "failed"}
		r.Source.Events = []EventFacts{status(r.Started, "setup"), status(r.Started, "failed")}
	}, Fail, []string{"does not say why"}},

	{"failure", "it is called something else than it was", func(r *Record) {
		r.Ends, r.Failure, r.Fault = OnSource, &FailureFacts{Status: "completed"}, nil
		r.Source.Events = []EventFacts{status(r.Started, "setup"), status(r.Started, "failed")}
	}, Fail, []string{`"completed"`, "last event said failed"}},
	{"failure", "nobody saw it fail", func(r *Record) { r.Ends, r.Failure = OnSource, nil }, Unknown, nil},

	{"fault", "the source noticed too late", func(r *Record) { r.Fault.Noticed = r.Fault.At.Add(time.Minute) }, Fail, []string{"failed", "60.0 s", "cut"}},
	{"fault", "it has no name", func(r *Record) { r.Fault.Desc = "" }, Fail, []string{"error-desc", "cut"}},
	{"fault", "a page that stayed is wrong", func(r *Record) {
		r.Fault.RAM.Runs = split(r.Fault.RAM.Runs, 1, 1000, 1, 99)
	}, Fail, []string{"source", "cut", "0x640000", "expected 7", "found 99"}},
	{"fault", "nobody looked at all of what stayed", func(r *Record) { r.Fault.RAM.Pages = 5 }, Unknown, []string{"5 pages"}},
	{"fault", "nobody saw it noticed", func(r *Record) { r.Fault.Noticed = time.Time{} }, Unknown, nil},

	{"standstill", "longer than its limit", func(r *Record) { r.Parameters["downtime-limit"] = json.RawMessage("-600") }, Fail, []string{"-600 were the limit"}},
	{"standstill", "the destination ran late", func(r *Record) {
		for _, i := range []int{0, 4} { // RESUME, and completed
			r.Destination.Events[i].Time = r.Destination.Events[i].Time.Add(time.Second)
		}
	}, Fail, []string{"41 ms", "ran only 1042 ms after"}},
	{"standstill", "a console that was silent too long", func(r *Record) {
		r.Standstill.FirstOnDestination = r.Standstill.FirstOnDestination.Add(3 * time.Second)
	}, Fail, []string{"silent for 3058 ms after it had been resumed"}},

	{"stopped is still", "pages change", func(r *Record) {
		r.Stillness.Changed, r.Stillness.First = 2, 0x1234000
	}, Fail, []string{"2 of 38400", "0x1234000"}},
	{"stopped is still", "it runs", func(r *Record) { r.Stillness.Running, r.Stillness.Status = true, "running" }, Fail, []string{"running"}},
	{"stopped is still", "nothing was read", func(r *Record) { r.Stillness.Pages = 0 }, Unknown, nil},

	{"workload", "one page is wrong", func(r *Record) { r.Workload.Runs = split(r.Workload.Runs, 1, 1000, 1, 99) }, Fail, []string{"0x640000", "expected 7", "found 99", "1 of 25344"}},
	{"workload", "the first page is wrong", func(r *Record) { r.Workload.Runs = split(r.Workload.Runs, 0, 0, 1, 7) }, Fail, []string{"0x100000", "expected 8", "found 7"}},
	{"workload", "a second step down", func(r *Record) { r.Workload.Runs = split(r.Workload.Runs, 1, 24700, 300, 6) }, Fail, []string{"expected 7", "found 6", "300 of 25344"}},
	{"workload", "a step up", func(r *Record) { r.Workload.Runs[1].Value = 9 }, Fail, []string{"expected", "found"}},
	{"workload", "a byte beside is not zero", func(r *Record) {
		r.Workload.StrayTotal, r.Workload.Stray = 1, []Reading{{0x1234567, 3}}
	}, Fail, []string{"0x1234567", "expected 0", "found 3"}},
	{"workload", "more runs than are listed", func(r *Record) { r.Workload.More = 100 }, Fail, []string{"102 stretches"}},
	{"workload", "not every page was read", func(r *Record) { r.Workload.Pages = 5 }, Unknown, []string{"5 pages", "25344"}},
	{"workload", "nothing was read", func(r *Record) { r.Workload = nil }, Unknown, nil},

	{"memory", "a byte differs", func(r *Record) {
		r.Memory.DifferentTotal, r.Memory.Different = 1, []Difference{{0x95fffff, 0, 0x5a}}
	}, Fail, []string{"0x95fffff", "0x00", "0x5a"}},
	{"memory", "nothing was compared", func(r *Record) { r.Memory.Compared = 0 }, Unknown, nil},

	{"exact memory", "a byte differs", func(r *Record) {
		r.Exact.DifferentTotal, r.Exact.Different = 3, []Difference{{0x7c00, 0xfa, 0}}
	}, Fail, []string{"3 bytes", "0x7c00", "0xfa", "0x00"}},

	{"registers", "one differs", func(r *Record) {
		r.Registers.Different = []string{"the source has EAX=1, the destination EAX=0"}
	}, Fail, []string{"EAX=1", "EAX=0"}},
	{"registers", "there is none that both print", func(r *Record) { r.Registers.Compared = 0 }, Fail, []string{"no register"}},

	{"clean end", "the destination was killed", func(r *Record) {
		r.Teardown.Exits[1] = ExitFacts{Side: "destination", State: "signal: killed", Reason: "it had ended"}
	}, Fail, []string{"destination", "signal: killed", "exit status 0"}},
	{"devices", "a register was not carried over", func(r *Record) { r.Devices[0].Found = 0 }, Fail, []string{"scratch register", "0xa5", "0x0"}},

	{"measures", "a feature did nothing", func(r *Record) { r.Measures[0].Value = 0 }, Fail, []string{"pages sent as differences: 0 pages", "at least 1000"}},
	{"measures", "too much", func(r *Record) { r.Measures[1].Value = 6 }, Fail, []string{"6 connections", "exactly 5"}},
	{"measures", "out of both bounds", func(r *Record) { r.Measures[0].Bounds = Between(1, 2.5) }, Fail, []string{"20000 pages", "1 to 2.5"}},
	{"measures", "over the most", func(r *Record) { r.Measures[0].Bounds = AtMost(5) }, Fail, []string{"at most 5"}},
	{"measures", "no number", func(r *Record) { r.Measures[0].Value = math.NaN() }, Unknown, []string{"pages sent as differences"}},
	{"measures", "no bounds", func(r *Record) { r.Measures[1].Bounds = Bounds{} }, Unknown, []string{"connections"}},

	{"clean end", "a socket is left", func(r *Record) { r.Teardown.Left = []string{"/tmp/x/migration.sock"} }, Fail, []string{"/tmp/x/migration.sock"}},
	{"clean end", "nobody looked", func(r *Record) { r.Teardown = nil }, Unknown, nil},
}

// split gives pages of a run, from the offset on, another value.
func split(runs []Run, index, offset, pages int, value byte) []Run {
	r := runs[index]
	var out []Run
	out = append(out, runs[:index]...)
	for _, part := range []Run{
		{r.Address, offset, r.Value},
		{r.Address + uint64(offset)*4096, pages, value},
		{r.Address + uint64(offset+pages)*4096, r.Pages - offset - pages, r.Value},
	} {
		if part.Pages > 0 {
			out = append(out, part)
		}
	}
	return append(out, runs[index+1:]...)
}

// forMoved is how many checks a guest calls for that has moved once.
func forMoved() (n int) {
	for _, c := range Checks() {
		if slices.Contains(c.Ends, OnDestination) && (c.Asked == nil || c.Asked(good())) {
			n++
		}
	}
	return n
}

func TestGoodRecordPassesEveryCheck(t *testing.T) {
	verdicts := Judge(good())
	require.Len(t, verdicts, forMoved())
	for _, v := range verdicts {
		require.Equal(t, Pass, v.Outcome, "%s: %s", v.Check, v.Witness)
		require.NotEmpty(t, v.Witness)
	}
	require.Equal(t, Pass, Worst(verdicts))
	require.NoError(t, Judged(good()).Err())
}

// TestDoctoredRecordFailsItsCheck: and it is that check which gives the reason.
func TestDoctoredRecordFailsItsCheck(t *testing.T) {
	for _, d := range doctored {
		t.Run(d.check+"/"+d.what, func(t *testing.T) {
			r := good()
			d.doctor(r)
			reached := false
			for _, v := range Judge(r) {
				if v.Check != d.check {
					require.True(t, reached || v.Outcome == Pass, "%s: %s", v.Check, v.Witness)
					continue
				}
				reached = true
				require.Equal(t, d.outcome, v.Outcome, v.Witness)
				for _, word := range d.witness {
					require.Contains(t, v.Witness, word)
				}
			}
			require.ErrorContains(t, Judged(r).Err(), d.check)
		})
	}
}

func TestEveryCheckHasARecordThatFailsIt(t *testing.T) {
	for _, c := range Checks() {
		found := false
		for _, d := range doctored {
			found = found || d.check == c.Name && d.outcome == Fail
		}
		require.True(t, found, "no doctored record fails the check %q", c.Name)
	}
}

func TestLossThatAQEMUIsKnownForIsASkipThatSaysWhatWasLost(t *testing.T) {
	const bug = "QEMU 7.2 has a bug"
	lost := good()
	lost.KnownBug, lost.Memory.DifferentTotal = bug, 7
	require.Equal(t, Skip, Judged(lost).Outcome)
	require.Contains(t, Judged(lost).Reason, bug+", and did: memory: 7 bytes")

	leg := good()
	leg.KnownBug, leg.Legs = bug, []*Record{good()}
	leg.Legs[0].Memory.DifferentTotal = 7
	require.Contains(t, Judged(leg).Reason, "and did: leg 1: memory")

	spared := good()
	spared.KnownBug = bug
	require.Equal(t, Pass, Judged(spared).Outcome)

	other := good()
	other.KnownBug, other.Devices[0].Found = bug, 0
	require.Equal(t, Fail, Judged(other).Outcome, "devices are none of its doing")
}

func TestEachLegIsJudgedByItself(t *testing.T) {
	r := good()
	r.Memory.DifferentTotal = 7
	r.NextLeg()
	require.Nil(t, r.Memory, "nothing is known of the next leg")
	second := good()
	second.Legs = r.Legs
	result := Judged(second)
	require.Len(t, result.Verdicts, 2*forMoved())
	require.ErrorContains(t, result.Err(), "leg 1: memory: 7 bytes")
}

func TestEmptyRecordPassesNothing(t *testing.T) {
	for _, ends := range []Ending{OnDestination, OnSource, NoGuest} {
		for _, v := range Judge(&Record{Ends: ends}) {
			require.NotEqual(t, Pass, v.Outcome, "%q: %s", ends, v.Check)
		}
	}
	require.Equal(t, Unknown, Worst(nil))
}

func TestCheckThatBreaksIsUnknown(t *testing.T) {
	c := Check{Name: "broken", Judge: func(*Record) (Outcome, string) { panic("ouch") }}
	v := c.apply(good())
	require.Equal(t, Unknown, v.Outcome)
	require.Contains(t, v.Witness, "ouch")
	require.Equal(t, Unknown, Worst([]Verdict{{Outcome: Pass}, v}))
	require.Equal(t, Fail, Worst([]Verdict{v, {Outcome: Fail}}))
}

func TestLostEventsLeaveTheirChecksUnknown(t *testing.T) {
	r := good()
	r.Source.EventsLost = 3
	for _, v := range Judge(r) {
		if v.Check == "one life" || v.Check == "events" {
			require.Equal(t, Unknown, v.Outcome)
			require.Contains(t, v.Witness, "3 events")
		}
	}
}

func TestWorkloadCountsModulo256(t *testing.T) {
	r := good()
	r.Workload.Runs[0].Value, r.Workload.Runs[1].Value = 0, 255
	outcome, witness := judgeWorkload(r)
	require.Equal(t, Pass, outcome, witness)
}

func TestWorkloadStoppedBetweenRounds(t *testing.T) {
	r := good()
	r.Workload.Runs = []Run{{1 << 20, 25344, 7}}
	outcome, witness := judgeWorkload(r)
	require.Equal(t, Pass, outcome, witness)
	require.Contains(t, witness, "all 25344 pages hold 7")
}

func TestSavedRecordComesBackAndIsJudgedTheSame(t *testing.T) {
	dir := t.TempDir()
	r := good()
	r.Source.Events[0].Data = json.RawMessage(`{"a":18446744073709551615}`)
	require.NoError(t, r.Save(dir))
	for _, path := range []string{dir, filepath.Join(dir, File)} {
		back, err := Load(path)
		require.NoError(t, err)
		require.Equal(t, Judge(r), Judge(back))
		require.Contains(t, strings.Join(strings.Fields(string(back.Source.Events[0].Data)), ""), "18446744073709551615")
	}
}

func TestWhatIsNoRecordIsSaid(t *testing.T) {
	dir := t.TempDir()
	_, err := Load(dir)
	require.ErrorIs(t, err, os.ErrNotExist)
	file := filepath.Join(dir, File)
	require.NoError(t, os.WriteFile(file, []byte("{"), 0o600))
	_, err = Load(dir)
	require.ErrorContains(t, err, file)
	require.NoError(t, os.WriteFile(file, []byte(`{"Format": 99}`), 0o600))
	_, err = Load(dir)
	require.ErrorContains(t, err, "format 99")
}
