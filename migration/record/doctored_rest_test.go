package record

import "math"

func doctoredRest() []doctored {
	return []doctored{
		{"registers", "one differs", nil, func(r *Record) {
			r.Registers.Different = []string{"the source has EAX=1, the destination EAX=0"}
		}, Fail, []string{"EAX=1", "EAX=0"}},
		{"registers", "there is none that both print", nil, func(r *Record) { r.Registers.Compared = 0 }, Fail, []string{"no register"}},
		{"registers", "one was compared", nil, func(r *Record) { r.Registers.Compared = 1 }, Unknown, []string{"1 registers", "at least 24"}},
		{"registers", "nobody looked, and was to", nil, func(r *Record) { r.Gathers, r.Registers = []Fact{FactRegisters}, nil }, Unknown, []string{"no Registers"}},

		{"devices", "a register was not carried over", nil, func(r *Record) { r.Devices[0].Found = 0 }, Fail, []string{"scratch register", "0xa5", "0x0"}},
		{"devices", "nobody looked", nil, func(r *Record) { r.Devices = nil }, Unknown, []string{"no Devices"}},
		{"devices", "nobody looked at the second", nil, func(r *Record) { r.Canaries = 2 }, Unknown, []string{"2 registers", "of 1"}},
		{"devices", "one, and nobody knows of how many", nil, func(r *Record) { r.Canaries = 0 }, Unknown, []string{"1 registers", "at least 8"}},
		{"registers", "more than there are", nil, func(r *Record) { r.Registers.Compared = 1 << 60 }, Unknown, []string{"1152921504606846976"}},
		{"devices", "the same one twice", nil, func(r *Record) { r.Devices = append(r.Devices, r.Devices[0]) }, Unknown, []string{"scratch register", "twice"}},
		{"devices", "nothing was written", nil, func(r *Record) { r.Devices[0].Planted, r.Devices[0].Found = 0, 0 }, Unknown, []string{"scratch register"}},

		{"measures", "a feature did nothing", nil, func(r *Record) { r.Measures[0].Value = 0 }, Fail, []string{"xbzrle-encoded pages: 0 pages", "at least 1000"}},
		{"measures", "too much", nil, func(r *Record) { r.Measures[1].Value = 6 }, Fail, []string{"6 connections", "exactly 5"}},
		{"measures", "out of both bounds", nil, func(r *Record) { r.Measures[0].Bounds = Between(1, 2.5) }, Fail, []string{"20000 pages", "1 to 2.5"}},
		{"measures", "over the most", nil, func(r *Record) { r.Measures[0].Bounds = AtMost(5) }, Fail, []string{"at most 5"}},
		{"measures", "no number", nil, func(r *Record) { r.Measures[0].Value = math.NaN() }, Unknown, []string{"xbzrle-encoded pages"}},
		{"measures", "a bound that is no number", nil, func(r *Record) { r.Measures[0].Bounds = AtLeast(math.NaN()) }, Unknown, []string{"xbzrle-encoded pages"}},
		{"measures", "no bounds", nil, func(r *Record) { r.Measures[1].Bounds = Bounds{} }, Unknown, []string{"connections"}},
		{"measures", "bounds that nothing keeps", nil, func(r *Record) { r.Measures[1].Bounds = Between(6, 5) }, Unknown, []string{"6 to 5"}},
		{"measures", "none", nil, func(r *Record) { r.Measures = nil }, Unknown, []string{"no Measures"}},
		{"measures", "one is missing", nil, func(r *Record) { r.Measures = r.Measures[:1] }, Unknown, []string{"1 quantities", "at least 2"}},
		{"measures", "fewer than the steps took", nil, func(r *Record) { r.Steps[1].Measured = 3 }, Unknown, []string{"measured 3", "has 2"}},

		{"clean end", "the destination was killed", nil, func(r *Record) {
			r.Teardown.Exits[1] = ExitFacts{Side: "destination", State: "signal: killed", Reason: "it had ended"}
		}, Fail, []string{"destination", "signal: killed", "exit status 0"}},
		{"clean end", "a socket is left", nil, func(r *Record) { r.Teardown.Left = []string{"/tmp/x/migration.sock"} }, Fail, []string{"/tmp/x/migration.sock"}},
		{"clean end", "nobody looked", nil, func(r *Record) { r.Teardown = nil }, Unknown, nil},
		{"clean end", "nobody looked at the destination", nil, func(r *Record) { r.Teardown.Exits = r.Teardown.Exits[:1] }, Unknown, []string{"destination", "0 times"}},
		{"clean end", "the same side twice", nil, func(r *Record) { r.Teardown.Exits[1].Side = "source" }, Unknown, []string{"source", "2 times"}},
		{"clean end", "another end, without a reason", nil, func(r *Record) { r.Teardown.Exits[1].State = "signal: killed" }, Unknown, []string{"signal: killed", "why"}},
	}
}
