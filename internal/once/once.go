// Package once computes a value once for each key, for all callers.
package once

import (
	"context"
	"sync"

	"github.com/drover-vm/drover/internal/ended"
)

// A Map keeps a value for each key that was asked for. Its zero value is ready, and
// it may be used from several goroutines at once. It must not be copied after its
// first use.
type Map[K comparable, V any] struct {
	mu    sync.Mutex
	known map[K]*entry[V]
}

// An entry is a value that is computed, or has been.
type entry[V any] struct {
	done  chan struct{} // closed once the rest is set
	value V
	err   error
	left  bool // the caller that computed it has left: the error is its own
}

// Get returns the value of a key, and computes it where it isn't known. Callers
// that ask for the same key meanwhile wait for that one computation, and get what
// it gives, its error as well. An error is not kept: whoever asks after it has
// been returned has it computed again.
//
// The computation has the context of the caller that began it. Where that context
// ends, the error is that caller's alone: one of those that wait begins anew. A
// caller that waits leaves with the error of its own context when that ends.
func (m *Map[K, V]) Get(ctx context.Context, key K, compute func(ctx context.Context) (V, error)) (V, error) {
	for {
		e, ours := m.entry(key)
		if ours {
			m.compute(ctx, key, e, compute)
			return e.value, e.err
		}
		select {
		case <-e.done:
		default:
			select {
			case <-e.done:
			case <-ctx.Done():
				return *new(V), ended.By(ctx)
			}
		}
		if !e.left {
			return e.value, e.err
		}
	}
}

// entry returns the entry of a key, and whether it is the caller's to compute.
func (m *Map[K, V]) entry(key K) (e *entry[V], ours bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[K]*entry[V]{}
	}
	if e := m.known[key]; e != nil {
		return e, false
	}
	e = &entry[V]{done: make(chan struct{})}
	m.known[key] = e
	return e, true
}

// compute fills an entry in, also where the computation panics: nobody may wait
// for it for ever.
func (m *Map[K, V]) compute(ctx context.Context, key K, e *entry[V], compute func(ctx context.Context) (V, error)) {
	e.left = true
	defer func() {
		if e.err != nil || e.left {
			m.mu.Lock()
			delete(m.known, key)
			m.mu.Unlock()
		}
		close(e.done)
	}()
	e.value, e.err = compute(ctx)
	e.left = e.err != nil && ctx.Err() != nil
}
