//go:build linux

package main

import "sync"

// rounds makes a worker's rounds of those of its parts: one is over when each part has
// looked at all that it has since the last.
type rounds struct {
	mu      sync.Mutex
	witness *Witness
	parts   int
	left    map[any]bool
}

func newRounds(parts int, w *Witness) *rounds {
	return &rounds{witness: w, parts: parts, left: map[any]bool{}}
}

// done notes that a part has looked at all that it has.
func (r *rounds) done(part any) {
	if r.complete(part) {
		r.witness.Round()
	}
}

func (r *rounds) complete(part any) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left[part] = true; len(r.left) < r.parts {
		return false
	}
	clear(r.left)
	return true
}
