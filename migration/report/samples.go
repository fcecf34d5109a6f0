package report

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/drover-vm/drover/migration/record"
)

// samples are what the source reported of the run's migrations, on all of the guest's ways:
// what the record has, else what the monitor's transcript does.
func (f *Folder) samples() (all []record.Sample) {
	for _, leg := range append(slices.Clone(f.Record.Legs), f.Record) {
		if leg != nil {
			all = append(all, leg.Samples...)
		}
	}
	if len(all) == 0 {
		all = f.source.samples()
	}
	all = slices.DeleteFunc(all, func(s record.Sample) bool { return s.Time.IsZero() })
	slices.SortStableFunc(all, func(a, b record.Sample) int { return a.Time.Compare(b.Time) })
	const most = 8 * record.MaxSamples
	return all[:min(len(all), most)]
}

// samples are what a transcript has of query-migrate.
func (l *logs) samples() (all []record.Sample) {
	for _, r := range l.replies("query-migrate") {
		at, known := l.when(r.message)
		c := countersOf(r.value)
		if !known || len(c) == 0 {
			continue
		}
		count := func(name string) uint64 { return uint64(max(0, min(c[name], 1<<62))) }
		all = append(all, record.Sample{
			Time: at, Bytes: count("ram.transferred"), Remaining: count("ram.remaining"), DirtyRate: count("ram.dirty-pages-rate"),
			Mbps: c["ram.mbps"], Passes: int64(count("ram.dirty-sync-count")), Throttle: int64(count("cpu-throttle-percentage")),
		})
	}
	return all
}

// A span is what charts show of a run's time.
type span struct{ from, to time.Time }

// span is the time that all charts show: that of the migration, and a tenth of it on both
// sides, where there are samples; else the whole run's.
func (f *Folder) span() (s span, ok bool) {
	s = span{f.Record.Started, f.end()}
	all := f.samples()
	if len(all) >= fewestSamples {
		from, to := all[0].Time, all[len(all)-1].Time
		if _, resume, moved := downtime(f.Record); moved && resume.After(to) {
			to = resume
		}
		margin := to.Sub(from)/10 + time.Millisecond
		s = span{from.Add(-margin), to.Add(margin)}
	}
	return s, s.to.After(s.from)
}

// share is where in the span a time lies, from 0 to 1.
func (s span) share(at time.Time) float64 {
	return min(1, max(0, at.Sub(s.from).Seconds()/s.to.Sub(s.from).Seconds()))
}

func (s span) has(at time.Time) bool { return !at.Before(s.from) && !at.After(s.to) }

// defaultBandwidth is QEMU's max-bandwidth where none is set, since 5.2: 128 MiB a second.
const defaultBandwidth = 128 << 20

// limits are the source's max-bandwidth over time: as the scenario set it, while the
// migration was under way too.
func (f *Folder) limits(s span) (all []sample) {
	now := float64(defaultBandwidth)
	for _, m := range f.source.qmp {
		name, arguments := m.command()
		at, known := f.source.when(m)
		var set struct {
			Bandwidth *float64 `json:"max-bandwidth"`
		}
		if name != "migrate-set-parameters" || !known || json.Unmarshal(arguments, &set) != nil || set.Bandwidth == nil {
			continue
		}
		if s.has(at) {
			all = append(all, sample{at, now}, sample{at, *set.Bandwidth})
		}
		if !at.After(s.to) {
			now = *set.Bandwidth
		}
	}
	if len(f.source.qmp) == 0 { // which only the record is left of
		return nil
	}
	first := now
	if len(all) > 0 {
		first = all[0].value
	}
	return append(append([]sample{{s.from, first}}, all...), sample{s.to, now})
}

// rates are how fast a count grew, a stretch of some samples each.
func rates(all []sample) (rates []sample) {
	const stretches = 60
	if len(all) < 2 {
		return nil
	}
	least := all[len(all)-1].at.Sub(all[0].at) / stretches
	last := all[0]
	for _, s := range all[1:] {
		if s.value < last.value { // another migration
			last = s
			continue
		}
		if took := s.at.Sub(last.at); took > 0 && took >= least {
			rates = append(rates, sample{s.at, (s.value - last.value) / took.Seconds()})
			last = s
		}
	}
	return rates
}
