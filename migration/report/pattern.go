package report

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/drover-vm/drover/migration/record"
)

// A pattern is how wrong stretches lie in memory.
type pattern struct {
	period uint64 // bytes from one to the next, where that is always the same; else 0
	align  uint64 // the largest power of two that divides each address
	pages  int    // wrong
	lag    int    // by how much the bytes found are behind, where that is always the same; else 0
}

func patternOf(wrong []record.Misfit) (p pattern) {
	var all uint64
	for i, m := range wrong {
		p.pages += m.Pages
		all |= m.Address
		lag := int(m.Expected - m.Value)
		switch {
		case i == 0:
			p.lag = lag
		case p.lag != lag:
			p.lag = 0
		}
		if i == 0 {
			continue
		}
		step := m.Address - wrong[i-1].Address
		switch {
		case i == 1:
			p.period = step
		case p.period != step:
			p.period = 0
		}
	}
	if len(wrong) < 3 {
		p.period = 0
	}
	p.align = 1 << min(bits.TrailingZeros64(all), 62)
	return p
}

// sizeOf writes a power of two, or another number of bytes.
func sizeOf(bytes uint64) string {
	switch {
	case bytes >= 1<<30 && bytes%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", bytes>>30)
	case bytes >= 1<<20 && bytes%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes >= 1<<10 && bytes%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d bytes", bytes)
}

func ordinal(n uint64) string {
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprintf("%d%s", n, suffix)
}

// workload explains pages that hold what the workload did not write.
func (x *explainer) workload(w *record.WorkloadFacts, side string) {
	wrong := w.Misfits()
	x.e.side, x.e.component = side, "RAM"
	if len(wrong) == 0 || w.Stride == 0 {
		return
	}
	p := patternOf(wrong)
	every := p.period / w.Stride
	count, share := fmt.Sprintf("%s of %s pages", thousands(float64(p.pages)), thousands(float64(w.Pages))), 100*float64(p.pages)/float64(max(w.Pages, 1))
	if w.More > 0 {
		last := wrong[len(wrong)-1]
		looked := (last.Address-w.Range.Start)/w.Stride + uint64(last.Pages)
		count = fmt.Sprintf("%s of the first %s pages (the record lists no more)", thousands(float64(p.pages)), thousands(float64(looked)))
		share = 100 * float64(p.pages) / float64(max(looked, 1))
	}
	kind := "hold a byte that the workload did not write"
	if p.lag > 0 && p.lag < 128 {
		kind = "hold an old byte: writes to them were lost"
	}
	x.e.sentence = fmt.Sprintf("%s %s, where none is expected", count, kind)
	if every > 1 {
		x.e.sentence = fmt.Sprintf("every %s page of RAM is lost: %s", ordinal(every), x.e.sentence)
	}
	first := wrong[0]
	x.add("share: %.3g %% of the pages", share)
	x.add("first: the byte at %#x on the %s is %d, expected %d", first.Address, side, first.Value, first.Expected)
	x.add("pattern: %s", p.describe(w, wrong))
	if p.lag > 0 {
		x.add("age: each is behind by %d of the workload's rounds", p.lag)
	}
	x.e.figure = memoryMap(w, wrong)
}

// describe says in words how the stretches lie.
func (p pattern) describe(w *record.WorkloadFacts, wrong []record.Misfit) string {
	var parts []string
	switch every := p.period / w.Stride; {
	case len(wrong) == 1:
		parts = append(parts, fmt.Sprintf("one stretch of %s", pages(wrong[0].Pages)))
	case every > 0:
		parts = append(parts, fmt.Sprintf("every %s page, %#x bytes apart", ordinal(every), p.period))
	default:
		parts = append(parts, fmt.Sprintf("%d stretches without a period, of %s on average", len(wrong), pages((p.pages+len(wrong)-1)/len(wrong))))
	}
	if p.align > w.Stride {
		parts = append(parts, "all at multiples of "+sizeOf(p.align))
	} else {
		parts = append(parts, "no alignment beyond the page")
	}
	return strings.Join(parts, "; ")
}

func pages(n int) string {
	if n == 1 {
		return "1 page"
	}
	return thousands(float64(n)) + " pages"
}

// memory explains bytes of RAM that differ.
func (x *explainer) memory(m *record.MemoryFacts) {
	x.e.side, x.e.component = "destination", "RAM"
	if m == nil || len(m.Different) == 0 {
		return
	}
	total := max(m.DifferentTotal, len(m.Different))
	first := m.Different[0]
	var inPages []record.Misfit
	for _, d := range m.Different {
		at := d.Address &^ 4095
		if n := len(inPages); n == 0 || inPages[n-1].Address != at {
			inPages = append(inPages, record.Misfit{Run: record.Run{Address: at, Pages: 1, Value: d.Destination}, Expected: d.Source})
		}
	}
	x.e.sentence = fmt.Sprintf("%s bytes of RAM differ from the source's, the first at %#x: %d, where %d is expected", thousands(float64(total)), first.Address, first.Destination, first.Source)
	x.add("share: %s of %s compared, %.2g %%", size(float64(total)), size(float64(m.Compared)), 100*float64(total)/float64(max(m.Compared, 1)))
	x.add("first: the byte at %#x is %#02x on the source, and %#02x on the destination", first.Address, first.Source, first.Destination)
	p := patternOf(inPages)
	scope := record.WorkloadFacts{Stride: 4096}
	scope.Range.End = max(m.Size, inPages[len(inPages)-1].Address+4096)
	scope.Pages = int(scope.Range.End / 4096)
	if total > len(m.Different) {
		scope.More = total - len(m.Different)
	}
	x.add("pattern, by pages of those listed: %s", p.describe(&scope, inPages))
	x.e.figure = memoryMap(&scope, inPages)
}
