package record

import (
	"slices"
	"time"
)

func doctoredGuests() []doctored {
	return []doctored{
		{"steps", "a step failed", nil, func(r *Record) { r.Error = "await switchover: the source's migration status is failed" }, Fail, []string{"await switchover", "failed"}},
		{"steps", "a step failed, and nobody said so", nil, func(r *Record) { r.Steps[1].Error = "it is gone" }, Fail, []string{"quit", "it is gone"}},
		{"steps", "no step was taken", nil, func(r *Record) { r.Steps = nil }, Unknown, nil},
		{"steps", "a step is missing", nil, func(r *Record) { r.Planned = 3 }, Unknown, []string{"2 steps", "of 3"}},
		{"steps", "a step without a name", nil, func(r *Record) { r.Steps[0].Name = "" }, Unknown, []string{"step 1"}},
		{"steps", "a leg is missing, by a step's count", nil, func(r *Record) { r.Steps[1].Legs = 1 }, Unknown, []string{"1 times", "0 legs"}},
		{"steps", "a leg is missing, by a step's name", nil, func(r *Record) { r.Steps[1].Name = "turn around" }, Unknown, []string{"1 times", "0 legs"}},
		{"steps", "another parameter than was set", nil, func(r *Record) { r.Steps[1].Name = "set downtime-limit to 1m0s" }, Unknown, []string{"downtime-limit to 1m0s", "300"}},
		{"steps", "a parameter that was set is not there", nil, func(r *Record) { r.Steps[1].Name = "set max-bandwidth to 1000000000" }, Unknown, []string{"max-bandwidth", "not set"}},
		{"steps", "it was to gather what no check judges", nil, func(r *Record) { r.Gathers = []Fact{FactFailure} }, Unknown, []string{"no Failure"}},

		{"guest lives", "the counter does not move", nil, func(r *Record) { r.Life.After = r.Life.Before }, Fail, []string{"0x100000", "stayed 7"}},
		{"guest lives", "it is paused", nil, func(r *Record) { r.Life.Running, r.Life.Status = false, "paused" }, Fail, []string{"destination", "paused"}},
		{"guest lives", "the console is silent", nil, func(r *Record) { r.Life.Heartbeats = 0 }, Fail, []string{"nothing is on the destination's console"}},
		{"guest lives", "the guest was reset", nil, func(r *Record) { r.Life.Unexpected = "A" }, Fail, []string{`"A"`}},
		{"guest lives", "it was paused after a migration that was cancelled", nil, func(r *Record) {
			r.EarlierLives = []LifeFacts{{Side: "source", Status: "paused"}}
		}, Fail, []string{"source", "paused"}},
		{"guest lives", "nobody looked", nil, func(r *Record) { r.Life = nil }, Unknown, nil},
		{"guest lives", "nobody looked before, and was to", nil, func(r *Record) { r.Gathers = []Fact{FactEarlierLives} }, Unknown, []string{"EarlierLives"}},
		{"guest lives", "another byte was read", nil, func(r *Record) { r.Life.After.Address++ }, Unknown, []string{"0x100000", "0x100001"}},
		{"guest lives", "a byte that nobody counts was read", nil, func(r *Record) { r.Life.Before.Address, r.Life.After.Address = 16, 16 }, Unknown, []string{"0x10", "0x100000"}},
		{"guest lives", "it was seen on the other side", nil, func(r *Record) { r.Life.Side = "source" }, Unknown, []string{"source", "destination"}},
		{"guest lives", "it was seen nowhere", stayed, func(r *Record) { r.Life.Side = "" }, Unknown, []string{"no side"}},
		{"guest lives", "its status is another than its running", nil, func(r *Record) { r.Life.Status = "postmigrate" }, Unknown, []string{"postmigrate"}},
		{"guest lives", "it spoke less than never", nil, func(r *Record) { r.Life.Heartbeats = -1 }, Unknown, []string{"-1"}},
		{"guest lives", "there is no guest for such a machine", nil, func(r *Record) { r.Arch = "vax" }, Unknown, nil},

		{"exactly one side runs", "it stopped for an earlier migration only", nil, func(r *Record) {
			r.Source.Began = r.Started.Add(time.Second)
			for i := range r.Source.Events[1:] {
				r.Source.Events[1+i].Time = r.Source.Events[1+i].Time.Add(time.Second)
			}
		}, Fail, []string{"stopped 0 times"}},
		{"exactly one side runs", "the source never stopped", nil, func(r *Record) { r.Source.Events = r.Source.Events[1:] }, Fail, []string{"stopped 0 times"}},
		{"exactly one side runs", "the source stopped twice", nil, func(r *Record) { r.Source.Events = append(r.Source.Events, r.Source.Events[0]) }, Fail, []string{"stopped 2 times"}},
		{"exactly one side runs", "the destination never ran", nil, func(r *Record) { r.Destination.Events = r.Destination.Events[1:] }, Fail, []string{"resumed 0 times"}},
		{"exactly one side runs", "both ran at once", nil, func(r *Record) { r.Source.Events[0].Time = r.Source.Events[0].Time.Add(time.Second) }, Fail, []string{"03:04:05.142", "03:04:06.100"}},
		{"exactly one side runs", "the source ran again", nil, func(r *Record) {
			r.Source.Events = append(r.Source.Events, EventFacts{Time: r.Started.Add(2 * time.Second), Name: "RESUME"})
		}, Fail, []string{"ran again at 03:04:07"}},
		{"exactly one side runs", "the source is not in postmigrate", nil, func(r *Record) { r.Stand.Status = "paused" }, Fail, []string{"paused", "expected postmigrate"}},
		{"exactly one side runs", "the source runs at the end", nil, func(r *Record) { r.Stand.StatusAtEnd, r.Stand.RunningEnd = "running", true }, Fail, []string{"at the end", "running"}},
		{"exactly one side runs", "the source's counter moved", nil, func(r *Record) { r.Stand.After.Value = 9 }, Fail, []string{"0x100000", "from 5 to 9"}},
		{"exactly one side runs", "the counter moved, in RAM that only the record calls shared", nil, func(r *Record) {
			r.SharedRAM, r.Stand.After.Value = true, 9
		}, Fail, []string{"from 5 to 9"}},
		{"exactly one side runs", "nobody looked at the end", nil, func(r *Record) { r.Stand.StatusAtEnd = "" }, Unknown, []string{"at the end"}},
		{"exactly one side runs", "another byte was read", nil, func(r *Record) { r.Stand.Before.Address, r.Stand.After.Address = 16, 16 }, Unknown, []string{"0x10"}},
		{"exactly one side runs", "nobody knows when it was asked for", nil, func(r *Record) { r.Source.Began = time.Time{} }, Unknown, []string{"asked for"}},
		{"exactly one side runs", "events were lost", nil, func(r *Record) { r.Destination.EventsLost = 1 }, Unknown, []string{"1 events"}},

		{"events", "a status came twice", nil, func(r *Record) {
			r.Destination.Events = append(r.Destination.Events, r.Destination.Events[4])
		}, Fail, []string{"destination", `from "completed" to "completed"`}},
		{"events", "completed before the guest runs", nil, func(r *Record) {
			r.Destination.Events[4].Time = r.Destination.Events[0].Time.Add(-2 * time.Millisecond)
		}, Fail, []string{`the destination's migration status went to "completed" 2.0 ms before the guest ran there`}},
		{"events", "one was left out", nil, func(r *Record) { r.Source.Events = slices.Delete(r.Source.Events, 2, 3) }, Fail, []string{"source", `from "setup" to "device"`}},
		{"events", "the last is missing", nil, func(r *Record) { r.Source.Events = r.Source.Events[:4] }, Fail, []string{`"device", expected "completed"`}},
		{"events", "a recovery that was not begun", nil, func(r *Record) {
			r.Source.Events = slices.Insert(r.Source.Events, 4, status(r.Started, "postcopy-active"), status(r.Started, "postcopy-paused"),
				status(r.Started, "postcopy-recover"), status(r.Started, "postcopy-active"))
		}, Fail, []string{"paused 1 times", "0 recoveries"}},
		{"events", "a recovery that nothing called for", nil, func(r *Record) { r.Recoveries = 1 }, Unknown, []string{"paused 0 times", "1 recoveries"}},
		{"events", "there are none", nil, func(r *Record) { r.Destination.Events = r.Destination.Events[:2] }, Fail, []string{"destination", "completed"}},
	}
}

func doctoredFaults() []doctored {
	return []doctored{
		{"failure", "nobody says why", stayed, func(r *Record) { r.Failure.Desc = "" }, Fail, []string{"does not say why"}},
		{"failure", "it is called something else than it was", stayed, func(r *Record) { r.Failure.Status = "completed" }, Fail, []string{`"completed"`, "last event was failed"}},
		{"failure", "it completed, and the guest was to stay", stayed, func(r *Record) {
			r.Failure.Status, r.Source.Events[1] = "completed", status(r.Started, "completed")
		}, Fail, []string{"completed, expected failed"}},
		{"failure", "no event told of it", stayed, func(r *Record) { r.Source.Events = nil }, Unknown, []string{`"failed"`, "no event"}},
		{"failure", "the destination ran as well", stayed, func(r *Record) { r.Destination.Events = good().Destination.Events }, Fail, []string{"destination ran at 03:04:05.142"}},
		{"failure", "nobody saw it fail", stayed, func(r *Record) { r.Failure = nil }, Unknown, nil},

		{"fault", "the source noticed too late", faulty, func(r *Record) { r.Fault.Noticed = r.Fault.At.Add(time.Minute) }, Fail, []string{"failed", "60.0 s", "cut"}},
		{"fault", "it has no name", faulty, func(r *Record) { r.Fault.Desc = "" }, Fail, []string{"error-desc", "cut"}},
		{"fault", "a page that stayed is wrong", faulty, func(r *Record) {
			r.Fault.RAM.Runs = split(r.Fault.RAM.Runs, 1, 1000, 1, 99)
		}, Fail, []string{"source", "cut", "0x640000", "expected 7", "found 99"}},
		{"fault", "nobody looked at all of what stayed", faulty, func(r *Record) { r.Fault.RAM.Pages = 5 }, Unknown, []string{"5 pages"}},
		{"fault", "nobody looked at what stayed", faulty, func(r *Record) { r.Fault.RAM = nil }, Unknown, []string{"cut"}},
		{"fault", "nobody saw it noticed", faulty, func(r *Record) { r.Fault.Noticed = time.Time{} }, Unknown, nil},
		{"fault", "it was noticed before it was there", faulty, func(r *Record) { r.Fault.Noticed = r.Fault.At.Add(-time.Second) }, Unknown, []string{"1.0 s before"}},
		{"fault", "no event told of it", faulty, func(r *Record) { r.Fault.Status = "postcopy-paused" }, Unknown, []string{"postcopy-paused", "none of its events"}},
		{"fault", "nobody injected it, and was to", nil, func(r *Record) { r.Gathers = []Fact{FactFault} }, Unknown, []string{"no Fault"}},
	}
}
