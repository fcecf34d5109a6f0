package report

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/drover-vm/drover/migration/record"
)

// GoodFile is where a run's folder has what the last good run of the same scenario on the same
// pair was like, where one was kept.
const GoodFile = "last-good.json"

// goodFormat grows when what is kept of good runs changes its meaning. Others are not read.
const goodFormat = 1

// MostOfGood bounds what is kept of one run, in bytes.
const MostOfGood = 32 << 10

// A Good is what is kept of a run that passed, to hold later ones against it.
type Good struct {
	Format   int
	Scenario string
	Arch     string
	QEMU     string // versions of both sides
	Accel    string
	Started  time.Time
	Seconds  float64
	Host     *record.HostFacts `json:",omitempty"`
	Packages []string          // what each side's QEMU calls itself
	Words    [][]string        // of each side's command line, without those that name a file
	Steps    []GoodStep
	Statuses []string           // of the migration, each side's on end
	Counters map[string]float64 // the source's last query-migrate
	Settings map[string]string  // the source's parameters that were set
	Guest    *record.GuestSpeed `json:",omitempty"`
}

// A GoodStep is a step's time.
type GoodStep struct {
	Name    string
	Seconds float64
}

// GoodOf is what is kept of a run.
func GoodOf(r *record.Result) Good {
	f := r.Record
	g := Good{
		Format: goodFormat, Scenario: r.Scenario, Arch: r.Arch, QEMU: plainVersions(f), Accel: accelOf(f), Started: f.Started, Seconds: f.Seconds,
		Host: f.Host, Counters: map[string]float64{}, Settings: map[string]string{},
	}
	for _, s := range sidesOf(f) {
		g.Packages = append(g.Packages, s.facts.Package)
		words := strings.Fields(s.facts.CommandLine)
		g.Words = append(g.Words, slices.DeleteFunc(words, func(w string) bool { return strings.ContainsAny(w, "/\\") || len(w) > 200 }))
		g.Statuses = append(g.Statuses, strings.Join(statuses(s.facts.Events), " "))
	}
	for _, s := range f.Steps {
		g.Steps = append(g.Steps, GoodStep{s.Name, s.Seconds})
	}
	if m := f.Migration; m != nil {
		g.Counters = countersOf(m.Source)
	}
	for name, value := range f.Parameters {
		g.Settings[name] = string(value)
	}
	if f.Costs != nil {
		g.Guest = f.Costs.Guest
	}
	return g
}

// accelOf is the accelerator, without why it.
func accelOf(r *record.Record) string {
	accel, _, _ := strings.Cut(r.Accel, ":")
	return accel
}

// GoodName names what is kept of a run among others': the same for each run of the scenario
// on the same pair of QEMU versions and with the same accelerator, and fit for a file.
func GoodName(r *record.Result) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", []string{r.Arch, r.Scenario, plainVersions(r.Record), accelOf(r.Record)}))
	const enough = 12
	return hex.EncodeToString(sum[:enough]) + ".json"
}

// readGood reads what was kept; nil where that is none.
func readGood(text string) *Good {
	var g Good
	if len(text) == 0 || len(text) > MostOfGood || json.Unmarshal([]byte(text), &g) != nil || g.Format != goodFormat {
		return nil
	}
	return &g
}

// What times and numbers of two runs may differ by and be the same.
const (
	sameTimes   = 1.5
	sameSeconds = 0.3 // s, of a step
	sameNumber  = 100 // of a counter
	mostRows    = 16
)

// comparison says what differs from the last good run of the same scenario on the same pair.
func (f *Folder) comparison() section {
	s := section{Title: "Compared with the last good run"}
	if f.good == nil {
		s.para("", "no good run of this scenario on this pair of QEMUs was kept", "")
		return s
	}
	then, r := f.good, f.Record
	now := GoodOf(&record.Result{Scenario: r.Scenario, Arch: r.Arch, Record: r})
	s.from(para{Label: "good run", Text: fmt.Sprintf("%s, %.2f s", then.Started.UTC().Format("2006-01-02 15:04:05 UTC"), then.Seconds), File: GoodFile})
	s.para("host", hostsCompared(then.Host, now.Host), "note")
	t := table{Caption: "Only what differs is listed", Head: []string{"what", "last good run", "this run"}}
	add := func(what, before, after string) {
		if before != after && len(t.Rows) < 3*mostRows {
			t.Rows = append(t.Rows, []string{what, cmp.Or(before, "none"), cmp.Or(after, "none")})
		}
	}
	sides := []string{"source", "destination"}
	for i, side := range sides {
		add(side+"'s QEMU package", nth(then.Packages, i), nth(now.Packages, i))
	}
	for i, side := range sides {
		add(side+"'s command line", lone(then.Words, now.Words, i), lone(now.Words, then.Words, i))
	}
	for i, side := range sides {
		add(side+"'s statuses", nth(then.Statuses, i), nth(now.Statuses, i))
	}
	for _, name := range both(then.Settings, now.Settings) {
		add("parameter "+name, then.Settings[name], now.Settings[name])
	}
	for _, row := range stepsCompared(then.Steps, now.Steps) {
		add(row[0], row[1], row[2])
	}
	for _, row := range countersCompared(then.Counters, f.countersNow()) {
		add(row[0], row[1], row[2])
	}
	s.table(t)
	if len(t.Rows) == 0 {
		s.para("", "nothing differs beyond noise", "")
	}
	return s
}

// countersNow are the source's last, from the record or else from its transcript.
func (f *Folder) countersNow() counters {
	x := &explainer{Folder: f, facts: f.Record}
	c, _ := x.lastCounters()
	return c
}

func nth(all []string, i int) string {
	if i < len(all) {
		return all[i]
	}
	return ""
}

// lone are the words of one side's command line that the other run's has not.
func lone(of, other [][]string, i int) string {
	if i >= len(of) || i >= len(other) {
		return ""
	}
	var words []string
	for _, w := range of[i] {
		if !slices.Contains(other[i], w) {
			words = append(words, w)
		}
	}
	return clip(strings.Join(words, " "), 200)
}

func both[V any](a, b map[string]V) []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(names)
	return slices.Compact(names)
}

// hostsCompared says how busy the host was, so that a slow pass can be dismissed.
func hostsCompared(then, now *record.HostFacts) string {
	one := func(h *record.HostFacts) string {
		if h == nil {
			return "not measured"
		}
		text := fmt.Sprintf("load %.1f", max(h.LoadBefore, h.LoadAfter))
		if h.Slowdown > 0 {
			text += fmt.Sprintf(", %.2f times as slow as a quiet one", h.Slowdown)
		}
		return text
	}
	text := fmt.Sprintf("then %s; now %s", one(then), one(now))
	if then != nil && now != nil && then.Slowdown > 0 && now.Slowdown >= 1.25*then.Slowdown {
		text += "; the host is busier, and what is slower may be its doing"
	}
	return text
}

// stepsCompared are the steps that both runs took, of which one took much longer, the furthest
// apart first.
func stepsCompared(then, now []GoodStep) (rows [][3]string) {
	before := map[string]float64{}
	for _, s := range then {
		before[s.Name] += s.Seconds
	}
	after := map[string]float64{}
	var names []string
	for _, s := range now {
		if _, seen := after[s.Name]; !seen {
			names = append(names, s.Name)
		}
		after[s.Name] += s.Seconds
	}
	off := func(name string) float64 { return math.Abs(before[name] - after[name]) }
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(off(b), off(a)) })
	for _, name := range names {
		was, there := before[name]
		is := after[name]
		if there && off(name) >= sameSeconds && max(was, is) > sameTimes*min(was, is) && len(rows) < mostRows {
			rows = append(rows, [3]string{"time of " + name, fmt.Sprintf("%.2f s", was), fmt.Sprintf("%.2f s", is)})
		}
	}
	return rows
}

// countersCompared are the numbers of query-migrate that differ, the furthest apart first.
func countersCompared(then, now counters) (rows [][3]string) {
	if len(then) == 0 || len(now) == 0 {
		return nil
	}
	ratio := func(name string) float64 { return (max(then[name], now[name]) + 1) / (min(then[name], now[name]) + 1) }
	names := both(then, now)
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(ratio(b), ratio(a)) })
	say := func(c counters, name string) string {
		if value, there := c[name]; there {
			return thousands(value)
		}
		return ""
	}
	for _, name := range names {
		_, was := then[name]
		_, is := now[name]
		differs := math.Abs(then[name]-now[name]) >= sameNumber && ratio(name) > sameTimes
		if (differs || was != is) && len(rows) < mostRows {
			rows = append(rows, [3]string{name, say(then, name), say(now, name)})
		}
	}
	return rows
}
