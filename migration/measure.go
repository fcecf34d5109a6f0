package migration

import "github.com/drover-vm/drover/migration/record"

// measure adds a measured quantity to the facts, with what it has to be.
func (p *Pair) measure(what string, value float64, unit string, bounds record.Bounds) {
	p.Facts.Measures = append(p.Facts.Measures, record.Measure{What: what, Value: value, Unit: unit, Bounds: bounds})
}
