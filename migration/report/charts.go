package report

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/drover-vm/drover/migration/record"
)

// A sample is a query-migrate's number at a time.
type sample struct {
	at    time.Time
	value float64
}

// A series is one curve of a chart.
type series struct {
	label  string
	points []sample
}

// fewestSamples is how many a chart needs.
const fewestSamples = 3

// chart draws curves over the time that all charts show; nil where each has fewer points than
// three. Of a curve that reaches far above the first, as a limit may, only a label is seen.
func (f *Folder) chart(caption, unit string, curves ...series) *figure {
	s, ok := f.span()
	const top, height, left, bottom = 20.0, 130.0, 90.0, 20.0
	fig := &figure{Caption: caption, Picture: picture{Width: pictureWidth, Height: height + bottom}}
	first, most := 0.0, 0.0
	for i, c := range curves {
		peak := peakOf(c.points)
		if i == 0 {
			first, most = peak, peak
		}
		const farAbove = 4
		if peak <= farAbove*first {
			most = math.Max(most, peak)
		}
	}
	if len(curves) == 0 || len(curves[0].points) < fewestSamples || !ok {
		return nil
	}
	if most == 0 {
		most = 1
	}
	x := func(at time.Time) float64 { return left + (pictureWidth-left-10)*s.share(at) }
	y := func(v float64) float64 { return top + (height-top)*(1-v/most) }
	f.shadeDowntime(&fig.Picture, x, top, height-top)
	fig.Picture.line("axis", [][2]float64{{left, top}, {left, height}, {pictureWidth - 10, height}})
	fig.Picture.text("label", "end", left-6, top+8, axisAmount(most, unit))
	fig.Picture.text("label", "end", left-6, height, "0")
	f.timeAxis(&fig.Picture, s, left, height+16)
	var alt []string
	for i, c := range curves {
		if len(c.points) == 0 {
			continue
		}
		var points [][2]float64
		signs := []byte(strings.Repeat(" ", textColumns))
		for _, p := range c.points {
			points = append(points, [2]float64{x(p.at), y(math.Min(p.value, most))})
			column := int((x(p.at) - left) / (pictureWidth - left) * textColumns)
			signs[min(textColumns-1, column)] = level(p.value / most)
		}
		peak, end := peakOf(c.points), c.points[len(c.points)-1].value
		label := c.label
		if peak > most {
			label += " (above: " + amount(peak, unit) + ")"
		} else {
			fig.Picture.line(fmt.Sprintf("series s%d", i), points)
		}
		fig.Picture.text(fmt.Sprintf("label s%d", i), "start", left+8+float64(i)*200, 12, label)
		says := fmt.Sprintf("at most %s, in the end %s", amount(peak, unit), amount(end, unit))
		fig.Text = append(fig.Text, fmt.Sprintf("%-13s |%s| %s", c.label, signs, says))
		alt = append(alt, fmt.Sprintf("%s: %s, %d readings", c.label, says, len(c.points)))
	}
	fig.Alt = caption + ", over the migration's time. " + strings.Join(alt, "; ")
	return fig
}

// axisAmount is an amount that fits beside an axis.
func axisAmount(x float64, unit string) string {
	switch unit {
	case "bytes a second":
		return size(x) + "/s"
	case "pages a second":
		return thousands(math.Round(x)) + "/s"
	}
	return amount(x, unit)
}

func peakOf(points []sample) (peak float64) {
	for _, p := range points {
		peak = math.Max(peak, p.value)
	}
	return peak
}

// timeAxis names both ends of the time that charts show, on the run's clock.
func (f *Folder) timeAxis(p *picture, s span, left, y float64) {
	p.text("label", "start", left, y, f.clockOf(s.from))
	p.text("label", "end", pictureWidth-10, y, f.clockOf(s.to))
}

// level is a sign for a share: higher is more.
func level(share float64) byte {
	const signs = "_.-=+*#"
	return signs[min(len(signs)-1, max(0, int(share*float64(len(signs)))))]
}

func (f *Folder) shadeDowntime(p *picture, x func(time.Time) float64, top, height float64) {
	if stop, resume, ok := downtime(f.Record); ok {
		p.rect("downtime", x(stop), top, math.Max(2, x(resume)-x(stop)), height)
	}
}

// heartbeat shows when the guest's console spoke, on either side; nil where it never did.
func (f *Folder) heartbeat() *figure {
	s, ok := f.span()
	if !ok || len(f.source.beats)+len(f.dest.beats) == 0 {
		return nil
	}
	const left, lane = 90.0, 26.0
	fig := &figure{Caption: "The guest's heartbeat", Picture: picture{Width: pictureWidth, Height: 2*lane + 22}}
	x := func(at time.Time) float64 { return left + (pictureWidth-left-10)*s.share(at) }
	f.shadeDowntime(&fig.Picture, x, 2, 2*lane)
	fig.Alt = "When the guest's console spoke. "
	for i, l := range f.sides() {
		y := float64(i) * lane
		fig.Picture.text("label", "end", left-6, y+18, l.name)
		signs := []byte(strings.Repeat(".", textColumns))
		const mostTicks = 2000
		for n, at := range l.beats {
			if !s.has(at) {
				continue
			}
			if n < mostTicks {
				fig.Picture.rect("tick", x(at), y+6, 1, lane-10)
			}
			signs[min(textColumns-1, int((x(at)-left)/(pictureWidth-left)*textColumns))] = '|'
		}
		fig.Text = append(fig.Text, fmt.Sprintf("%-12s %s", l.name, signs))
		fig.Alt += fmt.Sprintf("%s: %d times. ", l.name, len(l.beats))
	}
	f.timeAxis(&fig.Picture, s, left, 2*lane+16)
	if stop, resume, ok := downtime(f.Record); ok {
		text := fmt.Sprintf("downtime: %.0f ms, from %s to %s", float64(resume.Sub(stop).Microseconds())/1000, f.clockOf(stop), f.clockOf(resume))
		fig.Text = append(fig.Text, text)
		fig.Alt += text
		fig.Picture.text("label", "middle", (left+pictureWidth)/2, 2*lane+16, text)
	}
	return fig
}

// figures are the charts for which there are facts.
func (f *Folder) figures() (all []*figure) {
	var sent, link, remaining, dirty, throttle []sample
	for _, s := range f.samples() {
		sent = append(sent, sample{s.Time, float64(s.Bytes)})
		remaining = append(remaining, sample{s.Time, float64(s.Remaining)})
		dirty = append(dirty, sample{s.Time, float64(s.DirtyRate)})
		throttle = append(throttle, sample{s.Time, float64(s.Throttle)})
		if s.OnLink != nil {
			link = append(link, sample{s.Time, float64(*s.OnLink)})
		}
	}
	curves := []series{{"query-migrate", sent}}
	rate := []series{{"sent", rates(sent)}}
	if len(link) >= fewestSamples {
		curves = append(curves, series{"on the link", link})
	}
	if s, ok := f.span(); ok {
		rate = append(rate, series{"max-bandwidth", f.limits(s)})
	}
	return append(all,
		f.heartbeat(),
		f.chart("Bytes sent", "bytes", curves...),
		f.chart("RAM that is dirty and not sent (remaining)", "bytes", series{"remaining", remaining}),
		f.chart("Pages that the guest dirties, as QEMU measures it", "pages a second", series{"dirty rate", dirty}),
		f.chart("Throughput, and its limit", "bytes a second", rate...),
		f.chart("Throttle of the guest's vCPUs (auto-converge)", "%", series{"throttle", throttle}),
		paced(f.Record.Paced),
	)
}

// paced are what went over the link in stretches of time, each beside its limit.
func paced(all []record.Paced) *figure {
	var rows []bar
	for i, p := range all {
		const least = 0.005 // s; a stretch between two settings says nothing
		if p.Seconds > least && p.Bytes >= 0 && i < record.MaxListed {
			rate := float64(p.Bytes) / p.Seconds
			rows = append(rows, bar{label: fmt.Sprintf("link, %.2f s", p.Seconds), value: rate, unit: "bytes a second", bad: p.Limit > 0 && rate > 1.25*p.Limit})
			if p.Limit > 0 {
				rows = append(rows, bar{label: "max-bandwidth", value: p.Limit, unit: "bytes a second"})
			}
		}
	}
	return bars("On the link, stretch by stretch", rows)
}
