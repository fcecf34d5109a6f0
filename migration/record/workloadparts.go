package record

import "fmt"

// A partFit is how the runs of one vCPU's part could have come about.
type partFit struct {
	fit
	runs []Run
}

// fits explains the runs of each part. Parts whose runs are not listed are missing.
func (w *WorkloadFacts) fits() (fits []partFit) {
	parts := uint64(max(w.Parts, 1))
	length := w.Range.Len() / parts
	for n, runs := uint64(0), w.Runs; n < parts && len(runs) > 0; n++ {
		count := len(runs)
		for i, r := range runs {
			if n+1 < parts && r.Address >= w.Range.Start+(n+1)*length {
				count = i
				break
			}
		}
		if count > 0 {
			fits = append(fits, partFit{bestFit(runs[:count]), runs[:count]})
		}
		runs = runs[count:]
	}
	return fits
}

// pages is how many the part has.
func (f partFit) pages() (n int) {
	for _, r := range f.runs {
		n += r.Pages
	}
	return n
}

// right says what a part holds in which nothing is wrong.
func (f partFit) right() string {
	if f.edge == len(f.runs) {
		return fmt.Sprintf("all %d pages hold %d", f.pages(), f.value)
	}
	return fmt.Sprintf("%d pages hold %d, and from %#x on %d", f.pages(), f.value, f.runs[f.edge].Address, f.value-1)
}

// witness names the first page that is wrong.
func (w *WorkloadFacts) witness(fits []partFit) string {
	wrong := 0
	for _, f := range fits {
		wrong += f.wrong
	}
	stretches := fmt.Sprintf("there are %d stretches of equal bytes, where %s are expected", len(w.Runs)+w.More, expectedRuns(w.Parts))
	for _, f := range fits {
		for i, r := range f.runs {
			want := f.expected(i)
			if r.Value == want {
				continue
			}
			text := fmt.Sprintf("the byte at %#x is wrong: expected %d, found %d", r.Address, want, r.Value)
			if f.edge > 0 && f.edge < len(f.runs) {
				text += fmt.Sprintf(" (the workload was at %#x)", f.runs[f.edge].Address)
			}
			if w.More > 0 {
				return fmt.Sprintf("%s; %s", text, stretches)
			}
			return fmt.Sprintf("%s; %d of %d pages are wrong", text, wrong, w.Pages)
		}
	}
	return stretches
}

func expectedRuns(parts int) string {
	if parts <= 1 {
		return "two"
	}
	return fmt.Sprintf("no more than %d", 2*parts)
}
