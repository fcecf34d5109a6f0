package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/drover-vm/drover/migration/bench/stats"
)

// markers tell curves apart beside their colours and dashes.
var markers = []string{"●", "■", "▲", "◆", "✚", "✖", "○", "□", "△", "◇", "▼", "★"}

// curves draws one metric against the dirty rate, a curve a method, on a logarithmic scale;
// nil where there is nothing to draw.
func curves(r *stats.Results, of conditions, metric stats.Metric) *figure {
	info := stats.Info(metric)
	rates, methods := ratesUnder(r, of), r.Methods()
	low, high := math.Inf(1), 0.0
	for _, c := range r.Cells {
		if s := stats.Summarize(c.Values(metric)); conditionsOf(c.Cell) == of && s.N > 0 {
			low, high = min(low, s.Low), max(high, s.High)
		}
	}
	if high <= 0 || len(rates) == 0 {
		return nil
	}
	limit := float64(of.downtimeMS) / 1000
	if metric == stats.Downtime {
		low, high = min(low, limit), max(high, limit)
	}
	scale := newLogScale(max(low, high/1e6, 1e-4), high)
	const left, right, top, plot, row = 90.0, 20.0, 12.0, 220.0, 20.0
	f := &figure{Caption: upper(info.Label) + " against the dirty rate: " + of.String()}
	legendRows := (len(methods) + 2) / 3
	f.Picture = picture{Width: pictureWidth, Height: top + plot + 44 + row*float64(legendRows)}
	x := func(i int) float64 {
		return left + (pictureWidth-left-right)*(float64(i)+0.5)/float64(len(rates))
	}
	y := func(v float64) float64 { return top + plot*(1-scale.share(v)) }
	step := min(13, (pictureWidth-left-right)/float64(len(rates)*(len(methods)+1))) // between curves at one rate
	for _, tick := range scale.ticks() {
		f.Picture.line("rule", [][2]float64{{left, y(tick)}, {pictureWidth - right, y(tick)}})
		f.Picture.text("label", "end", left-6, y(tick)+4, stats.Text(tick, info.Unit))
	}
	f.Picture.line("axis", [][2]float64{{left, top}, {left, top + plot}, {pictureWidth - right, top + plot}})
	for i, rate := range rates {
		f.Picture.text("label", "middle", x(i), top+plot+16, rate.String())
	}
	f.Picture.text("label", "middle", (left+pictureWidth-right)/2, top+plot+34, "dirty rate of the guest")
	if metric == stats.Downtime {
		f.Picture.line("limit", [][2]float64{{left, y(limit)}, {pictureWidth - right, y(limit)}})
		f.Picture.text("label", "end", pictureWidth-right, y(limit)-4, "downtime limit")
	}
	var alt []string
	for n, method := range methods {
		curve := curveOf(r, of, method, metric, rates)
		f.draw(n, curve, func(i int) float64 { return x(i) + (float64(n)-float64(len(methods)-1)/2)*step }, y)
		at := [2]float64{left + float64(n%3)*190, top + plot + 58 + row*float64(n/3)}
		f.Picture.line(fmt.Sprintf("curve c%d", n%len(markers)), [][2]float64{{at[0], at[1] - 4}, {at[0] + 34, at[1] - 4}})
		f.Picture.text(fmt.Sprintf("mark c%d", n%len(markers)), "middle", at[0]+17, at[1], markers[n%len(markers)])
		f.Picture.text("label", "start", at[0]+42, at[1], method)
		alt = append(alt, method+": "+curve.words(info.Unit))
	}
	f.Alt = f.Caption + ". " + strings.Join(alt, "; ")
	return f
}

// A curve is the summaries of one method, one for each dirty rate; N is 0 where it was not
// measured.
type curve struct {
	rates     []stats.Rate
	summaries []stats.Summary
	converged []bool // all of a cell's migrations
}

func curveOf(r *stats.Results, of conditions, method string, metric stats.Metric, rates []stats.Rate) curve {
	c := curve{rates: rates, summaries: make([]stats.Summary, len(rates)), converged: make([]bool, len(rates))}
	for _, cell := range r.Cells {
		if i := slices.Index(rates, cell.DirtyRate); i >= 0 && cell.Method == method && conditionsOf(cell.Cell) == of {
			c.summaries[i] = stats.Summarize(cell.Values(metric))
			c.converged[i] = cell.Converged() == len(cell.Samples)
		}
	}
	return c
}

func (c curve) words(unit string) string {
	var all []string
	for i, s := range c.summaries {
		if s.N == 0 {
			continue
		}
		text := fmt.Sprintf("%s at %s", s.Text(unit), c.rates[i])
		if !c.converged[i] {
			text += " (not converged)"
		}
		all = append(all, text)
	}
	if all == nil {
		return "not measured"
	}
	return strings.Join(all, ", ")
}

// draw draws a curve with its spread, and marks what did not converge.
func (f *figure) draw(n int, c curve, x func(int) float64, y func(float64) float64) {
	class := fmt.Sprintf("c%d", n%len(markers))
	var points [][2]float64
	for i, s := range c.summaries {
		if s.N == 0 {
			continue
		}
		at := x(i)
		points = append(points, [2]float64{at, y(s.Median)})
		f.Picture.line("spread "+class, [][2]float64{{at, y(s.Low)}, {at, y(s.High)}})
		f.Picture.text("mark "+class, "middle", at, y(s.Median)+4, markers[n%len(markers)])
		if !c.converged[i] {
			f.Picture.text("mark failed", "middle", at, y(s.Median)-7, "✗")
		}
	}
	if len(points) > 1 {
		f.Picture.line("curve "+class, points)
	}
}

// ratesUnder are the dirty rates that were measured under conditions, in order.
func ratesUnder(r *stats.Results, of conditions) (rates []stats.Rate) {
	for _, c := range r.Cells {
		if len(c.Samples) > 0 && conditionsOf(c.Cell) == of && !slices.Contains(rates, c.DirtyRate) {
			rates = append(rates, c.DirtyRate)
		}
	}
	slices.Sort(rates)
	return rates
}

// A logScale goes from one power of ten, or a few of its multiples, to another.
type logScale struct{ low, high float64 }

func newLogScale(low, high float64) logScale {
	ends := []float64{1, 2, 5, 10}
	power := math.Pow(10, math.Floor(math.Log10(low)))
	s := logScale{low: power}
	for _, m := range ends {
		if power*m <= low {
			s.low = power * m
		}
	}
	power = math.Pow(10, math.Floor(math.Log10(high)))
	for _, m := range slices.Backward(ends) {
		if power*m >= high {
			s.high = power * m
		}
	}
	if !(s.high > s.low) {
		s.high = s.low * 10
	}
	return s
}

// share is where a value lies between the ends, from 0 to 1.
func (s logScale) share(v float64) float64 {
	return min(1, max(0, math.Log(max(v, s.low)/s.low)/math.Log(s.high/s.low)))
}

// ticks are the powers of ten between the ends, with their multiples where they are few.
func (s logScale) ticks() (all []float64) {
	steps := []float64{1, 2, 5}
	if s.high/s.low > 1e3 {
		steps = steps[:1]
	}
	for power := math.Pow(10, math.Floor(math.Log10(s.low)+1e-9)); power <= s.high*1.001; power *= 10 {
		for _, m := range steps {
			if v := power * m; v >= s.low*0.999 && v <= s.high*1.001 {
				all = append(all, v)
			}
		}
	}
	return all
}

func upper(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
