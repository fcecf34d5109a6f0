package report

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/drover-vm/drover/migration/record"
)

// counters are the numbers of a query-migrate, by name; those inside of an object have its
// name in front, as ram.transferred.
type counters map[string]float64

func countersOf(reply json.RawMessage) counters {
	all := counters{}
	var members map[string]json.RawMessage
	if json.Unmarshal(reply, &members) != nil {
		return all
	}
	for name, value := range members {
		var inner map[string]json.RawMessage
		if x, ok := finiteNumber(value); ok {
			all[name] = x
		} else if json.Unmarshal(value, &inner) == nil {
			for k, v := range inner {
				if x, ok := finiteNumber(v); ok {
					all[name+"."+k] = x
				}
			}
		}
	}
	return all
}

func finiteNumber(text json.RawMessage) (x float64, ok bool) {
	return x, json.Unmarshal(text, &x) == nil && string(text) != "null"
}

// lastCounters are what the source reported last: in the record, else in its transcript.
func (x *explainer) lastCounters() (c counters, line int) {
	if m := x.facts.Migration; m != nil {
		return countersOf(m.Source), 0
	}
	for _, r := range slices.Backward(x.source.replies("query-migrate")) {
		if c := countersOf(r.value); len(c) > 1 {
			return c, r.line
		}
	}
	return counters{}, 0
}

// besidePages is what heads, devices and handshakes take, which not all count.
const besidePages = 512 << 10

// A contradiction is two accounts of one quantity.
type contradiction struct {
	what, other string
	a, b        float64
	unit        string
	most        float64 // by how much the ratio may be off
	beside      float64 // what one of them has that the other has not
}

func (c contradiction) ratio() float64 {
	if c.b == 0 {
		return math.Inf(1)
	}
	return c.a / c.b
}

func (c contradiction) off() bool {
	if c.a == 0 && c.b == 0 {
		return false
	}
	return math.Abs(c.ratio()-1) > c.most && math.Abs(c.a-c.b) > c.beside
}

func (c contradiction) String() string {
	return fmt.Sprintf("%s %s; %s = %s: %.2fx", c.what, amount(c.a, c.unit), c.other, amount(c.b, c.unit), c.ratio())
}

// contradictions are the pairs of numbers that should agree, those that don't first.
func (x *explainer) contradictions() (all []contradiction) {
	c, _ := x.lastCounters()
	ram := func(name string) float64 { return c["ram."+name] }
	transferred := ram("transferred")
	if parts := ram("precopy-bytes") + ram("downtime-bytes") + ram("postcopy-bytes"); parts > 0 {
		names := []string{"precopy-bytes", "downtime-bytes"}
		if ram("postcopy-bytes") > 0 {
			names = append(names, "postcopy-bytes")
		}
		if multifd := ram("multifd-bytes"); multifd > 0 {
			names, parts = append(names, "multifd-bytes"), parts+multifd
		}
		all = append(all, contradiction{"transferred", strings.Join(names, " + "), transferred, parts, "bytes", 0.02, besidePages})
	}
	if link := x.facts.Link; link != nil {
		sum := 0.0
		for _, connection := range link.Connections {
			sum += float64(connection.Forward)
		}
		all = append(all, contradiction{"transferred", "on the link", transferred, sum, "bytes", 0.06, besidePages})
	}
	if size := ram("page-size"); size > 0 {
		all = append(all, contradiction{"normal-bytes", "normal x page-size", ram("normal-bytes"), ram("normal") * size, "bytes", 0.001, 0})
		if _, compressed := x.facts.Parameters["multifd-compression"]; !compressed {
			all = append(all, contradiction{"transferred", "normal-bytes", transferred, ram("normal-bytes") + c["xbzrle-cache.bytes"], "bytes", 0.1, besidePages})
		}
	}
	if total := c["total-time"]; total >= 300 {
		all = append(all, contradiction{"mbps", "transferred x 8 / total-time", ram("mbps"), transferred * 8 / total / 1000, "Mb a second", 0.25, 0})
	}
	if ms, ok := between(x.facts); ok {
		all = append(all, contradiction{"total-time", "between the events setup and completed", c["total-time"], ms, "ms", 0.3, 0})
	}
	slices.SortStableFunc(all, func(a, b contradiction) int {
		switch {
		case a.off() == b.off():
			return 0
		case a.off():
			return -1
		}
		return 1
	})
	return all
}

// between is the time between the events of a migration's begin and end, in milliseconds.
func between(r *record.Record) (ms float64, ok bool) {
	if r.Source == nil {
		return 0, false
	}
	var setup, done record.EventFacts
	for _, e := range r.Source.Events {
		switch statusOf(e) {
		case "setup":
			setup = e
		case "completed":
			done = e
		}
	}
	if setup.Time.IsZero() || !done.Time.After(setup.Time) {
		return 0, false
	}
	return float64(done.Time.Sub(setup.Time).Milliseconds()), true
}

// statistics explains numbers of query-migrate that contradict each other.
func (x *explainer) statistics() {
	x.e.side, x.e.component = "source", "statistics"
	all := x.contradictions()
	if len(all) == 0 {
		return
	}
	if first := all[0]; first.off() {
		x.e.sentence = fmt.Sprintf("query-migrate reports %s %s, where %s = %s: %.2fx", first.what, amount(first.a, first.unit), first.other, amount(first.b, first.unit), first.ratio())
	} else {
		x.add("%s", clip(x.verdict.Witness, 300))
	}
	_, line := x.lastCounters()
	for i, c := range all {
		mark := "agrees"
		if c.off() {
			mark = "contradicts"
		}
		if i < 5 {
			x.from("record.json", line, "%s: %s", mark, c)
		}
	}
}

// measure explains a quantity that is out of its bounds.
func (x *explainer) measure() {
	var m *record.Measure
	for i := range x.facts.Measures {
		if candidate := &x.facts.Measures[i]; strings.HasPrefix(x.verdict.Witness, candidate.What+": ") && !within(*candidate) {
			m = candidate
			break
		}
	}
	if m == nil {
		return
	}
	x.e.component = ""
	x.e.sentence = fmt.Sprintf("%s: %s, expected %s", m.What, amount(m.Value, m.Unit), bound(m.Bounds, m.Unit))
	what := strings.ToLower(m.What)
	if x.e.side == "" {
		x.e.side = "source"
		if strings.Contains(what, "on the destination") {
			x.e.side = "destination"
		}
	}
	switch {
	case strings.Contains(what, "channel") || strings.Contains(what, "connection"):
		x.channels(m)
	case strings.Contains(what, "xbzrle"):
		x.silent("xbzrle", m.Value, m.Bounds, m.Unit)
	default:
		x.e.component = subjectOf(what)
		if m.Value == 0 && m.Min != nil {
			x.add("none at all: what the scenario asked for did nothing")
		}
		x.switchedOn("")
		x.limit(*m)
	}
}

// subjectOf is the component that a measure is about.
func subjectOf(what string) string {
	for _, s := range []struct{ word, component string }{
		{"request", "postcopy"},
		{"postcopy", "postcopy"},
		{"throttle", "auto-converge"},
		{"downtime", "downtime"},
		{"throughput", "max-bandwidth"},
		{"zero page", "zero-page detection"},
		{"file", "file"},
		{"threads", "threads"},
		{"memory", "memory"},
		{"dirt", "dirty rate"},
		{"gratuitous arp", "network"},
	} {
		if strings.Contains(what, s.word) {
			return s.component
		}
	}
	return "migration"
}

// limit adds what was measured against its bound, as a bar.
func (x *explainer) limit(m record.Measure) {
	rows := []bar{{label: "measured", value: m.Value, unit: m.Unit, bad: true}}
	if m.Min != nil {
		rows = append(rows, bar{label: "at least", value: *m.Min, unit: m.Unit})
	}
	if m.Max != nil && (m.Min == nil || *m.Max != *m.Min) {
		rows = append(rows, bar{label: "at most", value: *m.Max, unit: m.Unit})
	}
	x.e.figure = bars("Measured against its bounds: "+m.What, rows)
	if over := x.overTime(m); over != nil {
		x.e.figure = over
	}
	x.add("measured %s, %s", amount(m.Value, m.Unit), bound(m.Bounds, m.Unit))
}

// overTime is a chart of what was measured, beside its bound, where the source reported it
// over time; nil where it did not.
func (x *explainer) overTime(m record.Measure) *figure {
	s, ok := x.span()
	if !ok {
		return nil
	}
	var of func(s record.Sample) float64
	unit, scale := "%", 1.0
	switch x.e.component {
	case "auto-converge":
		of = func(s record.Sample) float64 { return float64(s.Throttle) }
		if m.Unit != unit {
			return nil
		}
	case "dirty rate":
		of, unit = func(s record.Sample) float64 { return float64(s.DirtyRate) }, "pages a second"
		if scale = rateScale[m.Unit]; scale == 0 {
			return nil
		}
	case "max-bandwidth":
		return x.throughput()
	default:
		return nil
	}
	var points []sample
	for _, s := range x.samples() {
		points = append(points, sample{s.Time, of(s)})
	}
	curves := []series{{m.What, points}}
	for _, b := range []struct {
		label string
		at    *float64
	}{{"at least", m.Min}, {"at most", m.Max}} {
		if b.at != nil {
			curves = append(curves, series{b.label, []sample{{s.from, *b.at * scale}, {s.to, *b.at * scale}}})
		}
	}
	return x.chart("Measured against its bound over time: "+m.What, unit, curves...)
}

// rateScale is how many pages of 4 KiB a unit of dirty rates is.
var rateScale = map[string]float64{"pages a second": 1, "bytes a second": 1.0 / 4096, "MB a second": 1e6 / 4096}

// bandwidth explains more than max-bandwidth on the link.
func (x *explainer) bandwidth() {
	x.e.side = "source"
	var rows []bar
	worst := -1
	for i, p := range x.facts.Paced {
		if !(p.Seconds > 0) || p.Limit <= 0 {
			continue
		}
		rate := float64(p.Bytes) / p.Seconds
		if worst < 0 || rate/p.Limit > float64(x.facts.Paced[worst].Bytes)/x.facts.Paced[worst].Seconds/x.facts.Paced[worst].Limit {
			worst = i
		}
		if len(rows) < 2*record.MaxListed {
			label := fmt.Sprintf("stretch %d, %.2f s", i+1, p.Seconds)
			rows = append(rows, bar{label: label, value: rate, unit: "bytes a second", bad: rate > 1.25*p.Limit}, bar{label: "  its max-bandwidth", value: p.Limit, unit: "bytes a second"})
		}
	}
	if worst < 0 {
		return
	}
	p := x.facts.Paced[worst]
	rate := float64(p.Bytes) / p.Seconds
	x.e.sentence = fmt.Sprintf("%s a second went over the link, where max-bandwidth is %s a second: %.2fx", size(rate), size(p.Limit), rate/p.Limit)
	x.add("%s in %.2f s, stretch %d of %d", size(float64(p.Bytes)), p.Seconds, worst+1, len(x.facts.Paced))
	if x.e.figure = x.throughput(); x.e.figure == nil {
		x.e.figure = bars("Throughput against max-bandwidth", rows)
	}
}
