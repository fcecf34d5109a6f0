package record

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

// A Measure is a quantity that a scenario measured, and the bounds within which it
// has to lie for the scenario to have done what it says. A value that is no number, as of
// 0 divided by 0, is saved as null.
type Measure struct {
	What  string
	Value float64 `strict:"null"`
	Unit  string  // a plural: pages, bytes
	Bounds
}

// Bounds are the least and the most that a quantity may be; nil is no bound.
type Bounds struct {
	Min *float64 `json:",omitempty"`
	Max *float64 `json:",omitempty"`
	// Timed says that how fast the host is decides whether they are kept, whatever the unit:
	// on a busy one nobody can tell.
	Timed bool `json:",omitempty"`
}

// AtLeast bounds a quantity from below.
func AtLeast(least float64) Bounds { return Bounds{Min: &least} }

// AtMost bounds a quantity from above.
func AtMost(most float64) Bounds { return Bounds{Max: &most} }

// Between bounds a quantity on both sides.
func Between(least, most float64) Bounds { return Bounds{Min: &least, Max: &most} }

// IfOnTime are the bounds of a quantity that depends on how fast the host is.
func (b Bounds) IfOnTime() Bounds {
	b.Timed = true
	return b
}

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

// number writes a quantity without an exponent, and without digits that mean nothing.
func number(x float64) string {
	if x == math.Trunc(x) || math.Abs(x) >= 999.5 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.3g", x)
}

// savedMeasure is a Measure as JSON has it, which knows no infinity and nothing that is
// no number.
type savedMeasure struct {
	What  string
	Value *float64
	Unit  string
	Bounds
}

// MarshalJSON implements json.Marshaler.
func (m Measure) MarshalJSON() ([]byte, error) {
	saved := savedMeasure{m.What, finite(&m.Value), m.Unit, Bounds{finite(m.Min), finite(m.Max), m.Timed}}
	if !m.comparable() { // a bound that is no number bounds nothing
		saved.Value = nil
	}
	return json.Marshal(saved)
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *Measure) UnmarshalJSON(text []byte) error {
	var saved savedMeasure
	if err := json.Unmarshal(text, &saved); err != nil {
		return err
	}
	*m = Measure{saved.What, math.NaN(), saved.Unit, saved.Bounds}
	if saved.Value != nil {
		m.Value = *saved.Value
	}
	return nil
}

func finite(x *float64) *float64 {
	if x == nil || math.IsNaN(*x) || math.IsInf(*x, 0) {
		return nil
	}
	return x
}

// comparable says whether value and bounds are numbers.
func (m Measure) comparable() bool {
	return !math.IsNaN(m.Value) && (m.Min == nil || !math.IsNaN(*m.Min)) && (m.Max == nil || !math.IsNaN(*m.Max))
}

// stretched are the bounds on the run's host: times may be longer on one that is slow,
// and rates lower.
func (r *Record) stretched(m Measure) Bounds {
	b, by := m.Bounds, r.stretch()
	switch {
	case b.Max != nil && slices.Contains([]string{"ms", "s", "µs"}, m.Unit):
		b.Max = new(*b.Max * by)
	case b.Min != nil && slices.Contains([]string{"bytes a second", "MB a second", "pages a second"}, m.Unit):
		b.Min = new(*b.Min / by)
	}
	return b
}

// timed says whether a measure depends on how fast the host is.
func (m Measure) timed() bool {
	return m.Timed || slices.Contains([]string{"ms", "s", "µs", "bytes a second", "MB a second", "pages a second", "times", "syncs"}, m.Unit)
}

func judgeMeasures(r *Record) (Outcome, string) {
	for _, m := range r.Measures {
		switch bounds := r.stretched(m); {
		case m.Min == nil && m.Max == nil || !m.comparable() || m.What == "":
			return unsure("%s was not measured against anything", m.What)
		case m.Min != nil && m.Max != nil && *m.Min > *m.Max:
			return unsure("%s: expected %s, which nothing is", m.What, m.Bounds)
		case !bounds.holds(m.Value) && m.timed():
			return r.late("%s: %s %s, expected %s", m.What, number(m.Value), m.Unit, bounds)
		case !bounds.holds(m.Value):
			return r.cutShort("%s: %s %s, expected %s", m.What, number(m.Value), m.Unit, bounds)
		}
	}
	if len(r.Measures) == 0 {
		return unknown("any quantity")
	}
	if r.Ends == OnDestination && !r.wasSuspended() && len(r.Measures) < int(fewestMeasures.Value) {
		return unsure("%d quantities were measured, and of a guest that has moved at least %.0f are", len(r.Measures), fewestMeasures.Value)
	}
	if taken := r.measuredBySteps(); !r.isLeg && taken > 0 && taken != r.Measured() {
		return unsure("the steps measured %d quantities, and the record has %d", taken, r.Measured())
	}
	m := r.Measures[0]
	witness := fmt.Sprintf("%s: %s %s (%s)", m.What, number(m.Value), m.Unit, r.stretched(m))
	if more := len(r.Measures) - 1; more > 0 {
		witness += fmt.Sprintf(", and %d more", more)
	}
	return Pass, witness
}

func (r *Record) measuredBySteps() (n int) {
	for _, s := range r.Steps {
		n += max(0, s.Measured)
	}
	return n
}
