package record

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// without leaves a member out of what the source replies to query-migrate.
func without(member string) func(r *Record) {
	return func(r *Record) {
		var reply map[string]json.RawMessage
		_ = json.Unmarshal(r.Migration.Source, &reply)
		delete(reply, member)
		r.Migration.Source, _ = json.Marshal(reply)
	}
}

func doctoredReports() []doctored {
	return []doctored{
		{"reported", "no downtime", nil, reports(func(m *MigrationFacts) { m.DowntimeMS = 0 }), Fail, []string{"downtime of 0 ms", "40 ms after"}},
		{"reported", "the time since the host booted, of a precopy migration", nil, func(r *Record) {
			r.Source.Version = "7.2.22"
			reports(func(m *MigrationFacts) { m.DowntimeMS = 9_212_397 })(r)
		}, Fail, []string{"downtime of 9212397 ms"}},
		{"reported", "another total", nil, reports(func(m *MigrationFacts) { m.TotalMS = 14 }), Fail, []string{"total time of 14 ms", "140 ms apart"}},
		{"reported", "a setup that took longer than it did", nil, reports(func(m *MigrationFacts) { m.SetupMS = 260 }), Fail, []string{"setup time of 260 ms", "active 0 ms after"}},
		{"reported", "fewer passes", nil, reports(func(m *MigrationFacts) { m.Passes = 1 }), Fail, []string{"1 dirty bitmap syncs", "number 2"}},
		{"reported", "a pass that came twice", nil, func(r *Record) { r.Source.Events = append(r.Source.Events, r.Source.Events[5]) }, Fail, []string{"number 2 came after number 2"}},
		{"reported", "a pass that did not come", nil, func(r *Record) {
			reports(func(m *MigrationFacts) { m.Passes = 3 })(r)
			r.Source.Events = append(r.Source.Events, r.Source.Events[5])
			r.Source.Events[5].Data, r.Source.Events[6].Data = raw(`{"pass": 1}`), raw(`{"pass": 3}`)
		}, Unknown, []string{"number 3 came after number 1", "missing"}},
		{"reported", "the first passes did not come", nil, func(r *Record) {
			reports(func(m *MigrationFacts) { m.Passes = 4 })(r)
			r.Source.Events[5].Data = raw(`{"pass": 4}`)
		}, Unknown, []string{"first MIGRATION_PASS", "number 4"}},
		{"reported", "another status than its events'", nil, func(r *Record) {
			r.Migration.Destination = raw(`{"status": "active"}`)
		}, Fail, []string{"destination", `"active"`, "completed"}},
		{"reported", "more bytes", nil, reports(func(m *MigrationFacts) { m.Bytes *= 2 }), Fail, []string{"209956864", "105906176 went over the link"}},
		{"reported", "fewer bytes than channels carried compressed", nil, func(r *Record) {
			r.Parameters["multifd-compression"] = raw(`"zlib"`)
			reports(func(m *MigrationFacts) { m.Bytes /= 2 })(r)
		}, Fail, []string{"52489216"}},
		{"reported", "when it began is not known", nil, func(r *Record) { r.Source.Events = slices.Delete(r.Source.Events, 1, 2) }, Unknown, nil},
		{"reported", "nothing", nil, func(r *Record) { r.Migration = nil }, Unknown, []string{"no Migration"}},
		{"reported", "no total-time", nil, without("total-time"), Unknown, []string{"no total-time"}},
		{"reported", "no downtime at all", nil, without("downtime"), Unknown, []string{"no downtime"}},
		{"reported", "no setup-time", nil, without("setup-time"), Unknown, []string{"no setup-time"}},
		{"reported", "no status", nil, without("status"), Unknown, []string{"no status"}},
		{"reported", "no RAM", nil, without("ram"), Unknown, []string{"ram"}},
		{"reported", "no dirty bitmap syncs", nil, func(r *Record) {
			r.Migration.Source = r.Migration.reply(map[string]any{"dirty-sync-count": nil})
		}, Unknown, []string{"no dirty-sync-count"}},
		{"reported", "a downtime twice", nil, func(r *Record) {
			r.Migration.Source = raw(`{"downtime": 9000, %s`, r.Migration.Source[1:])
		}, Unknown, []string{"downtime: the key is there twice"}},
		{"reported", "a downtime in words", nil, func(r *Record) {
			r.Migration.Source = raw(`{"status": "completed", "total-time": 140, "downtime": "short", "setup-time": 1, "ram": {}}`)
		}, Unknown, []string{`downtime is "short"`}},
		{"reported", "a downtime that only the record has", nil, func(r *Record) { r.Migration.DowntimeMS = 42 }, Unknown, []string{"downtime 41", "record 42"}},
		{"reported", "a total below 0", nil, reports(func(m *MigrationFacts) { m.TotalMS = -140 }), Unknown, []string{"negative"}},
		{"reported", "no passes", nil, func(r *Record) { r.Source.Events = r.Source.Events[:5] }, Unknown, []string{"no MIGRATION_PASS"}},
		{"reported", "nothing of the destination", nil, func(r *Record) { r.Migration.Destination = nil }, Unknown, []string{"destination", "nothing"}},
		{"reported", "bytes below 0 on the link", nil, func(r *Record) { r.Link.Connections[1].Forward = -1 }, Unknown, []string{"-1 bytes", "connection 2"}},
		{"reported", "nothing of the link, which was to be watched", nil, func(r *Record) { r.Gathers, r.Link = []Fact{FactLink}, nil }, Unknown, []string{"no Link"}},
		{"reported", "a compression that is no word", nil, func(r *Record) { r.Parameters["multifd-compression"] = raw(`7`) }, Unknown, []string{"multifd-compression is 7"}},

		{"bandwidth", "more than the limit", nil, func(r *Record) { r.Paced[0].Bytes = 60e6 }, Fail, []string{"60000000 bytes", "1.00 s", "30 MB a second"}},
		{"bandwidth", "no limit", nil, func(r *Record) { r.Paced[0].Limit = 0 }, Unknown, []string{"max-bandwidth"}},
		{"bandwidth", "no time", nil, func(r *Record) { r.Paced[0].Seconds = 0 }, Unknown, []string{"in 0 s"}},
		{"bandwidth", "bytes below 0", nil, func(r *Record) { r.Paced[0].Bytes = -1 }, Unknown, []string{"-1 bytes"}},
		{"bandwidth", "nobody looked, and was to", nil, func(r *Record) { r.Gathers, r.Paced = []Fact{FactPaced}, nil }, Unknown, []string{"no Paced"}},

		{"error messages", "an error", nil, func(r *Record) {
			r.Source.SaidBefore = "qemu-system-x86_64: Failed to connect: Connection refused\n"
			r.Source.Stderr = r.Source.SaidBefore + "qemu-system-x86_64: warning: all is well\nwrote 512/512 bytes at offset 0\n"
			r.Destination.Stderr = "warning: fd: is deprecated\nqemu-kvm: Unknown savevm section\n"
		}, Fail, []string{"destination", "qemu-kvm: Unknown savevm section"}},
		{"error messages", "an error with the time in front", nil, func(r *Record) {
			r.Source.Stderr = "2026-01-02T03:04:05.000123Z qemu-system-x86_64: Unable to write\n"
		}, Fail, []string{"Unable to write"}},
		{"error messages", "an error with the guest's name in front", nil, func(r *Record) {
			r.Source.Stderr = "2026-01-02T03:04:05.000123Z source qemu-system-x86_64: Unable to write\n"
		}, Fail, []string{"Unable to write"}},
		{"error messages", "an error behind what was lost", nil, func(r *Record) {
			r.Source.Stderr, r.Source.StderrLost = "qemu-system-x86_64: Unable to write\n", 1
		}, Fail, []string{"Unable to write"}},
		{"error messages", "the beginning was lost", nil, func(r *Record) { r.Source.StderrLost = 1 }, Unknown, []string{"beginning of the source's stderr"}},
		{"error messages", "as much as is kept", nil, func(r *Record) {
			r.Source.Stderr = strings.Repeat("warning: deprecated\n", stderrKept/20+1)
		}, Unknown, []string{"beginning of the source's stderr"}},
		{"error messages", "what was there before is not there now", nil, func(r *Record) {
			r.Destination.SaidBefore = "qemu-system-x86_64: Failed to connect: Connection refused\n"
		}, Unknown, []string{"beginning of the destination's stderr"}},
		{"error messages", "neither an error nor a warning", nil, func(r *Record) {
			r.Source.Stderr = "KVM internal error. Suberror: 1\n"
		}, Unknown, []string{"KVM internal error"}},
	}
}

func doctoredCounts() []doctored {
	list := []doctored{
		{"counts", "another page size", nil, miscounted(map[string]any{"page-size": 8192}), Fail, []string{"page-size of 8192"}},
		{"counts", "less RAM", nil, miscounted(map[string]any{"total": 1 << 20}), Fail, []string{"total of 1048576", "157286400"}},
		{"counts", "less RAM than QEMU says that the guest has", nil, func(r *Record) { r.RAMBytes = 512 << 20 }, Fail, []string{"total of 157818880", "536870912"}},
		{"counts", "something is left", nil, miscounted(map[string]any{"remaining": 4096}), Fail, []string{"4096 bytes remaining"}},
		{"counts", "more pages than bytes", nil, miscounted(map[string]any{"normal": 50926}), Fail, []string{"50926 normal pages", "normal-bytes 104296448"}},
		{"counts", "more zero pages than passes have", nil, miscounted(map[string]any{"duplicate": 1e18}), Fail, []string{"more than its RAM", "3 passes"}},
		{"counts", "more over channels than is transferred", nil, miscounted(map[string]any{"multifd-bytes": 104978433}), Fail, []string{"104978433 bytes over channels"}},
		{"counts", "encoded pages that are longer than pages", nil, func(r *Record) {
			r.Migration.Source = raw(`%s, "xbzrle-cache": {"pages": 1, "bytes": 9999, "cache-miss": 1, "cache-size": 4096}}`, strings.TrimSuffix(string(r.Migration.Source), "}"))
		}, Fail, []string{"9999 bytes"}},
		{"counts", "no zero pages", nil, miscounted(map[string]any{"duplicate": 0}), Fail, []string{"0 zero", "157286400"}},
		{"counts", "nothing transferred", nil, miscounted(map[string]any{"transferred": 0, "multifd-bytes": 0}), Fail, []string{"0 bytes transferred"}},
		{"counts", "a fifth more transferred", nil, miscounted(map[string]any{"transferred": 125974118, "multifd-bytes": 125974118, "mbps": 1007}), Fail, []string{"125974118 bytes transferred"}},
		{"counts", "a part is missing", nil, miscounted(map[string]any{"multifd-bytes": 0}), Fail, []string{"multifd-bytes 0"}},
		{"counts", "postcopy without postcopy", nil, miscounted(map[string]any{"multifd-bytes": 0, "postcopy-bytes": 104296448}), Fail, []string{"postcopy-bytes 104296448"}},
		{"counts", "ten times as fast", nil, miscounted(map[string]any{"mbps": 8400}), Fail, []string{"8400.0 Mb", "839.8"}},
		{"counts", "dirty pages that are counted again in each measurement", nil, func(r *Record) {
			r.Samples = []Sample{{Passes: 1}, {Passes: 2, DirtyRate: 25600}, {Passes: 3, DirtyRate: 25600}, {Passes: 4, DirtyRate: 51200}, {Passes: 5, DirtyRate: 94743}}
		}, Fail, []string{"dirty-pages-rate of 94743", "at most 2 dirty bitmap syncs", "77060 pages"}},
		{"counts", "late: no pages a second", nil, miscounted(map[string]any{"pages-per-second": 0}), Fail, []string{"0 pages a second"}},
		{"counts", "channels where there are none", nil, func(r *Record) { delete(r.Parameters, "multifd-channels") }, Fail, []string{"over channels"}},
		{"counts", "another cache", nil, func(r *Record) {
			r.Parameters["xbzrle-cache-size"] = raw("67108864")
			r.Migration.Source = raw(`%s, "xbzrle-cache": {"pages": 1, "bytes": 9, "cache-miss": 1, "cache-size": 4096}}`, strings.TrimSuffix(string(r.Migration.Source), "}"))
		}, Fail, []string{"cache of 4096 bytes", "67108864"}},
		{"counts", "no cache", nil, func(r *Record) { r.Parameters["xbzrle-cache-size"] = raw("67108864") }, Unknown, []string{"no xbzrle-cache"}},
		{"counts", "a cache without misses", nil, func(r *Record) {
			r.Migration.Source = raw(`%s, "xbzrle-cache": {"pages": 1, "bytes": 9, "cache-size": 4096}}`, strings.TrimSuffix(string(r.Migration.Source), "}"))
		}, Unknown, []string{"no cache-miss"}},
		{"counts", "RAM of which nobody knows how much", nil, func(r *Record) { r.MemoryMiB = 0 }, Unknown, []string{"how much RAM"}},
		{"counts", "more RAM than there can be", nil, func(r *Record) { r.RAMBytes = 1 << 63 }, Unknown, []string{"how much RAM"}},
	}
	for _, member := range []string{
		"total", "page-size", "remaining", "duplicate", "normal", "normal-bytes", "multifd-bytes", "pages-per-second",
		"dirty-pages-rate", "mbps", "precopy-bytes", "downtime-bytes", "postcopy-bytes",
	} {
		list = append(
			list,
			doctored{"counts", "no " + member, nil, miscounted(map[string]any{member: nil}), Unknown, []string{"no " + member}},
			doctored{"counts", member + " in words", nil, miscounted(map[string]any{member: "some"}), Unknown, []string{member + ` is "some"`}},
			doctored{"counts", member + " below 0", nil, miscounted(map[string]any{member: -1}), Unknown, []string{member + " is negative"}},
		)
	}
	return append(list, doctored{
		"counts", "none of the sums that it has", nil,
		miscounted(map[string]any{"precopy-bytes": nil, "downtime-bytes": nil, "postcopy-bytes": nil}), Unknown,
		[]string{"no precopy-bytes"},
	})
}

func doctoredDowntimes() []doctored {
	return []doctored{
		{"downtime", "longer than its limit", nil, func(r *Record) { linger(r, 800*time.Millisecond) }, Fail, []string{"841 ms", "downtime-limit was 300"}},
		{"downtime", "for half as long again as its limit allows", nil, func(r *Record) { linger(r, 420*time.Millisecond) }, Fail, []string{"461 ms", "downtime-limit was 300"}},
		{"downtime", "for 2.5 s, and there is no limit", nil, func(r *Record) {
			delete(r.Parameters, "downtime-limit")
			linger(r, 2500*time.Millisecond)
		}, Fail, []string{"unexplained downtime", "2542 ms"}},
		{"downtime", "for 2.5 s, and the limit allows all", nil, func(r *Record) {
			r.Parameters["downtime-limit"] = raw("60000")
			linger(r, 2500*time.Millisecond)
		}, Fail, []string{"unexplained downtime", "2542 ms"}},
		{"downtime", "for 1.5 s in postcopy", nil, func(r *Record) {
			linger(r, 1500*time.Millisecond)
			r.Source.Events = append(r.Source.Events[:4:4], append([]EventFacts{status(r.Source.Events[3].Time, "postcopy-active")}, r.Source.Events[4:]...)...)
			r.Migration.Source = r.Migration.reply(map[string]any{"postcopy-bytes": 1, "mbps": float64(r.Migration.Bytes) * 8 / 1000 / float64(r.Migration.TotalMS-r.Migration.SetupMS)})
		}, Fail, []string{"unexplained downtime", "1542 ms"}},
		{"reported", "a migration that begins 2 s after it was asked for", nil, func(r *Record) {
			r.Source.Began = r.Source.Began.Add(-2 * time.Second)
		}, Fail, []string{"was told to migrate", "2001 ms later"}},
		{"reported", "a setup of 2 s", nil, func(r *Record) {
			r.Source.Events[1].Time = r.Source.Events[1].Time.Add(-2 * time.Second)
			r.Source.Began = r.Source.Events[1].Time
			reports(func(m *MigrationFacts) { m.TotalMS, m.SetupMS = m.TotalMS+2000, 2000 })(r)
		}, Fail, []string{"in setup for 2000 ms"}},
		{"reported", "a destination that tells its end 1 s late", nil, func(r *Record) {
			r.Destination.Events[4].Time = r.Destination.Events[4].Time.Add(time.Second)
		}, Fail, []string{"the destination ran the guest", "1008 ms later"}},
		{"reported", "a source that tells its end 1 s late, and counts it", nil, func(r *Record) {
			r.Source.Events[4].Time = r.Source.Events[4].Time.Add(time.Second)
			reports(func(m *MigrationFacts) { m.TotalMS += 1000; m.DowntimeMS += 1000 })(r)
		}, Fail, []string{"the source told only 998 ms later"}},
		{"downtime", "the destination ran late", nil, func(r *Record) {
			for _, i := range []int{0, 4} { // RESUME, and completed
				r.Destination.Events[i].Time = r.Destination.Events[i].Time.Add(time.Second)
			}
			r.Standstill.FirstOnDestination = r.Standstill.FirstOnDestination.Add(time.Second)
		}, Fail, []string{"41 ms", "ran only 1042 ms after"}},
		{"downtime", "the destination ran late, and only the record says that it was to wait", nil, func(r *Record) {
			r.Destination.Events[0].Time = r.Destination.Events[0].Time.Add(time.Second)
			r.Destination.Events[4].Time = r.Destination.Events[0].Time.Add(time.Millisecond)
			r.Standstill.FirstOnDestination = r.Standstill.FirstOnDestination.Add(time.Second)
			r.Waits = true
		}, Fail, []string{"ran only 1042 ms after"}},
		{"downtime", "a console that was silent too long", nil, func(r *Record) {
			r.Standstill.FirstOnDestination = r.Standstill.FirstOnDestination.Add(3 * time.Second)
		}, Fail, []string{"silent for 3058 ms after it had been resumed"}},
		{"downtime", "a console that spoke meanwhile", nil, func(r *Record) {
			linger(r, 400*time.Millisecond)
			r.Standstill.LastOnSource = r.Standstill.FirstOnDestination.Add(-time.Millisecond)
		}, Fail, []string{"silent for 1 ms", "downtime of 442 ms"}},
		{"downtime", "nobody listened to the console", nil, func(r *Record) { r.Standstill = nil }, Unknown, []string{"no Standstill"}},
		{"downtime", "heartbeats that lie longer apart than the run is long", nil, func(r *Record) { r.Standstill.LongestSeconds = 100 }, Unknown, []string{"100 s apart"}},
		{"downtime", "a console that spoke years later", nil, func(r *Record) {
			r.Standstill.FirstOnDestination = r.Started.AddDate(10, 0, 0)
		}, Unknown, []string{"console"}},
		{"downtime", "nobody knows when the console spoke", nil, func(r *Record) { r.Standstill.LastOnSource = time.Time{} }, Unknown, []string{"console"}},
		{"downtime", "heartbeats that lie less than nothing apart", nil, func(r *Record) { r.Standstill.LongestSeconds = -1 }, Unknown, []string{"console"}},
		{"downtime", "a limit below 0", nil, func(r *Record) { r.Parameters["downtime-limit"] = raw("-600") }, Unknown, []string{"negative"}},
		{"downtime", "a limit in words", nil, func(r *Record) { r.Parameters["downtime-limit"] = raw(`"300 ms"`) }, Unknown, []string{"300 ms"}},
		{"downtime", "a limit that is null", nil, func(r *Record) { r.Parameters["downtime-limit"] = raw("null") }, Unknown, []string{"downtime-limit is null"}},

		{"quickest move", "each took 400 ms more", nil, func(r *Record) {
			r.Legs = []*Record{linger(good(), 400*time.Millisecond), linger(good(), 400*time.Millisecond)}
			linger(r, 400*time.Millisecond)
		}, Fail, []string{"quickest of its 3 moves", "442 ms", "takes 98"}},
	}
}
