package record

import (
	"math"

	"github.com/drover-vm/drover/fixtures"
)

func doctoredMemories() []doctored {
	return []doctored{
		{"stopped guest is unchanged", "pages change", nil, func(r *Record) {
			r.Stillness.Changed, r.Stillness.First = 2, 0x1234000
		}, Fail, []string{"2 of 38400", "0x1234000"}},
		{"stopped guest is unchanged", "it runs", nil, func(r *Record) { r.Stillness.Running, r.Stillness.Status = true, "running" }, Fail, []string{"running"}},
		{"stopped guest is unchanged", "nothing was read", nil, func(r *Record) { r.Stillness.Pages = 0 }, Unknown, nil},
		{"stopped guest is unchanged", "one page was read", nil, func(r *Record) { r.Stillness.Pages = 1 }, Unknown, []string{"1 pages", "38400"}},
		{"stopped guest is unchanged", "less was read than QEMU says that there is", nil, func(r *Record) {
			r.RAMBytes = 150<<20 + 4096
			r.Migration.Source = r.Migration.reply(map[string]any{"total": 150<<20 + 4096})
		}, Unknown, []string{"38400 pages", "38401"}},
		{"stopped guest is unchanged", "other pages than those compared", nil, func(r *Record) { r.Stillness.Pages++ }, Unknown, []string{"38401", "38400"}},
		{"stopped guest is unchanged", "no time passed", nil, func(r *Record) { r.Stillness.Seconds = 0 }, Unknown, []string{"0 s"}},
		{"stopped guest is unchanged", "a page that nobody counted", nil, func(r *Record) { r.Stillness.First = 0x1234000 }, Unknown, []string{"0x1234000"}},
		{"stopped guest is unchanged", "less than nothing changed", nil, func(r *Record) { r.Stillness.Changed = -1 }, Unknown, []string{"-1 pages"}},
		{"stopped guest is unchanged", "in a state that is none", nil, func(r *Record) { r.Stillness.Status = "" }, Unknown, []string{"expected paused"}},

		{"workload", "one page is wrong", nil, func(r *Record) { r.Workload.Runs = split(r.Workload.Runs, 1, 1000, 1, 99) }, Fail, []string{"0x640000", "expected 7", "found 99", "1 of 25344"}},
		{"workload", "the first page is wrong", nil, func(r *Record) { r.Workload.Runs = split(r.Workload.Runs, 0, 0, 1, 7) }, Fail, []string{"0x100000", "expected 8", "found 7"}},
		{"workload", "a second step down", nil, func(r *Record) { r.Workload.Runs = split(r.Workload.Runs, 1, 24700, 300, 6) }, Fail, []string{"expected 7", "found 6", "300 of 25344"}},
		{"workload", "a step up", nil, func(r *Record) { r.Workload.Runs[1].Value = 9 }, Fail, []string{"expected", "found"}},
		{"workload", "a byte beside is not zero", nil, func(r *Record) {
			r.Workload.StrayTotal, r.Workload.Stray = 1, []Reading{{0x1234567, 3}}
		}, Fail, []string{"0x1234567", "expected 0", "found 3"}},
		{"workload", "a byte beside, which nobody counted", nil, func(r *Record) { r.Workload.Stray = []Reading{{0x1234567, 3}} }, Fail, []string{"0x1234567"}},
		{"workload", "more runs than are listed", nil, func(r *Record) { r.Workload.More = 100 }, Fail, []string{"102 stretches"}},
		{"workload", "not every page was read", nil, func(r *Record) { r.Workload.Pages = 5 }, Unknown, []string{"5 pages", "25344"}},
		{"workload", "nothing was read", nil, func(r *Record) { r.Workload = nil }, Unknown, nil},
		{"workload", "a workload of one page", nil, func(r *Record) {
			r.Workload = &WorkloadFacts{Range: fixtures.Range{Start: 1 << 20, End: 1<<20 + 4096}, Stride: 4096, Pages: 1, Runs: []Run{{1 << 20, 1, 7}}}
		}, Unknown, []string{"[0x100000,0x101000)", "[0x100000,0x6400000)"}},
		{"workload", "a workload of 64 pages and a half", hot, func(r *Record) { r.Workload.Range.End += 2048 }, Unknown, []string{"0x140800"}},
		{"workload", "another stride", nil, func(r *Record) { r.Workload.Stride, r.Workload.Pages = 8192, 12672 }, Unknown, []string{"each 8192"}},
		{"workload", "no stride", nil, func(r *Record) { r.Workload.Stride = 0 }, Unknown, []string{"each 0"}},
		{"workload", "pages that are listed twice", nil, func(r *Record) { r.Workload.Runs[1].Address = 1 << 20 }, Unknown, []string{"0x100000", "0x258000"}},
		{"workload", "pages that are not listed", nil, func(r *Record) { r.Workload.Runs = r.Workload.Runs[:1] }, Unknown, []string{"0x258000 on are not listed"}},
		{"workload", "fewer than no pages", nil, func(r *Record) { r.Workload.Runs[0].Pages = -1 }, Unknown, []string{"-1 pages"}},
		{"workload", "more pages than there are", nil, func(r *Record) { r.Workload.Runs[1].Pages = math.MaxInt }, Unknown, []string{"0x258000"}},
		{"workload", "more is listed than is listed of anything", nil, func(r *Record) {
			r.Workload.Runs = make([]Run, MaxListed+1)
		}, Unknown, []string{"65 stretches"}},

		{"memory", "a byte differs", nil, func(r *Record) {
			r.Memory.DifferentTotal, r.Memory.Different = 1, []Difference{{0x95fffff, 0, 0x5a}}
		}, Fail, []string{"0x95fffff", "0x00", "0x5a"}},
		{"memory", "a byte differs, which nobody counted", nil, func(r *Record) { r.Memory.Different = []Difference{{0x95fffff, 0, 0x5a}} }, Fail, []string{"0x95fffff"}},
		{"memory", "nothing was compared", nil, func(r *Record) { r.Memory.Compared = 0 }, Unknown, nil},
		{"memory", "one byte was compared", nil, func(r *Record) { r.Memory.Compared = 1 }, Unknown, []string{"1 bytes", "157286400"}},
		{"memory", "a page was not compared", nil, func(r *Record) { r.Memory.Compared -= 4096 }, Unknown, []string{"53473280"}},
		{"memory", "all but a page was left out", nil, func(r *Record) {
			r.Memory.Compared, r.Memory.Left = 4096, []fixtures.Range{{Start: 0, End: 150 << 20}}
		}, Unknown, []string{"[0x0,0x9600000)", "no reason"}},
		{"memory", "less than nothing differs", nil, func(r *Record) { r.Memory.DifferentTotal = -1 }, Unknown, []string{"-1 bytes"}},
		{"memory", "nobody looked", nil, func(r *Record) { r.Memory = nil }, Unknown, []string{"no Memory"}},

		{"exact memory", "a byte differs", nil, func(r *Record) {
			r.Exact.DifferentTotal, r.Exact.Different = 3, []Difference{{0x7c00, 0xfa, 0}}
		}, Fail, []string{"3 bytes", "0x7c00", "0xfa", "0x00"}},
		{"exact memory", "one byte was compared", nil, func(r *Record) { r.Exact.Compared = 1 }, Unknown, []string{"1 bytes"}},
		{"exact memory", "all of half of RAM was compared", nil, func(r *Record) { r.Exact.Size, r.Exact.Compared = 75<<20, 75<<20 }, Unknown, []string{"78643200", "157286400"}},
		{"exact memory", "something was left out", nil, func(r *Record) { r.Exact.Left = []fixtures.Range{{Start: 0, End: 4096}} }, Unknown, []string{"[0x0,0x1000)"}},
		{"exact memory", "nobody looked, and was to", nil, func(r *Record) { r.Gathers, r.Exact = []Fact{FactExact}, nil }, Unknown, []string{"no Exact"}},
	}
}
