package main

import (
	"fmt"
	"io"
	"math"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/migration/record"
)

// rates count how often each scenario failed in a run that repeats them. The zero value is
// ready; it is not safe for concurrent use.
type rates struct {
	names []string // in the order in which they came
	of    map[string]*intermittent
}

// intermittent is a failure that comes and goes. How often it came is an estimate of how
// often it comes: with a confidence of 95 % the true rate is between Low and High.
type intermittent struct {
	Scenario     string
	Failed, Runs int // runs that passed or failed; others show nothing
	Rate         float64
	Low, High    float64
}

func (r *rates) add(name string, result *record.Result) {
	if result.Outcome != record.Pass && result.Outcome != record.Fail {
		return
	}
	if r.of == nil {
		r.of = map[string]*intermittent{}
	}
	if r.of[name] == nil {
		r.of[name] = &intermittent{Scenario: name}
		r.names = append(r.names, name)
	}
	r.of[name].Runs++
	if result.Outcome == record.Fail {
		r.of[name].Failed++
	}
}

// intermittent are the scenarios that have failed and passed.
func (r *rates) intermittent() (found []intermittent) {
	for _, name := range r.names {
		i := *r.of[name]
		if i.Failed == 0 || i.Failed == i.Runs {
			continue
		}
		i.Rate = float64(i.Failed) / float64(i.Runs)
		i.Low, i.High = wilson(i.Failed, i.Runs)
		found = append(found, i)
	}
	return found
}

// write writes a line for each failure that comes and goes.
func (r *rates) write(w io.Writer) {
	for _, i := range r.intermittent() {
		fmt.Fprintf(w, "%s failed in %d of %d runs: %.1f%% of the time (95%% confidence interval: %.1f%% to %.1f%%)\n",
			plain.Text(i.Scenario), i.Failed, i.Runs, 100*i.Rate, 100*i.Low, 100*i.High)
	}
}

// wilson is the Wilson score interval of a proportion, for a confidence of 95 %. Unlike the
// normal approximation it is sound for few runs, and for rates near 0 and 1. n is at least 1.
func wilson(k, n int) (low, high float64) {
	const z = 1.959963984540054 // 97.5 % of a normal distribution are below
	p, size := float64(k)/float64(n), float64(n)
	scale := 1 + z*z/size
	middle := (p + z*z/(2*size)) / scale
	half := z / scale * math.Sqrt(p*(1-p)/size+z*z/(4*size*size))
	return max(0, middle-half), min(1, middle+half)
}
