package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/drover-vm/drover/migration/bench"
)

// markers tell curves apart for those who don't see colours.
var markers = []string{"●", "■", "▲", "◆", "✚", "★", "▼", "○", "□", "△", "◇", "✕"}

// curves is a chart of a metric against what the guest dirties, a curve a method, on a
// logarithmic scale; a stroke goes from the least to the most. Nil where there is nothing.
func (f *facet) curves(r *bench.Results, caption, unit string, m bench.Metric, scale float64) *figure {
	const height, left, right, top, bottom = 260.0, 70.0, 130.0, 12.0, 34.0
	fig := &figure{Caption: caption, Picture: picture{Width: pictureWidth, Height: top + height + bottom}}
	least, most := math.Inf(1), 0.0
	all := map[string][]bench.Summary{}
	for _, method := range f.methods {
		for _, dirty := range f.dirty {
			s := bench.Summarize(r.Of(f.point(method, dirty)), m)
			s.Median, s.Min, s.Max = s.Median*scale, s.Min*scale, s.Max*scale
			if s.N > 0 {
				s.Median, s.Min, s.Max = math.Max(s.Median, 0.5), math.Max(s.Min, 0.5), math.Max(s.Max, 0.5)
				least, most = math.Min(least, s.Min), math.Max(most, s.Max)
			}
			all[method] = append(all[method], s)
		}
	}
	points := 0
	for _, summaries := range all {
		for _, s := range summaries {
			points += min(1, s.N)
		}
	}
	if most == 0 || points < fewestSamples {
		return nil
	}
	from, to := math.Floor(math.Log10(least)), math.Ceil(math.Log10(most)+1e-9)
	if to <= from {
		to = from + 1
	}
	x := func(i int) float64 {
		return left + 20 + (pictureWidth-left-right-40)*float64(i)/math.Max(1, float64(len(f.dirty)-1))
	}
	y := func(v float64) float64 { return top + height*(to-math.Log10(v))/(to-from) }
	for tick := from; tick <= to; tick++ {
		at := y(math.Pow(10, tick))
		fig.Picture.line("rule", [][2]float64{{left, at}, {pictureWidth - right, at}})
		fig.Picture.text("label", "end", left-6, at+4, strings.TrimSpace(fmt.Sprintf("%g %s", math.Pow(10, tick), unit)))
	}
	for i, dirty := range f.dirty {
		fig.Picture.text("label", "middle", x(i), top+height+16, dirty.String())
	}
	fig.Picture.text("label", "middle", (left+pictureWidth-right)/2, top+height+31, "what the guest dirties, over and over")
	var alt []string
	labels := &labels{}
	for n, method := range f.methods {
		class := fmt.Sprintf("c%d", n%8)
		var points [][2]float64
		var says []string
		for i, s := range all[method] {
			if s.N == 0 {
				fig.curve(class, points)
				points = nil
				says = append(says, f.dirty[i].String()+": none")
				continue
			}
			points = append(points, [2]float64{x(i), y(s.Median)})
			fig.Picture.line("curve thin "+class, [][2]float64{{x(i), y(s.Min)}, {x(i), y(s.Max)}})
			fig.Picture.text("marker "+class, "middle", x(i), y(s.Median)+4, markers[n%len(markers)])
			labels.put(method, class, markers[n%len(markers)], y(s.Median))
			says = append(says, fmt.Sprintf("%s: %s %s", f.dirty[i], digits(s.Median), unit))
		}
		fig.curve(class, points)
		alt = append(alt, method+" "+strings.Join(says, ", "))
	}
	labels.write(&fig.Picture, pictureWidth-right+8, top+8, top+height)
	fig.Alt = caption + ", " + f.String() + ". " + strings.Join(alt, "; ")
	return fig
}

func (fig *figure) curve(class string, points [][2]float64) {
	if len(points) > 1 {
		fig.Picture.line("curve "+class, points)
	}
}

// labels are names at the right of a chart, each at the height of its curve's end, apart from
// each other.
type labels struct{ all []curveLabel }

type curveLabel struct {
	text, class string
	y           float64
}

// put sets where a curve's name belongs; the last point of the curve counts.
func (l *labels) put(method, class, marker string, y float64) {
	text := marker + " " + method
	for i := range l.all {
		if l.all[i].text == text {
			l.all[i].y = y
			return
		}
	}
	l.all = append(l.all, curveLabel{text, class, y})
}

func (l *labels) write(p *picture, x, top, bottom float64) {
	const apart = 15
	placed := l.all
	for i := range placed { // a handful: sorted by insertion
		for j := i; j > 0 && placed[j].y < placed[j-1].y; j-- {
			placed[j], placed[j-1] = placed[j-1], placed[j]
		}
	}
	at := top
	for i := range placed {
		at = math.Max(at, placed[i].y)
		placed[i].y = at
		at += apart
	}
	for i := len(placed) - 1; i >= 0; i-- { // and back up, where they ran out of the picture
		bottomMost := bottom - apart*float64(len(placed)-1-i)
		placed[i].y = math.Min(placed[i].y, bottomMost)
	}
	for _, c := range placed {
		p.text("marker "+c.class, "start", x, c.y+4, c.text)
	}
}

// frontier shows which method converges at which dirty rate, and with which downtime: a cell a
// point. With several downtime limits each has its own.
func frontier(r *bench.Results, f *facet) *figure {
	const left, row, top, right = 110.0, 28.0, 22.0, 10.0
	fig := &figure{Caption: fmt.Sprintf("Convergence frontier: what switches over within %.1f s and %d ms of downtime", float64(r.WithinMS)/1000, f.downtime)}
	fig.Picture = picture{Width: pictureWidth, Height: top + row*float64(len(f.methods)) + 4}
	width := (pictureWidth - left - right) / float64(len(f.dirty))
	for i, dirty := range f.dirty {
		fig.Picture.text("label", "middle", left+width*(float64(i)+0.5), 14, dirty.String())
	}
	var alt []string
	for n, method := range f.methods {
		y := top + row*float64(n)
		fig.Picture.text("label", "end", left-8, y+18, method)
		for i, dirty := range f.dirty {
			all := r.Of(f.point(method, dirty))
			kept, class, text := bench.Converged(all), "cell", "not measured"
			switch {
			case len(all) == 0:
			case kept == len(all):
				class, text = "cell good", "✓ "+milliseconds(bench.Summarize(all, metricNamed("downtime, reported")).Max)
			case kept == 0:
				class, text = "cell no", "✗ does not"
			default:
				class, text = "cell doubt", fmt.Sprintf("? %d of %d", kept, len(all))
			}
			fig.Picture.rect(class, left+width*float64(i)+2, y+2, width-4, row-4)
			fig.Picture.text("on", "middle", left+width*(float64(i)+0.5), y+18, text)
			alt = append(alt, fmt.Sprintf("%s at %s: %s", method, dirty, text))
		}
	}
	fig.Alt = fig.Caption + ". " + strings.Join(alt, "; ")
	return fig
}

// digits writes a number with three digits that tell, and no exponent.
func digits(x float64) string {
	const large = 100
	if x >= large {
		return thousands(math.Round(x))
	}
	return fmt.Sprintf("%.3g", x)
}
