package record

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

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

// reply is what the source replies to query-migrate, some of its members of RAM changed: one
// that becomes nil is left out.
func (m *MigrationFacts) reply(change map[string]any) json.RawMessage {
	ram := map[string]any{
		"total": 157818880, "page-size": 4096, "remaining": 0, "transferred": m.Bytes, "duplicate": 13067,
		"normal": 25463, "normal-bytes": 104296448, "multifd-bytes": 104296448, "precopy-bytes": 0, "downtime-bytes": 0,
		"postcopy-bytes": 0, "pages-per-second": 200000, "dirty-pages-rate": 0, "mbps": 6042, "dirty-sync-count": m.Passes,
	}
	maps.Copy(ram, change)
	maps.DeleteFunc(ram, func(_ string, value any) bool { return value == nil })
	text, _ := json.Marshal(map[string]any{
		"status": "completed", "total-time": m.TotalMS, "downtime": m.DowntimeMS, "setup-time": m.SetupMS, "ram": ram,
	})
	return text
}

// reports is a record whose source reports something else of its migration.
func reports(change func(m *MigrationFacts)) func(r *Record) {
	return func(r *Record) {
		change(r.Migration)
		r.Migration.Source = r.Migration.reply(nil)
	}
}

// miscounted is a record whose source reports other counts, of a migration that took long
// enough to tell rates.
func miscounted(change map[string]any) func(r *Record) {
	return func(r *Record) {
		r.Migration.TotalMS = 1001
		for _, side := range []*SideFacts{r.Source, r.Destination} {
			for i, e := range side.Events {
				if e.Name == "STOP" || e.Name == "RESUME" || statusOf(e) == "device" || statusOf(e) == "completed" {
					side.Events[i].Time = e.Time.Add(860 * time.Millisecond)
				}
			}
		}
		r.Standstill.LastOnSource = r.Standstill.LastOnSource.Add(860 * time.Millisecond)
		r.Standstill.FirstOnDestination = r.Standstill.FirstOnDestination.Add(860 * time.Millisecond)
		if _, other := change["mbps"]; !other {
			change["mbps"] = 840
		}
		if transferred, other := change["transferred"].(int); other {
			r.Migration.Bytes, r.Link = uint64(transferred), nil
		}
		r.Migration.Source = r.Migration.reply(change)
	}
}

// linger makes the guest be paused for longer.
func linger(r *Record, longer time.Duration) *Record {
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
	mbps := float64(r.Migration.Bytes) * 8 / 1000 / float64(r.Migration.TotalMS-r.Migration.SetupMS)
	r.Migration.Source = r.Migration.reply(map[string]any{"mbps": mbps})
	return r
}

// good returns a record of a migration in which nothing went wrong.
func good() *Record {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := &Record{
		Format: Format, Scenario: "precopy/unix/plain", Arch: "x86_64", Started: at, Seconds: 2, MemoryMiB: 150,
		Steps: []StepFacts{{Name: "start", Seconds: 0.1}, {Name: "quit", Seconds: 0.1}},
		Source: &SideFacts{Began: at.Add(-time.Millisecond), Version: "10.0.13", Events: []EventFacts{
			{Time: at.Add(100 * time.Millisecond), Name: "STOP"},
			status(at, "setup"), status(at, "active"), status(at.Add(100*time.Millisecond), "device"), status(at.Add(140*time.Millisecond), "completed"),
			{Time: at, Name: "MIGRATION_PASS", Data: json.RawMessage(`{"pass": 2}`)},
		}},
		Destination: &SideFacts{Version: "10.0.13", Events: []EventFacts{
			{Time: at.Add(142 * time.Millisecond), Name: "RESUME"},
			{Time: at.Add(time.Second), Name: "STOP"},
			status(at, "setup"), status(at, "active"), status(at.Add(150*time.Millisecond), "completed"),
		}},
		Parameters: map[string]json.RawMessage{"downtime-limit": json.RawMessage("300"), "multifd-channels": json.RawMessage("4")},
		Migration: &MigrationFacts{
			TotalMS: 140, DowntimeMS: 41, SetupMS: 1, Passes: 2, Bytes: 104978432, Destination: json.RawMessage(`{"status": "completed"}`),
		},
		Paced:      []Paced{{Seconds: 1, Bytes: 31e6, Limit: 30e6}},
		Standstill: &StandstillFacts{LastOnSource: at.Add(50 * time.Millisecond), FirstOnDestination: at.Add(200 * time.Millisecond), LongestSeconds: 0.04},
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
		Canaries:  1,
		Devices:   []DeviceFacts{{"the serial port's scratch register", 0xa5, 0xa5}},
		Measures:  []Measure{{"xbzrle-encoded pages", 20000, "pages", AtLeast(1000)}, {"connections", 5, "connections", Exactly(5)}},
		Teardown: &TeardownFacts{Exits: []ExitFacts{
			{Side: "source", State: "exit status 0", Clean: true},
			{Side: "destination", State: "exit status 0", Clean: true},
		}},
	}
	r.Migration.Source = r.Migration.reply(nil)
	return r
}

// faulty returns a record of a migration that failed for a fault that was injected into
// it, and of a second one in which nothing went wrong.
func faulty() *Record {
	r := good()
	at := r.Started.Add(-time.Second)
	r.Source.Events = append([]EventFacts{status(at, "setup"), status(at, "active"), status(at.Add(100*time.Millisecond), "failed")}, r.Source.Events...)
	r.Fault = &FaultFacts{
		What: "cut", At: at, Status: "failed", Noticed: at.Add(100 * time.Millisecond),
		Desc: "Unable to write to socket: Broken pipe", RAM: workload(),
	}
	return r
}

// stayed returns a record of a migration that failed, and whose guest runs on.
func stayed() *Record {
	r := good()
	r.Ends, r.Life.Side = OnSource, "source"
	r.Failure = &FailureFacts{Status: "failed", Desc: "Connection refused"}
	r.Destination.Events = nil
	r.Source.Events = []EventFacts{status(r.Started, "setup"), status(r.Started, "failed")}
	r.Migration, r.Standstill, r.Stand, r.Stillness, r.Workload, r.Memory, r.Exact = nil, nil, nil, nil, nil, nil, nil
	return r
}

// hot returns a record of a guest that writes the same pages all the time, from a QEMU
// that loses such writes.
func hot() *Record {
	r := good()
	r.Accel, r.Source.Version = "tcg: the default", "7.2.22"
	p := r.program().Over(HotPages)
	r.Workload = &WorkloadFacts{Range: p.Workload(), Stride: p.Stride, Pages: HotPages, Runs: []Run{{p.Start, HotPages, 7}}}
	r.Memory.Compared = r.Memory.Size - p.Workload().Len()
	return r
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

// raw is JSON text.
func raw(format string, args ...any) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(format, args...))
}
