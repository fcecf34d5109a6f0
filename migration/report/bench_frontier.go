package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drover-vm/drover/migration/bench/stats"
)

// frontier shows which method converges at which dirty rate, and within which downtime: one
// for each bandwidth and size of RAM, over all downtime limits; nil where nothing was measured.
func frontier(r *stats.Results, bandwidth int64, memoryMiB int) *figure {
	var rates []stats.Rate
	for _, c := range r.Cells {
		if c.Bandwidth == bandwidth && c.MemoryMiB == memoryMiB && len(c.Samples) > 0 && !slices.Contains(rates, c.DirtyRate) {
			rates = append(rates, c.DirtyRate)
		}
	}
	slices.Sort(rates)
	methods := r.Methods()
	if len(rates) == 0 {
		return nil
	}
	const left, row, head = 110.0, 30.0, 22.0
	width := (pictureWidth - left) / float64(len(rates))
	f := &figure{
		Caption: fmt.Sprintf("Convergence frontier: bandwidth %s, %s of RAM", stats.BandwidthText(bandwidth), stats.MemoryText(memoryMiB)),
		Picture: picture{Width: pictureWidth, Height: head + row*float64(len(methods)) + 6},
	}
	for i, rate := range rates {
		f.Picture.text("label", "middle", left+width*(float64(i)+0.5), 14, rate.String())
	}
	var alt []string
	for n, method := range methods {
		y := head + row*float64(n)
		f.Picture.text("label", "end", left-8, y+19, method)
		for i, rate := range rates {
			mark := markOf(r, method, rate, bandwidth, memoryMiB)
			f.Picture.rect("frontier "+mark.class, left+width*float64(i)+1, y+1, width-2, row-2)
			f.Picture.text("label", "middle", left+width*(float64(i)+0.5), y+19, mark.short)
			alt = append(alt, fmt.Sprintf("%s at %s: %s", method, rate, mark.words))
		}
	}
	f.Alt = f.Caption + ". " + strings.Join(alt, "; ")
	return f
}

type frontierMark struct{ class, short, words string }

// markOf is what came of a method at a rate: the least downtime limit under which all
// migrations converged, and the longest downtime that there was; or the downtime that it
// would have taken.
func markOf(r *stats.Results, method string, rate stats.Rate, bandwidth int64, memoryMiB int) frontierMark {
	best := frontierMark{"none", "–", "not measured"}
	for _, c := range r.Cells {
		if c.Method != method || c.DirtyRate != rate || c.Bandwidth != bandwidth || c.MemoryMiB != memoryMiB || len(c.Samples) == 0 {
			continue
		}
		downtime := stats.Summarize(c.Values(stats.Downtime))
		limit := time.Duration(c.DowntimeMS) * time.Millisecond
		n, all := c.Converged(), len(c.Samples)
		longest := stats.Text(downtime.Largest, "s")
		switch {
		case n == all && downtime.Largest*1000 <= float64(c.DowntimeMS):
			return frontierMark{"kept", "✓ ≤ " + longest, fmt.Sprintf("converges within %s, at most %s", limit, longest)}
		case n == all:
			best = frontierMark{"over", "~ ≤ " + longest, fmt.Sprintf("converges under a limit of %s, and takes up to %s", limit, longest)}
		case n > 0 && best.class != "over":
			best = frontierMark{"some", fmt.Sprintf("%d of %d", n, all), fmt.Sprintf("%d of %d converge under a limit of %s", n, all, limit)}
		case best.class == "none" || best.class == "not":
			best = frontierMark{"not", "✗ " + stats.Text(downtime.Median, "s"), fmt.Sprintf("does not converge under a limit of %s: it would take %s", limit, stats.Text(downtime.Median, "s"))}
		}
	}
	return best
}
