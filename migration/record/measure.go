package record

import (
	"fmt"
	"math"
)

// A Measure is a quantity that a story measured, and the bounds within which it
// has to lie for the scenario to have done what it says.
type Measure struct {
	What  string
	Value float64
	Unit  string // a plural: pages, bytes
	Bounds
}

// Bounds are the least and the most that a quantity may be; nil is no bound.
type Bounds struct {
	Min *float64 `json:",omitempty"`
	Max *float64 `json:",omitempty"`
}

// AtLeast bounds a quantity from below.
func AtLeast(least float64) Bounds { return Bounds{Min: &least} }

// AtMost bounds a quantity from above.
func AtMost(most float64) Bounds { return Bounds{Max: &most} }

// Between bounds a quantity on both sides.
func Between(least, most float64) Bounds { return Bounds{Min: &least, Max: &most} }

// Exactly lets a quantity be one value only.
func Exactly(value float64) Bounds { return Between(value, value) }

func (b Bounds) holds(value float64) bool {
	return (b.Min == nil || value >= *b.Min) && (b.Max == nil || value <= *b.Max)
}

func (b Bounds) String() string {
	switch {
	case b.Min != nil && b.Max != nil && *b.Min == *b.Max:
		return fmt.Sprintf("exactly %s", number(*b.Min))
	case b.Min != nil && b.Max != nil:
		return fmt.Sprintf("%s to %s", number(*b.Min), number(*b.Max))
	case b.Min != nil:
		return fmt.Sprintf("at least %s", number(*b.Min))
	case b.Max != nil:
		return fmt.Sprintf("at most %s", number(*b.Max))
	}
	return "anything"
}

// number writes a quantity without an exponent, and without digits that say nothing.
func number(x float64) string {
	if x == math.Trunc(x) || math.Abs(x) >= 1000 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.3g", x)
}

func judgeMeasures(r *Record) (Outcome, string) {
	for _, m := range r.Measures {
		switch {
		case m.Min == nil && m.Max == nil || math.IsNaN(m.Value):
			return Unknown, fmt.Sprintf("%s was not measured against anything", m.What)
		case !m.holds(m.Value):
			return fail("%s: %s %s, expected %s", m.What, number(m.Value), m.Unit, m.Bounds)
		}
	}
	if len(r.Measures) == 0 {
		return unknown("any quantity")
	}
	m := r.Measures[0]
	witness := fmt.Sprintf("%s: %s %s (%s)", m.What, number(m.Value), m.Unit, m.Bounds)
	if more := len(r.Measures) - 1; more > 0 {
		witness += fmt.Sprintf(", and %d more", more)
	}
	return Pass, witness
}
