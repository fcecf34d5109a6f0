package bench

import (
	"errors"
	"fmt"
	"math"
)

// Alpha is how likely a difference may be by chance and still be called one, after correction
// for how many are looked at.
const Alpha = 0.01

// margins are changes too small to matter, whatever their significance: what the same QEMU's
// numbers drift by from one hour to the next.
const (
	margin        = 1.05
	marginClocked = 1.10
)

// A Verdict says what became of a metric.
type Verdict string

const (
	Same    Verdict = "no difference"
	Worse   Verdict = "worse"
	Better  Verdict = "better"
	Blurred Verdict = "undecided" // it differs, and so did the host's load
)

// A Difference is what became of a metric, over all points or at one.
type Difference struct {
	Metric  string
	Point   string  `json:",omitempty"` // "" is over all points
	Factor  float64 // after to before
	P       float64 // chance of so large a change where nothing has changed, corrected
	Points  int     // in common
	Verdict Verdict
	Told    bool // it is told, and no reason to call a run worse
}

// A Comparison holds two results against each other.
type Comparison struct {
	Before, After string   // what was measured
	Notes         []string // axes that differ
	Differences   []Difference
	// Convergence are points that converged in every round of one and in none of the other.
	Convergence []Difference
	// HostFactor is by how much the host was slower, by what others took of it.
	HostFactor, HostP float64
}

// Worse says whether anything is worse beyond noise.
func (c *Comparison) Worse() bool {
	for _, d := range append(c.Differences, c.Convergence...) {
		if d.Verdict == Worse && !d.Told {
			return true
		}
	}
	return false
}

// Undecided says whether something may be worse, and the host is to blame for not knowing.
func (c *Comparison) Undecided() bool {
	for _, d := range c.Differences {
		if d.Verdict == Blurred && !d.Told {
			return true
		}
	}
	return false
}

// ErrNothingCommon says that two results have no point in common.
var ErrNothingCommon = errors.New("bench: the two have no point in common: no method was measured under the same dirty rate in both")

// pair are the measurements of one point in both.
type pair struct {
	name          string
	before, after []Measurement
}

// Compare holds what was measured after against what was measured before, point by point. An
// axis of which each has one value, and not the same, is a setting: it is noted, and points
// that differ in it alone are compared.
func Compare(before, after *Results) (*Comparison, error) {
	c := &Comparison{Before: before.name(), After: after.name()}
	pairs := c.match(before, after)
	if len(pairs) == 0 {
		return nil, ErrNothingCommon
	}
	host := Metric{Of: func(m Measurement) (float64, bool) { return m.HostSlowdown, m.HostSlowdown > 0 }}
	c.HostFactor, c.HostP = 1, 1
	if s := strataOf(pairs, host); len(s) > 0 {
		c.HostFactor, c.HostP = permutationTest(s)
	}
	var found []Difference
	var chances []float64
	for _, m := range Metrics() {
		if s := strataOf(pairs, m); len(s) > 0 {
			factor, p := permutationTest(s)
			found, chances = append(found, Difference{Metric: m.Name, Factor: factor, Points: len(s), Told: m.Told}), append(chances, p)
		}
	}
	for i, p := range holm(chances) {
		found[i].P = p
		found[i].Verdict = c.judge(metricOf(found[i].Metric), found[i].Factor, p)
	}
	c.Differences = found
	for _, m := range Metrics() {
		c.Differences = append(c.Differences, c.atPoints(pairs, m)...)
	}
	c.Convergence = convergence(pairs)
	return c, nil
}

func metricOf(name string) Metric {
	for _, m := range Metrics() {
		if m.Name == name {
			return m
		}
	}
	return Metric{}
}

// judge says what a factor of a metric means.
func (c *Comparison) judge(m Metric, factor, p float64) Verdict {
	matters := margin
	if m.Clocked {
		matters = marginClocked
	}
	if p > Alpha || math.Max(factor, 1/factor) < matters {
		return Same
	}
	slower := (factor > 1) != m.Higher
	// What takes longer on a host that is busier by as much is the host's doing.
	busier := c.HostP <= Alpha && (c.HostFactor > 1) == slower && math.Max(factor, 1/factor) < 1.5*math.Max(c.HostFactor, 1/c.HostFactor)
	switch {
	case m.Clocked && busier:
		return Blurred
	case slower:
		return Worse
	}
	return Better
}

// atPoints are the points at which the metric differs, where there are rounds enough to tell.
func (c *Comparison) atPoints(pairs []pair, m Metric) (found []Difference) {
	var all []Difference
	var chances []float64
	for _, p := range pairs {
		before, after := valuesOf(p.before, m), valuesOf(p.after, m)
		if len(before) == 0 || len(after) == 0 {
			continue
		}
		factor := math.Exp(mean(logs(after, m)) - mean(logs(before, m)))
		all, chances = append(all, Difference{Metric: m.Name, Point: p.name, Factor: factor, Points: 1, Told: m.Told}), append(chances, mannWhitney(before, after))
	}
	for i, p := range holm(chances) {
		all[i].P = p
		if all[i].Verdict = c.judge(m, all[i].Factor, p); all[i].Verdict != Same {
			found = append(found, all[i])
		}
	}
	return found
}

// convergence are points that always converged in one and never in the other. Fewer than
// three rounds say nothing.
func convergence(pairs []pair) (found []Difference) {
	const fewest = 3
	for _, p := range pairs {
		if len(p.before) < fewest || len(p.after) < fewest {
			continue
		}
		before, after := Converged(p.before), Converged(p.after)
		d := Difference{Metric: "convergence", Point: p.name, Points: 1}
		switch {
		case before == len(p.before) && after == 0:
			d.Verdict = Worse
		case before == 0 && after == len(p.after):
			d.Verdict = Better
		default:
			continue
		}
		found = append(found, d)
	}
	return found
}

func strataOf(pairs []pair, m Metric) (all []stratum) {
	for _, p := range pairs {
		s := stratum{logs(valuesOf(p.before, m), m), logs(valuesOf(p.after, m), m)}
		if len(s.before) > 0 && len(s.after) > 0 {
			all = append(all, s)
		}
	}
	return all
}

// logs are the logarithms of values, none of which is less than what is nothing beside it.
func logs(values []float64, m Metric) (all []float64) {
	for _, v := range values {
		all = append(all, math.Log(math.Max(v+m.Least, 1e-9)))
	}
	return all
}

// match pairs the points of both.
func (c *Comparison) match(before, after *Results) (pairs []pair) {
	was, is := before.Points(), after.Points()
	same := func(p Point) Point { return p }
	for _, axis := range []struct {
		name string
		of   func(p Point) string
		drop func(p *Point)
	}{
		{"bandwidth", func(p Point) string { return short(p.Bandwidth) + "/s" }, func(p *Point) { p.Bandwidth = 0 }},
		{"downtime limit", func(p Point) string { return fmt.Sprintf("%d ms", p.DowntimeMS) }, func(p *Point) { p.DowntimeMS = 0 }},
		{"RAM", func(p Point) string { return fmt.Sprintf("%d MiB", p.MemoryMiB) }, func(p *Point) { p.MemoryMiB = 0 }},
	} {
		a, b := only(was, axis.of), only(is, axis.of)
		if a != "" && b != "" && a != b {
			c.Notes = append(c.Notes, fmt.Sprintf("%s: %s before, %s now", axis.name, a, b))
			former := same
			same = func(p Point) Point {
				p = former(p)
				axis.drop(&p)
				return p
			}
		}
	}
	for _, p := range was {
		for _, q := range is {
			if same(p) == same(q) {
				pairs = append(pairs, pair{q.String(), before.Of(p), after.Of(q)})
			}
		}
	}
	return pairs
}

// only is the one value that all points have; "" where they have several.
func only(points []Point, of func(Point) string) (value string) {
	for i, p := range points {
		if v := of(p); i == 0 {
			value = v
		} else if v != value {
			return ""
		}
	}
	return value
}

func (r *Results) name() string {
	text := fmt.Sprintf("QEMU %s, %s", r.QEMU, r.Accel)
	for _, a := range r.Args {
		text += " " + a
	}
	return text
}
