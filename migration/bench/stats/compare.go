package stats

import (
	"fmt"
	"math"
	"slices"

	moremath "github.com/aclements/go-moremath/stats"
)

// FalseAlarms bounds how much of what is called worse, or better, is so by chance (the false
// discovery rate), over all cells and metrics of a comparison together.
const FalseAlarms = 0.05

// DefaultMargin is by which share of the baseline a quantity may be worse without a
// complaint: two runs on one host, an hour apart, differ by some percent for no fault of QEMU's.
const DefaultMargin = 0.1

// A Difference is how one metric of one cell compares with the baseline.
type Difference struct {
	Cell
	Metric

	Before, Now Summary
	// P is how probable it is to see such a difference beyond the margin, or a larger one,
	// where there is none: for the worse or for the better, whichever is less probable.
	P float64
	// Worse and Better say that it is one beyond noise, all tests of the comparison considered.
	Worse, Better bool

	worseP, betterP float64
}

// String says what was, what is, and how sure that is.
func (d Difference) String() string {
	info := Info(d.Metric)
	change := ""
	if d.Before.Median > 0 {
		change = fmt.Sprintf(" (%+.0f%%)", 100*(d.Now.Median/d.Before.Median-1))
	}
	return fmt.Sprintf("%s: %s: %s, before %s%s, p=%.4f, n=%d+%d", d.Cell, info.Label, d.Now.Text(info.Unit), d.Before.Text(info.Unit), change, d.P, d.Before.N, d.Now.N)
}

// A Comparison is of all cells that two results have in common.
type Comparison struct {
	Differences []Difference // what was tested: worse first, then better, then the rest
	OnlyBefore  []Cell       // cells that were measured before and are not now
	OnlyNow     []Cell
	// Changed are axes on which each of both has one value, and not the same: what was
	// changed on purpose, such as "bandwidth 500MB/s, now 250MB/s". Cells are matched without.
	Changed []string
	// TooFew is why nothing could be found, whatever had changed; "" where something could.
	TooFew string
}

// Worse are the differences for the worse.
func (c Comparison) Worse() (all []Difference) {
	for _, d := range c.Differences {
		if d.Worse {
			all = append(all, d)
		}
	}
	return all
}

// Better are those for the better.
func (c Comparison) Better() (all []Difference) {
	for _, d := range c.Differences {
		if d.Better {
			all = append(all, d)
		}
	}
	return all
}

// Compare holds results against a baseline. A metric of a cell is worse where a one-sided
// Mann-Whitney test finds its samples beyond those of the baseline with the margin added
// (a share of each, and what one look can't tell apart), at a false discovery rate of
// FalseAlarms by Benjamini and Hochberg over all tests; better in the same way.
func Compare(before, now *Results, margin float64) Comparison {
	match, changed := matching(before, now)
	c := Comparison{Changed: changed}
	for _, b := range before.Cells {
		n := slices.IndexFunc(now.Cells, func(x CellResult) bool { return match(b.Cell, x.Cell) })
		switch {
		case len(b.Samples) == 0:
		case n < 0 || len(now.Cells[n].Samples) == 0:
			c.OnlyBefore = append(c.OnlyBefore, b.Cell)
		default:
			c.Differences = append(c.Differences, compareCell(b, now.Cells[n], margin)...)
		}
	}
	for _, x := range now.Cells {
		measured := func(b CellResult) bool { return match(b.Cell, x.Cell) && len(b.Samples) > 0 }
		if len(x.Samples) > 0 && !slices.ContainsFunc(before.Cells, measured) {
			c.OnlyNow = append(c.OnlyNow, x.Cell)
		}
	}
	worse := discovered(c.Differences, func(d Difference) float64 { return d.worseP })
	better := discovered(c.Differences, func(d Difference) float64 { return d.betterP })
	for i := range c.Differences {
		d := &c.Differences[i]
		d.Worse, d.Better = worse[i], better[i] && !worse[i]
	}
	c.TooFew = tooFew(c.Differences)
	slices.SortStableFunc(c.Differences, func(a, b Difference) int { return rank(a) - rank(b) })
	return c
}

// matching says which cells are to be compared: those whose axes are equal, but for axes on
// which each of both results has one value, and not the same.
func matching(before, now *Results) (match func(before, now Cell) bool, changed []string) {
	var differ []axis
	for _, a := range axes() {
		b, n := a.only(before), a.only(now)
		if b != "" && n != "" && b != n {
			differ = append(differ, a)
			changed = append(changed, fmt.Sprintf("%s %s, now %s", a.name, b, n))
		}
	}
	return func(b, n Cell) bool {
		for _, a := range differ {
			a.copy(&b, n)
		}
		return b == n
	}, changed
}

func rank(d Difference) int {
	switch {
	case d.Worse:
		return 0
	case d.Better:
		return 1
	}
	return 2
}

func compareCell(before, now CellResult, margin float64) (all []Difference) {
	for _, info := range Metrics() {
		b, n := before.Values(info.Metric), now.Values(info.Metric)
		if !info.Judged || len(b) == 0 || len(n) == 0 {
			continue
		}
		d := Difference{Cell: now.Cell, Metric: info.Metric, Before: Summarize(b), Now: Summarize(n)}
		d.worseP = beyond(b, n, margin, info, info.Higher)
		d.betterP = beyond(b, n, margin, info, !info.Higher)
		d.P = min(d.worseP, d.betterP)
		all = append(all, d)
	}
	return all
}

// beyond is how probable it is that what is measured now lies as far beyond the baseline and
// its margin by chance: below it where down is set, else above.
func beyond(before, now []float64, margin float64, info MetricInfo, down bool) float64 {
	moved := make([]float64, len(before))
	for i, x := range before {
		step := math.Abs(x)*margin + info.Resolution
		if down {
			step = -step
		}
		moved[i] = x + step
	}
	low, high := moved, now
	if down {
		low, high = now, moved
	}
	test, err := moremath.MannWhitneyUTest(low, high, moremath.LocationLess)
	if err != nil { // all are the same, so nothing differs
		return 1
	}
	return min(max(test.P, 0), 1)
}

// discovered are those of the tests that Benjamini and Hochberg's procedure rejects at a false
// discovery rate of FalseAlarms.
func discovered(all []Difference, p func(Difference) float64) []bool {
	found := make([]bool, len(all))
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch x, y := p(all[a]), p(all[b]); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	last := -1
	for k, i := range order {
		if p(all[i]) <= FalseAlarms*float64(k+1)/float64(len(all)) {
			last = k
		}
	}
	for _, i := range order[:last+1] {
		found[i] = true
	}
	return found
}

// tooFew says that there are too few samples to find one quantity that has changed in every
// cell, however much.
func tooFew(all []Difference) string {
	if len(all) == 0 {
		return "no cell was measured in both"
	}
	counts, most := map[Metric]int{}, 0
	for _, d := range all {
		counts[d.Metric]++
		most = max(most, min(d.Before.N, d.Now.N))
	}
	for _, d := range all {
		if smallestP(d.Before.N, d.Now.N) <= FalseAlarms*float64(counts[d.Metric])/float64(len(all)) {
			return ""
		}
	}
	return fmt.Sprintf("with %d samples of each cell no difference can be told from chance: measure 5 or more, and 7 or more to find one in one of many cells", most)
}

// smallestP is the least probability that a one-sided test of so many samples can come to:
// that of one order of them all.
func smallestP(m, n int) float64 {
	orders := 1.0
	for i := 1; i <= n; i++ {
		orders *= float64(m+i) / float64(i)
	}
	return 1 / orders
}
