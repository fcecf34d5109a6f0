package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/drover-vm/drover/migration/record"
)

// channels explains how bytes were spread over connections.
func (x *explainer) channels(m *record.Measure) {
	x.e.component = "channels"
	if _, multifd := x.facts.Parameters["multifd-channels"]; multifd {
		x.e.component = "multifd channels"
	}
	if x.facts.Link == nil || len(x.facts.Link.Connections) == 0 {
		x.limit(*m)
		return
	}
	all := x.facts.Link.Connections
	var sum, most float64
	for _, c := range all[1:] {
		sum += float64(c.Forward)
		most = max(most, float64(c.Forward))
	}
	const hardly = 0.05 // of an even share
	var rows []bar
	used := 0
	for i, c := range all {
		row := bar{label: fmt.Sprintf("channel %d", i), value: float64(c.Forward), unit: "bytes"}
		if i == 0 {
			row.label = "main"
		} else if n := float64(len(all) - 1); row.value < hardly*sum/n {
			row.bad = true
		} else {
			used++
		}
		rows = append(rows, row)
	}
	if n := len(all) - 1; n > 1 && used < n {
		x.e.sentence = fmt.Sprintf("%d of %d channels carry the pages, where each is expected to carry %s of %s", used, n, bound(m.Bounds, m.Unit), size(sum))
		x.add("%.3g %% of the %s over channels went over one of them", 100*most/max(sum, 1), size(sum))
	}
	x.e.figure = bars("Bytes sent over each connection", rows)
}

// feature explains a step that waited for a feature to do something; false where nothing is
// known of that feature.
func (x *explainer) feature(step, what, after string) bool {
	m := regexp.MustCompile(`xbzrle-pages (\d+)`).FindStringSubmatch(step)
	if m == nil {
		return false
	}
	least, _ := strconv.ParseFloat(m[1], 64)
	c, _ := x.lastCounters()
	if _, there := c["xbzrle-cache.pages"]; !there {
		return false
	}
	x.silent("xbzrle", c["xbzrle-cache.pages"], record.AtLeast(least), "pages")
	x.add("the step %q timed out after %s", clip(step, 60), after)
	return true
}

// silent explains a feature that did nothing, or too little.
func (x *explainer) silent(feature string, value float64, b record.Bounds, unit string) {
	x.e.side, x.e.component = "source", feature
	c, line := x.lastCounters()
	passes := ""
	if n := c["ram.dirty-sync-count"]; n > 0 {
		passes = fmt.Sprintf(" in %s passes", thousands(n))
	}
	x.e.sentence = fmt.Sprintf("%s: %s encoded%s, expected %s", feature, amount(value, unit), passes, bound(b, unit))
	miss, asked := c["xbzrle-cache.cache-miss"]
	if value == 0 && asked && miss == 0 {
		x.e.sentence += "; cache-miss 0: never tried"
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(c)) {
		if inner, ok := strings.CutPrefix(name, feature+"-cache."); ok {
			names = append(names, inner+" "+thousands(c[name]))
		}
	}
	file := "record.json"
	if line > 0 {
		file = "source.qmp"
	}
	if len(names) > 0 {
		x.from(file, line, "query-migrate, %s-cache: %s", feature, strings.Join(names, ", "))
	}
	x.from(file, line, "query-migrate, ram: %s normal pages, %s zero pages, %s transferred%s", thousands(c["ram.normal"]), thousands(c["ram.duplicate"]), size(c["ram.transferred"]), passes)
	x.switchedOn(feature)
}

// switchedOn adds which capabilities were on in the end, by the transcript of the source.
func (x *explainer) switchedOn(feature string) {
	on, line := x.source.capabilities()
	if line == 0 {
		return
	}
	text := "capabilities that are on: " + strings.Join(on, ", ")
	if feature != "" && !slices.Contains(on, feature) {
		text = fmt.Sprintf("capability %s is off; on are %s", feature, strings.Join(on, ", "))
	} else if feature != "" {
		text = fmt.Sprintf("capability %s is on", feature)
	}
	x.from("source.qmp", line, "source: %s", text)
}

// capabilities are those that were on in the end, and the line of the transcript that says
// so; 0 where none does.
func (l *logs) capabilities() (on []string, line int) {
	type capability struct {
		Capability string
		State      bool
	}
	state := map[string]bool{}
	for _, r := range l.replies("query-migrate-capabilities") {
		var all []capability
		if json.Unmarshal(r.value, &all) == nil {
			line = r.line
			for _, c := range all {
				state[c.Capability] = c.State
			}
		}
	}
	for _, m := range l.qmp {
		if name, arguments := m.command(); name == "migrate-set-capabilities" {
			var set struct{ Capabilities []capability }
			if json.Unmarshal(arguments, &set) == nil {
				line = m.line
				for _, c := range set.Capabilities {
					state[c.Capability] = c.State
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(state)) {
		if state[name] {
			on = append(on, name)
		}
	}
	return on, line
}

// life explains a guest that does not run.
func (x *explainer) life() {
	l := x.facts.Life
	for i := range x.facts.EarlierLives {
		if outcome, _ := x.facts.EarlierLives[i].Judge(); outcome == record.Fail {
			l = &x.facts.EarlierLives[i]
			break
		}
	}
	if l == nil {
		return
	}
	x.e.side, x.e.component = l.Side, "vCPUs"
	after := ""
	switch {
	case cancels(x.facts) && l.Side == "source":
		after = " after migrate_cancel"
	case x.facts.Ends == record.OnSource:
		after = " after the migration that failed"
	}
	switch {
	case !l.Running:
		x.e.sentence = fmt.Sprintf("the guest is not resumed%s: run state %s, where running is expected", after, l.Status)
	case l.Before == l.After:
		x.e.sentence = fmt.Sprintf("the guest does not run%s: its counter stays %d for %.1f s, where it is expected to change", after, l.Before.Value, l.Seconds)
	}
	x.add("%s: run state %s; the counter at %#x stays %d for %.1f s; %d heartbeats on its console", l.Side, l.Status, l.Before.Address, l.Before.Value, l.Seconds, l.Heartbeats)
	for _, s := range sidesOf(x.facts) {
		if s.name == l.Side {
			x.stopWithoutResume(s)
		}
	}
	x.sequences()
	x.errors()
}

// stopWithoutResume adds the last STOP of a side, and that none resumed it.
func (x *explainer) stopWithoutResume(s namedFacts) {
	stop, resume := -1, -1
	for i, e := range s.facts.Events {
		switch e.Name {
		case "STOP":
			stop = i
		case "RESUME":
			resume = i
		}
	}
	switch {
	case stop > resume:
		x.add("%s: STOP at %s, and no RESUME after it", s.name, x.clockOf(s.facts.Events[stop].Time))
	case stop < 0:
		x.add("%s: no STOP and no RESUME came", s.name)
	}
}
