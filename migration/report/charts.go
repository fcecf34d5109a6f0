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

// samples are what the source reported while its migration lasted.
func (l *logs) samples(name string) (all []sample) {
	for _, r := range l.replies("query-migrate") {
		value, there := countersOf(r.value)[name]
		if at, known := l.when(r.message); known && there {
			all = append(all, sample{at, value})
		}
	}
	return all
}

// chart draws numbers over the run's time; nil where there are fewer than three.
func (f *Folder) chart(caption, unit string, names, labels []string) *figure {
	began, end := f.Record.Started, f.end()
	if !end.After(began) {
		return nil
	}
	const height, left, bottom = 120.0, 90.0, 20.0
	fig := &figure{Caption: caption, Picture: picture{Width: pictureWidth, Height: height + bottom}}
	var series [][]sample
	most, points := 0.0, 0
	for _, name := range names {
		all := f.source.samples(name)
		series = append(series, all)
		points = max(points, len(all))
		for _, s := range all {
			most = math.Max(most, s.value)
		}
	}
	if points < 3 || most <= 0 {
		return nil
	}
	x := func(at time.Time) float64 {
		return left + (pictureWidth-left-10)*min(1, max(0, at.Sub(began).Seconds()/end.Sub(began).Seconds()))
	}
	y := func(v float64) float64 { return 8 + (height-8)*(1-v/most) }
	fig.Picture.line("axis", [][2]float64{{left, 8}, {left, height}, {pictureWidth - 10, height}})
	fig.Picture.text("label", "end", left-6, 16, amount(most, unit))
	fig.Picture.text("label", "end", left-6, height, "0")
	fig.Picture.text("label", "start", left, height+16, "0 s")
	fig.Picture.text("label", "end", pictureWidth-10, height+16, fmt.Sprintf("%.1f s", end.Sub(began).Seconds()))
	f.shadeDowntime(&fig.Picture, x, 8, height-8)
	var alt []string
	for i, all := range series {
		if len(all) == 0 {
			continue
		}
		var points [][2]float64
		signs := []byte(strings.Repeat(" ", textColumns))
		peak := 0.0
		for _, s := range all {
			points = append(points, [2]float64{x(s.at), y(s.value)})
			peak = math.Max(peak, s.value)
			column := int((x(s.at) - left) / (pictureWidth - left) * textColumns)
			signs[min(textColumns-1, column)] = level(s.value / most)
		}
		fig.Picture.line(fmt.Sprintf("series s%d", i), points)
		fig.Picture.text(fmt.Sprintf("label s%d", i), "start", left+8+float64(i)*150, 18, labels[i])
		fig.Text = append(fig.Text, fmt.Sprintf("%-12s |%s| at most %s, in the end %s", labels[i], signs, amount(peak, unit), amount(all[len(all)-1].value, unit)))
		alt = append(alt, fmt.Sprintf("%s: at most %s, in the end %s, %d readings", labels[i], amount(peak, unit), amount(all[len(all)-1].value, unit), len(all)))
	}
	fig.Alt = caption + ", over the run's time. " + strings.Join(alt, "; ")
	return fig
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
	began, end := f.Record.Started, f.end()
	if !end.After(began) || len(f.source.beats)+len(f.dest.beats) == 0 {
		return nil
	}
	const left, lane = 90.0, 26.0
	fig := &figure{Caption: "The guest's heartbeat", Picture: picture{Width: pictureWidth, Height: 2*lane + 22}}
	x := func(at time.Time) float64 {
		return left + (pictureWidth-left-10)*min(1, max(0, at.Sub(began).Seconds()/end.Sub(began).Seconds()))
	}
	f.shadeDowntime(&fig.Picture, x, 2, 2*lane)
	fig.Alt = "When the guest's console spoke. "
	for i, l := range f.sides() {
		y := float64(i) * lane
		fig.Picture.text("label", "end", left-6, y+18, l.name)
		signs := []byte(strings.Repeat(".", textColumns))
		const mostTicks = 2000
		for n, at := range l.beats {
			if n < mostTicks {
				fig.Picture.rect("tick", x(at), y+6, 1, lane-10)
			}
			signs[min(textColumns-1, int((x(at)-left)/(pictureWidth-left)*textColumns))] = '|'
		}
		fig.Text = append(fig.Text, fmt.Sprintf("%-12s %s", l.name, signs))
		fig.Alt += fmt.Sprintf("%s: %d times. ", l.name, len(l.beats))
	}
	fig.Picture.text("label", "start", left, 2*lane+16, "0 s")
	fig.Picture.text("label", "end", pictureWidth-10, 2*lane+16, fmt.Sprintf("%.1f s", end.Sub(began).Seconds()))
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
	all = append(all,
		f.heartbeat(),
		f.chart("Bytes sent and left, as query-migrate says", "bytes", []string{"ram.transferred", "ram.remaining"}, []string{"transferred", "remaining"}),
		f.chart("Dirty rate", "pages a second", []string{"ram.dirty-pages-rate"}, []string{"dirty rate"}),
		f.chart("Throughput", "Mb a second", []string{"ram.mbps"}, []string{"mbps"}),
		f.chart("Throttle", "%", []string{"cpu-throttle-percentage"}, []string{"throttle"}),
		paced(f.Record.Paced),
	)
	return all
}

// paced are what went over the link in stretches of time, each beside its limit.
func paced(all []record.Paced) *figure {
	var rows []bar
	for i, p := range all {
		if p.Seconds > 0 && p.Bytes >= 0 && i < record.MaxListed {
			rate := float64(p.Bytes) / p.Seconds
			rows = append(rows, bar{label: fmt.Sprintf("link, %.2f s", p.Seconds), value: rate, unit: "bytes a second", bad: p.Limit > 0 && rate > 1.25*p.Limit})
			if p.Limit > 0 {
				rows = append(rows, bar{label: "max-bandwidth", value: p.Limit, unit: "bytes a second"})
			}
		}
	}
	return bars("On the link, stretch by stretch", rows)
}
